package loader

import "os"

// openRegular opens a file for reading.
func openRegular(path string) (*os.File, error) { return os.Open(path) }

// temporary tells whether a read may be tried again as it was: nothing interrupts
// one here.
func temporary(error) bool { return false }
