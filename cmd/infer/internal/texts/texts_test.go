package texts

import (
	"strings"
	"testing"
)

func TestFormatCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 3935488: "3.94 M", 1100048384: "1.1 B", 999999: "1 M", 7e12: "7 T"} {
		if got := Number(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing to do", "plain", "plain"},
		{"the usual ones", `a\nb\tc\rd`, "a\nb\tc\rd"},
		{"quotes and backslashes", `\"\'\\`, `"'\`},
		{"a backslash keeps a letter from meaning something", `\\n`, `\n`},
		{"bytes by number", `\x41\xff`, "A\xff"},
		{"a number cut short", `\x4`, `\x4`},
		{"no number", `\xzz\x+1`, `\xzz\x+1`},
		{"others stay", `\d\0`, `\d\0`},
		{"a backslash at the end", `a\`, `a\`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Unescape(tt.in); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestErrorsAreOneHarmlessLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain: ä 漢 …":             "plain: ä 漢 …",
		"two\nlines":               "two; lines",
		"\x1b[31mred\x1b[0m":       `\x1b[31mred\x1b[0m`,
		"a\rb\tc\x00\x7f":          `a\x0db\x09c\x00\x7f`,
		"bad \xff\xfe bytes":       `bad \xff\xfe bytes`,
		"right \u202eto left":      `right \u202eto left`,
		"tag \U000e0041 c1 \u009b": `tag \U000e0041 c1 \u009b`,
		"replacement \uFFFD":       "replacement \uFFFD",
	} {
		if got := OneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text", "tiny stories", "tiny stories"},
		{"other scripts", "模型 é", "模型 é"},
		{"nothing", "", `""`},
		{"spaces that would not be seen", " a ", `" a "`},
		{"quotes that would be taken for ours", `"a"`, `"\"a\""`},
		{"control characters", "a\x1b[0m\n", `"a\x1b[0m\n"`},
		{"bytes that are no text", "\xff\xfe", `"\xff\xfe"`},
		{"long text", strings.Repeat("ä", 61), strings.Repeat("ä", 59) + "…"},
		{"long rubbish", strings.Repeat("\xff", 61), `"` + strings.Repeat(`\xff`, 59) + `"…`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Visible(tt.in, false); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if s := strings.Repeat("a", 1000); Visible(s, true) != s {
		t.Error("all of it was asked for")
	}
}
