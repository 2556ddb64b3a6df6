package userdir

// userData is the user's folder for data.
func userData() (string, error) { return fromHome("Library", "Application Support") }
