//go:build !amd64 && !arm64

package features

// Available lists none: the engine has no code for instruction sets here.
func Available() []string { return nil }
