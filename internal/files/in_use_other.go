//go:build !windows

package files

// BlockedByUse leaves errors as they are: files can be removed and replaced while they are used.
func BlockedByUse(err error, _ string) error { return err }

// CheckPath refuses a path that does not name a file of its own; on this system all do.
func CheckPath(string) error { return nil }

// TakeAway frees the name of a file that is about to be removed, which removing does here.
func TakeAway(path string) (now string, err error) { return path, nil }
