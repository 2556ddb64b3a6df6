package engines

import "errors"

// distrust returns why others could replace the file or folder at path: a [*TrustError], or the
// error of looking. nil: it is trusted.
func distrust(path string) error { return distrustPath(path) }

// about names the folder that an error of distrust is about.
func about(err error, folder string) error {
	var e *TrustError
	if errors.As(err, &e) {
		e.Path = folder
	}
	return err
}
