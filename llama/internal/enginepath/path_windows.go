// Package enginepath makes paths of files such as the engine's C library takes.
package enginepath

import (
	"path/filepath"
	"strings"
)

// Native is path as the engine can open it: its C library takes at most MAX_PATH
// characters, 260, but for paths that begin with \\?\, which have to be absolute and written
// with backslashes ("Maximum Path Length Limitation"). Folders may have 12 fewer.
func Native(path string) string {
	const short = 248
	if len(path) < short || strings.HasPrefix(path, `\\?\`) || strings.HasPrefix(path, `\\.\`) {
		return path
	}
	long, err := filepath.Abs(path)
	if err != nil {
		return path // opening it says why
	}
	if share, ok := strings.CutPrefix(long, `\\`); ok {
		return `\\?\UNC\` + share
	}
	return `\\?\` + long
}

// MostShard is the longest path in bytes that the engine makes names of shards of
// (llama_path_max, with the zero behind it); 0: any.
const MostShard = 259
