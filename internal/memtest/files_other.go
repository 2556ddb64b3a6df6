//go:build !linux

package memtest

var errFiles = &Unsupported{Tool: "files", Missing: "mounting and the page cache need Linux"}

func dropCache(string) error { return errFiles }

// Cached returns an [*Unsupported] on this system.
func Cached(string) (uint64, error) { return 0, errFiles }

// SmallDisk returns an [*Unsupported] on this system.
func SmallDisk(string, uint64) (undo func() error, err error) { return nil, errFiles }

// ReadOnlyDir returns an [*Unsupported] on this system.
func ReadOnlyDir(string) (undo func() error, err error) { return nil, errFiles }
