//go:build !linux && !windows && !darwin

package engines

// libraryFolders are the usual folders of libraries.
func libraryFolders(s surroundings) []string {
	return []string{"/usr/local/lib", "/usr/lib", s.installer()}
}
