//go:build cgo && !windows

package llama

func nativePath(path string) string { return path }

// mostSplitPath is the longest path in bytes that the engine makes names of shards of; 0: any
// that the system takes.
const mostSplitPath = 0
