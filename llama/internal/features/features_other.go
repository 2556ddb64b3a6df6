//go:build !amd64 && !arm64

package features

// Available returns nil: the engine has no code for special instruction sets of this architecture.
func Available() []string { return nil }
