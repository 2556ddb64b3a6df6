//go:build !linux

package serving

// treeMemory is for Linux only.
func treeMemory(int) (rss, anon uint64, ok bool) { return 0, 0, false }
