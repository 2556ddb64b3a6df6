//go:build !windows

package files

// BlockedByUse returns err: files in use can be removed and replaced on this system.
func BlockedByUse(err error, _ string) error { return err }

// CheckPath returns an error for a path that names no file of its own; none on this system.
func CheckPath(string) error { return nil }

// TakeAway frees the name of a file before it is removed; not needed on this system.
func TakeAway(path string) (now string, err error) { return path, nil }
