package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextStream(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stops  []string
		pieces []string
		want   []string // after each piece
		flush  string
		stop   string
	}{
		{"plain text comes at once", nil, []string{"a", "b c"}, []string{"a", "b c"}, "", ""},
		{"a character that spans tokens comes whole", nil, []string{"\xe2", "\x82", "\xac!"}, []string{"", "", "€!"}, "", ""},
		{"a character of four bytes in two tokens", nil, []string{"x\xf0\x9f", "\x98\x80"}, []string{"x", "😀"}, "", ""},
		{"an invalid byte becomes the replacement character", nil, []string{"a\xffb"}, []string{"a\uFFFDb"}, "", ""},
		{"an unfinished character at the end is replaced", nil, []string{"a\xe2\x82"}, []string{"a"}, "\uFFFD", ""},
		{"a lone continuation byte does not wait for ever", nil, []string{"\x82\x82\x82\x82\x82"}, []string{"\uFFFD"}, "", ""},
		{"a stop string in one token", []string{"END"}, []string{"a END b"}, []string{"a "}, "", "END"},
		{"a stop string over three tokens leaks nothing", []string{"END"}, []string{"aE", "N", "D b"}, []string{"a", "", ""}, "", "END"},
		{"a false alarm comes out as soon as it is one", []string{"END"}, []string{"aE", "N", "X"}, []string{"a", "", "ENX"}, "", ""},
		{"held text comes out at the end", []string{"END"}, []string{"aEN"}, []string{"a"}, "EN", ""},
		{"a false alarm that begins another", []string{"aab"}, []string{"aa", "ab"}, []string{"", "a"}, "", "aab"},
		{"the first of two stop strings wins", []string{"two", "one"}, []string{"x one two"}, []string{"x "}, "", "one"},
		{"a stop string ends inside a character's bytes never", []string{"€"}, []string{"1\xe2\x82", "\xac2"}, []string{"1", ""}, "", "€"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Stream{Stops: tt.stops}
			stop := ""
			for i, p := range tt.pieces {
				var got string
				got, stop = s.Push([]byte(p))
				if got != tt.want[i] {
					t.Errorf("after %q: %q, want %q", p, got, tt.want[i])
				}
			}
			if stop != tt.stop {
				t.Errorf("stopped at %q, want %q", stop, tt.stop)
			}
			if got := s.Flush(); got != tt.flush {
				t.Errorf("flush: %q, want %q", got, tt.flush)
			}
		})
	}
}

func FuzzTextStream(f *testing.F) {
	f.Add("hello \xe2\x82\xac world", "wor", uint8(3))
	f.Add("\xf0\x9f\x98\x80\xff\xfe", "\uFFFD", uint8(1))
	f.Fuzz(func(t *testing.T, text, stop string, step uint8) {
		if stop == "" || !utf8.ValidString(stop) { // both are refused
			return
		}
		s := Stream{Stops: []string{stop}}
		var got strings.Builder
		reached := ""
		for rest := text; rest != "" && reached == ""; {
			n := min(len(rest), int(step)%5+1)
			var out string
			out, reached = s.Push([]byte(rest[:n]))
			got.WriteString(out)
			rest = rest[n:]
		}
		if reached == "" {
			got.WriteString(s.Flush())
		}
		if strings.Contains(got.String(), stop) {
			t.Errorf("%q contains the stop string %q", got.String(), stop)
		}
	})
}
