//go:build !amd64 && !arm64

package llama

// AvailableFeatures lists none: the engine has no code for instruction sets here.
func AvailableFeatures() []string { return nil }
