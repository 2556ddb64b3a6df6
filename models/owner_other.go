//go:build !unix

package models

import (
	"fmt"
	"io/fs"
)

// tempVariable is the environment variable that moves os.TempDir.
const tempVariable = "TMP"

// userSuffix is empty: the temporary folder belongs to the user on this system.
func userSuffix() string { return "" }

// checkPrivate accepts any folder: the temporary folder belongs to the user, and folders in it inherit
// its access list.
func checkPrivate(dir string, info fs.FileInfo) error {
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	return nil
}
