//go:build cgo

package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/grammartest"
)

func TestLengthsAreCountedInCharacters(t *testing.T) {
	for _, b := range []struct{ min, max int }{{0, 3}, {3, 3}, {2, 511}, {0, 512}, {700, 700}, {513, 1300}, {0, 65535}} {
		g, err := Grammar(fmt.Appendf(nil, `{"type": "string", "minLength": %d, "maxLength": %d}`, b.min, b.max), Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := grammartest.Sampler(t, g, Root)
		for _, n := range []int{b.min - 1, b.min, b.max, b.max + 1} {
			if n < 0 || n > 2000 {
				continue
			}
			for _, c := range []string{"a", "é", "😀", `\n`, `\u00e9`, `\ud83d\ude00`, `\"`} {
				ok, at := grammartest.Allows(t, s, `"`+strings.Repeat(c, n)+`"`)
				if want := b.min <= n && n <= b.max; ok != want {
					t.Errorf("%d of %s, from %d to %d: %v at %d", n, c, b.min, b.max, ok, at)
				}
			}
		}
	}
	g, err := Grammar([]byte(`{"type": "string", "maxLength": 3}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := grammartest.Sampler(t, g, Root)
	for _, text := range []string{`"\ud83d"`, `"\ude00"`, `"\ud83da"`, `"\x"`, "\"\n\"", `"\u12"`} {
		if ok, _ := grammartest.Allows(t, s, text); ok {
			t.Errorf("allows %s", text)
		}
	}
}

func TestElementsAreCounted(t *testing.T) {
	for _, b := range []struct{ min, max int }{{0, 0}, {1, 1}, {0, 2}, {2, 700}, {600, 100000}} {
		g, err := Grammar(fmt.Appendf(nil, `{"type": "array", "items": {"type": "null"}, "minItems": %d, "maxItems": %d}`, b.min, b.max), Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := grammartest.Sampler(t, g, Root)
		for _, n := range []int{0, 1, b.min - 1, b.min, b.max, b.max + 1} {
			if n < 0 || n > 1000 {
				continue
			}
			text := "[" + strings.TrimSuffix(strings.Repeat("null,", n), ",") + "]"
			if ok, at := grammartest.Allows(t, s, text); ok != (b.min <= n && n <= b.max) {
				t.Errorf("%d from %d to %d: %v at %d", n, b.min, b.max, ok, at)
			}
		}
	}
}

func TestWhiteSpaceEnds(t *testing.T) {
	g, err := Grammar([]byte(`{"type": "array", "items": {"type": "null"}}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	compact, err := Grammar([]byte(`{"type": "array", "items": {"type": "null"}}`), Options{Compact: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text        string
		ok, compact bool
	}{
		{"[null,null]", true, true},
		{"[null, null]", true, false},
		{"[\n  null,\n  null\n]", true, false},
		{"[  null]", false, false},
		{"[\n\n\nnull]", false, false},
		{"[\n" + strings.Repeat(" ", 20) + "null]", true, false},
		{"[\n" + strings.Repeat(" ", 21) + "null]", false, false},
	} {
		if ok, at := grammartest.Allows(t, grammartest.Sampler(t, g, Root), tt.text); ok != tt.ok {
			t.Errorf("%q: %v at %d", tt.text, ok, at)
		}
		if ok, at := grammartest.Allows(t, grammartest.Sampler(t, compact, Root), tt.text); ok != tt.compact {
			t.Errorf("compact, %q: %v at %d", tt.text, ok, at)
		}
	}
}

func TestPropertiesHaveAnOrder(t *testing.T) {
	g, err := Grammar([]byte(`{"type": "object", "properties": {"z": {}, "b": {}, "a": {}}, "required": ["a", "b"]}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := grammartest.Sampler(t, g, Root)
	for text, want := range map[string]bool{
		`{"b":1,"a":2}`: true, `{"b":1,"a":2,"z":3}`: true, `{"a":2,"b":1}`: false, `{"z":3,"b":1,"a":2}`: false,
		`{"b":1,"a":2,"y":0}`: false, `{"b":1}`: false, `{"b":1,"b":1,"a":2}`: false, `{"b":1,"a":2,}`: false,
	} {
		if ok, at := grammartest.Allows(t, s, text); ok != want {
			t.Errorf("%s: %v at %d", text, ok, at)
		}
	}
}
