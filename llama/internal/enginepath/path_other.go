//go:build !windows

// Package enginepath makes paths of files such as the engine's C library takes.
package enginepath

// Native is path as the engine can open it.
func Native(path string) string { return path }

// MostShard is the longest path in bytes that the engine makes names of shards of; 0: any
// that the system takes.
const MostShard = 0
