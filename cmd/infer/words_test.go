package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"0", 0, true}, {"4096", 4096, true}, {"4096B", 4096, true}, {"1K", 1 << 10, true}, {"64M", 64 << 20, true},
		{"256MiB", 256 << 20, true}, {"256mib", 256 << 20, true}, {"256 MiB", 256 << 20, true}, {"1.5GiB", 3 << 29, true},
		{"2G", 2 << 30, true}, {"1T", 1 << 40, true}, {"1KB", 1000, true}, {"3GB", 3000000000, true}, {".5K", 512, true},
		{"9223372036854775807", 1<<63 - 1, true},
		{"", 0, false}, {"M", 0, false}, {"-1", 0, false}, {"1X", 0, false}, {"1MM", 0, false}, {"1e3", 0, false},
		{"0x10", 0, false}, {"1.2.3", 0, false}, {"NaN", 0, false}, {"inf", 0, false}, {"9000000000T", 0, false}, {"+1", 0, false},
	} {
		got, err := parseSize(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: %d, %v", tt.text, got, err)
		}
	}
}

func TestFormatCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 3935488: "3.94 M", 1100048384: "1.1 B", 999999: "1 M", 7e12: "7 T"} {
		if got := formatCount(n); got != want {
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
			if got := unescape(tt.in); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestTrimNewline(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", "a\r": "a\r", "\n": ""} {
		if got := trimNewline(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"tokenize", "inspect", "quantize", "ctx-size", "temp", "n"}
	for in, want := range map[string]string{
		"tokenise": "tokenize", "inspetc": "inspect", "quantise": "quantize", "TEMP": "temp", "ctx": "ctx-size",
		"t": "", "": "", "completely": "", "x": "", strings.Repeat("a", 1000): "",
	} {
		if got := suggest(in, words); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
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
		if got := oneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	stopped, cancel := context.WithCancelCause(context.Background())
	cancel(&interrupted{fakeSignal{}})
	plain, cancelPlain := context.WithCancel(context.Background())
	cancelPlain()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		code int
		want string
	}{
		{"no error", context.Background(), nil, 0, ""},
		{"any error", context.Background(), errors.New("it broke"), 1, "infer: it broke\n"},
		{"a bad model", context.Background(), fmt.Errorf("x: %w", runtime.ErrBadModel), 1, "infer: x: " + runtime.ErrBadModel.Error() + "\n"},
		{"not enough memory", context.Background(), fmt.Errorf("x: %w", runtime.ErrInsufficientMemory), 3, "infer: x: not enough memory\n"},
		{"an option that runtime refuses", context.Background(), fmt.Errorf("%w: y", runtime.ErrOption), 2, "infer: invalid option: y\n"},
		{"interrupted", stopped, context.Canceled, 130, "infer: interrupted\n"},
		{"interrupted, wrapped", stopped, fmt.Errorf("loading: %w", context.Cause(stopped)), 130, "infer: interrupted\n"},
		{"interrupted, and the output has said so", stopped, shown{context.Canceled}, 130, ""},
		{"cancelled without a signal", plain, context.Canceled, 130, "infer: interrupted\n"},
		{"another error while interrupted", stopped, errors.New("disk on fire"), 1, "infer: disk on fire\n"},
		{"a cancellation that nobody asked for", context.Background(), context.Canceled, 1, "infer: context canceled\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if code := report(tt.ctx, tt.err, &b, false); code != tt.code || b.String() != tt.want {
				t.Errorf("exit code %d, %q", code, b.String())
			}
		})
	}
}

// fakeSignal is none that this system knows.
type fakeSignal struct{}

func (fakeSignal) String() string { return "fake" }
func (fakeSignal) Signal()        {}
