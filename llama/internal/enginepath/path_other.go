//go:build !windows

// Package enginepath converts paths to the form that the engine's C library accepts.
package enginepath

// Native returns path in the form that the engine can open.
func Native(path string) string { return path }

// MostShard is the longest path, in bytes, from which the engine can form names of shards; 0: no
// limit.
const MostShard = 0
