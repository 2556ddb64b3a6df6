//go:build !unix && !windows

package engines

// distrustPath trusts no file: who may write is not known on this system.
func distrustPath(path string) error {
	return &TrustError{Path: path, At: path, Reason: "who may write is not known on this system"}
}
