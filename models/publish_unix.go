//go:build unix

package models

import "os"

// syncFolder makes a rename in dir last. It is done as well as the file system
// allows: some refuse to sync a folder, and the file's content is safe anyway.
func syncFolder(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	_ = d.Sync()
}
