package talk

import (
	"strings"
	"testing"
)

func TestPastesArePartsOfALine(t *testing.T) {
	const esc = "\x1b"
	for _, tt := range []struct{ name, typed, want string }{
		{"no paste", "a\r\x1b[Ab\x03", "a\r\x1b[Ab\x03"},
		{"a word", "x\x1b[200~word\x1b[201~y\r", "xwordy\r"},
		{"lines, and a break at the end", "\x1b[200~one\rtwo\r\n\nthree\n\x1b[201~\r", "one␤two␤␤three\r"},
		{"tabs and control characters", "\x1b[200~\ta\x03\x04\x1bb\x7f\x1b[201~", "␉ab"},
		{"the beginning of a mark inside", "\x1b[200~a\x1b[20b\x1b[201~", "a[20b"},
		{"two", "\x1b[200~a\n\x1b[201~\x1b[200~b\x1b[201~", "ab"},
		{"letters of two bytes", "\x1b[200~é\né\x1b[201~é", "é␤éé"},
	} {
		for size := 1; size <= len(tt.typed); size++ { // of what is read at once
			var p pastes
			got := ""
			for rest := tt.typed; rest != ""; {
				n := min(size, len(rest))
				got += string(p.filter([]byte(rest[:n])))
				rest = rest[n:]
			}
			// An Esc that is read alone is passed on: it may be the key.
			if strings.ReplaceAll(got, esc, "") != strings.ReplaceAll(tt.want, esc, "") || size == len(tt.typed) && got != tt.want {
				t.Errorf("%s, %d bytes at once: %q, want %q", tt.name, size, got, tt.want)
			}
		}
	}
	var p pastes
	if got := string(p.filter([]byte(esc))) + string(p.filter([]byte("b"))); got != "\x1bb" {
		t.Errorf("the key Esc: %q", got)
	}
	long := "a" + strings.Repeat("\nb", longestShown)
	line := string(p.filter([]byte("x" + pasteBegin + long + pasteEnd + "y" + pasteBegin + "\tz" + pasteEnd)))
	if len(line) > 100 || !strings.Contains(line, "1001 lines") || p.message(line) != "x"+long+"y\tz" {
		t.Errorf("a long text: %q", line)
	}
}
