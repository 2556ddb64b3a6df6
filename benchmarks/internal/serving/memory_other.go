//go:build !linux

package serving

// processMemory is for Linux only.
func processMemory(int) (rss, anon uint64, ok bool) { return 0, 0, false }
