// Package userdir knows the user's folders for data.
package userdir

import "path/filepath"

// Data returns a folder of this program in the user's folder for data, which need not exist:
// infer/NAME in $XDG_DATA_HOME (default ~/.local/share), on Windows in %LocalAppData%, on macOS in
// ~/Library/Application Support.
func Data(name string) (string, error) {
	base, err := userData()
	if err != nil {
		return "", err
	}
	return filepath.Join(base, "infer", name), nil
}
