// Package enginepath converts paths to the form that the engine's C library accepts.
package enginepath

import (
	"path/filepath"
	"strings"
)

// Native returns path in the form that the engine can open. Its C library accepts at most MAX_PATH
// (260) characters, 12 fewer for folders, unless the path begins with \\?\; such paths must be
// absolute and written with backslashes ("Maximum Path Length Limitation").
func Native(path string) string {
	const short = 248
	if len(path) < short || strings.HasPrefix(path, `\\?\`) || strings.HasPrefix(path, `\\.\`) {
		return path
	}
	long, err := filepath.Abs(path)
	if err != nil {
		return path // opening the file will report the error
	}
	if share, ok := strings.CutPrefix(long, `\\`); ok {
		return `\\?\UNC\` + share
	}
	return `\\?\` + long
}

// MostShard is the longest path, in bytes, from which the engine can form names of shards
// (llama_path_max, with the terminating zero); 0: no limit.
const MostShard = 259
