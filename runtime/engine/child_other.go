//go:build !unix

package engine

import "os"

// killed is not known on this system.
func killed(*os.ProcessState) bool { return false }
