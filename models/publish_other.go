//go:build !unix

package models

// syncFolder does nothing: folders can't be synced here.
func syncFolder(string) {}
