package engines

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/internal/download"
	"github.com/seed7adf6694/infer/internal/words"
)

// ErrName is wrapped for a name that no engine can have.
var ErrName = errors.New("no name for an engine")

// mostName is the length of the longest name, in bytes.
const mostName = 100

// reservedNames mean something else to programs.
var reservedNames = []string{"auto", "builtin", "lock", "none", "engines"}

// CheckName returns an error that wraps [ErrName] for a name that no engine can have. Names have
// letters and digits of ASCII, dots, dashes and underlines, at most 100; the first is a letter or a
// digit, the last no dot. Names of devices on Windows, auto and builtin are reserved.
func CheckName(name string) error {
	reason := ""
	switch {
	case name == "":
		reason = "it is empty"
	case len(name) > mostName:
		reason = fmt.Sprintf("it has %d bytes, at most %d are allowed", len(name), mostName)
	case strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) }):
		reason = "want letters, digits, dots, dashes and underlines"
	case strings.ContainsAny(name[:1], "._-"):
		reason = "the first must be a letter or a digit"
	case strings.HasSuffix(name, "."):
		reason = "the last must be no dot"
	case isDevice(name):
		reason = "Windows has a device of this name"
	case slices.Contains(reservedNames, strings.ToLower(name)):
		reason = "it is reserved"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrName, words.Literal(name), reason)
}

// nameRune reports whether a character may be in a name.
func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_'
}

// isDevice reports whether Windows takes a file's name, whatever its ending, for a device.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	base = strings.TrimRight(base, " ")
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"}, base) {
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if n, ok := strings.CutPrefix(base, port); ok && slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"}, n) {
			return true
		}
	}
	return false
}

// nameFor is the name of an engine from a source's.
func nameFor(source string) string {
	base := filepath.Base(filepath.Clean(source))
	if u, ok := download.ParseURL(source); ok {
		base = path.Base(u.Path)
	}
	for _, ending := range []string{".tar.gz", ".tgz", ".tar", ".zip"} {
		if before, ok := strings.CutSuffix(strings.ToLower(base), ending); ok {
			base = base[:len(before)]
			break
		}
	}
	base = strings.Map(func(r rune) rune {
		if nameRune(r) {
			return r
		}
		return '-'
	}, base)
	return strings.Trim(base, "._-")
}
