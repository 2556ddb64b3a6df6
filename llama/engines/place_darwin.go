package engines

// libraryFolders are those of Homebrew, of what is built by hand, and of MacPorts.
func libraryFolders(s surroundings) []string {
	return []string{"/opt/homebrew/lib", "/usr/local/lib", "/opt/local/lib", s.installer()}
}
