package gguf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

const (
	shownElements = 6   // of an array, by Value.String
	shownBytes    = 120 // of a string, by Value.String
)

// String returns the value in words, on one line: a string without quotes, with unprintable
// characters escaped and truncated if it is long; an array by its first elements.
func (v Value) String() string {
	switch v.typ {
	case ValueArray:
		return v.arrayString()
	case ValueString:
		return words.Printable(asString(v.data), shownBytes)
	}
	if b, ok := v.Bool(); ok {
		return strconv.FormatBool(b)
	}
	if n, ok := v.Int(); ok {
		return strconv.FormatInt(n, 10)
	}
	if n, ok := v.Uint(); ok {
		return strconv.FormatUint(n, 10)
	}
	if f, ok := v.Float(); ok {
		return strconv.FormatFloat(f, 'g', -1, 8*int(valueTypes[v.typ].size))
	}
	return "none"
}

func (v Value) arrayString() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, e := range v.Elems() {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == shownElements {
			fmt.Fprintf(&b, "… %d in all", v.n)
			break
		}
		if s, ok := e.Str(); ok {
			b.WriteString(words.Literal(s))
		} else {
			b.WriteString(e.String())
		}
	}
	b.WriteByte(']')
	return b.String()
}
