package engines

// userData is the user's folder for data.
func userData() (string, error) { return fromHome("Library", "Application Support") }

// libraryFolders are those of Homebrew, of what is built by hand, and of MacPorts.
func libraryFolders(s surroundings) []string {
	return []string{"/opt/homebrew/lib", "/usr/local/lib", "/opt/local/lib", s.installer()}
}
