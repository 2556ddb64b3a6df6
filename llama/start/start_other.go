//go:build !cgo || !unix

package start

// Closed tells whether a descriptor, 0 to 2, was closed when the process started. It is not
// known here.
func Closed(int) bool { return false }

// Prepare has nothing to do.
func Prepare() {}
