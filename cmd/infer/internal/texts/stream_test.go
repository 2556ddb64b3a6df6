package texts

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAStreamShowsNothingThatATerminalObeys(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pieces []string
		want   []string // after each piece, and at the end
	}{
		{"text comes at once", []string{"a ", "b\n\tc", ""}, []string{"a ", "b\n\tc", "", ""}},
		{"other scripts, emoji and their joiners stay", []string{"模型 é\u00a0\u200f👩\u200d💻\ufe0f\U0001fae9"}, []string{"模型 é\u00a0\u200f👩\u200d💻\ufe0f\U0001fae9", ""}},
		{"a sequence", []string{"\x1b[31mred\x1b]0;title\x07"}, []string{`\x1b[31mred\x1b]0;title\x07`, ""}},
		{"a sequence over several pieces", []string{"\x1b", "[2", "J"}, []string{`\x1b`, "[2", "J", ""}},
		{"C1 as a character and as a byte", []string{"\u009b2J", "\x9b2J"}, []string{`\u009b2J`, `\x9b2J`, ""}},
		{"C1 over two pieces", []string{"\xc2", "\x9b2J"}, []string{"", `\u009b2J`, ""}},
		{"a character over three pieces", []string{"\xe2", "\x82", "\xac!"}, []string{"", "", "€!", ""}},
		{"a character that does not end", []string{"a\xe2\x82", "b"}, []string{"a", `\xe2\x82b`, ""}},
		{"a character cut by the end", []string{"a\xe2\x82"}, []string{"a", `\xe2\x82`}},
		{"bytes that overwrite", []string{"ab\b\bcd\x7f\x00"}, []string{`ab\x08\x08cd\x7f\x00`, ""}},
		{"a line end of two bytes", []string{"a\r", "\nb\r\n"}, []string{"a", "\r\nb\r\n", ""}},
		{"a return to the line's begin", []string{"good\r", "bad"}, []string{"good", `\x0dbad`, ""}},
		{"a return at the end", []string{"good\r", ""}, []string{"good", "", `\x0d`}},
		{"text in another order", []string{"\u202eabc\u2066d"}, []string{`\u202eabc\u2066d`, ""}},
		{"the replacement character", []string{"\uFFFD"}, []string{"\uFFFD", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Stream
			for i, p := range tt.pieces {
				if got := s.Push(p); got != tt.want[i] {
					t.Errorf("after %q: %q, want %q", p, got, tt.want[i])
				}
			}
			if got := s.End(); got != tt.want[len(tt.pieces)] {
				t.Errorf("at the end: %q, want %q", got, tt.want[len(tt.pieces)])
			}
		})
	}
}

func FuzzStream(f *testing.F) {
	f.Add("a\x1b[31m\r\n\xe2\x82\xac\xc2\x9b", uint8(1))
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		var whole, parts Stream
		var got strings.Builder
		want := whole.Push(text) + whole.End()
		for rest := text; rest != ""; {
			n := min(len(rest), int(step)%5+1)
			got.WriteString(parts.Push(rest[:n]))
			rest = rest[n:]
		}
		if got.WriteString(parts.End()); got.String() != want {
			t.Errorf("%q in parts of %d: %q, want %q", text, step%5+1, got.String(), want)
		}
		if !utf8.ValidString(want) || strings.ContainsFunc(strings.ReplaceAll(want, "\r\n", "\n"), func(r rune) bool { return obeyed(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q becomes %q", text, want)
		}
	})
}
