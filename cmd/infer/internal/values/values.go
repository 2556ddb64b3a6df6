// Package values has the types of flags' values, with errors for users. pflag's own types read 010
// as eight and name Go functions in their errors.
package values

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
)

// Integer is a whole number from min to max.
type Integer struct {
	P        *int
	Min, Max int
}

func (v Integer) Set(s string) error {
	n, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("want a whole number%s", v.limits())
	}
	if err != nil || n < int64(v.Min) || n > int64(v.Max) {
		return fmt.Errorf("out of range%s", v.limits())
	}
	*v.P = int(n)
	return nil
}

func (v Integer) limits() string {
	if v.Max == math.MaxInt32 {
		return fmt.Sprintf(" (at least %d)", v.Min)
	}
	return fmt.Sprintf(" (%d to %d)", v.Min, v.Max)
}

func (v Integer) Type() string { return "N" }

func (v Integer) String() string {
	if v.P == nil {
		return ""
	}
	return strconv.Itoa(*v.P)
}

// AutoLayers is a [LayerCount] of as many layers as fit.
const AutoLayers = -2

// LayerCount is a number of layers, or all of them (-1), or [AutoLayers].
type LayerCount struct{ Integer }

func (v LayerCount) Set(s string) error {
	switch s {
	case "all":
		s = "-1"
	case "auto":
		*v.P = AutoLayers
		return nil
	}
	return v.Integer.Set(s)
}

// Decimal is a finite number from Min to Max.
type Decimal struct {
	P        *float32
	Min, Max float64
	Positive bool // not zero
}

func (v Decimal) limits() string {
	switch {
	case v.Positive:
		return " (more than 0)"
	case v.Min <= -math.MaxFloat32:
		return ""
	case v.Max >= math.MaxFloat32:
		return fmt.Sprintf(" (at least %g)", v.Min)
	}
	return fmt.Sprintf(" (%g to %g)", v.Min, v.Max)
}

func (v Decimal) Set(s string) error {
	f, err := strconv.ParseFloat(s, 32)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return errors.New("want a number")
	case !(f >= v.Min && f <= v.Max) || v.Positive && f == 0: // also refuses NaN
		return fmt.Errorf("out of range%s", v.limits())
	}
	*v.P = float32(f)
	return nil
}

func (v Decimal) Type() string { return "X" }

func (v Decimal) String() string {
	if v.P == nil {
		return ""
	}
	return strconv.FormatFloat(float64(*v.P), 'g', -1, 32)
}

// Choice is one word of a list.
type Choice struct {
	P     *string
	Words []string
}

func (v Choice) Set(s string) error {
	s = strings.ToLower(s)
	if !slices.Contains(v.Words, s) {
		return fmt.Errorf("want one of %s", strings.Join(v.Words, ", "))
	}
	*v.P = s
	return nil
}

func (v Choice) Type() string { return strings.Join(v.Words, "|") }

func (v Choice) String() string {
	if v.P == nil {
		return ""
	}
	return *v.P
}

// FlashMode accepts llama.cpp's other words too.
type FlashMode struct{ Choice }

func (v FlashMode) Set(s string) error {
	if Word := spellings.FlashValue(strings.ToLower(s)); Word != "" {
		s = Word
	}
	return v.Choice.Set(s)
}

// Parsed is a flag whose values a function parses. It may be repeatable.
type Parsed struct {
	Kind string
	Read func(string) error
}

func (v Parsed) Set(s string) error { return v.Read(s) }
func (v Parsed) Type() string       { return v.Kind }
func (v Parsed) String() string     { return "" }

// Text is a string. The help shows its default without quotes.
type Text struct {
	P    *string
	Kind string
}

// errEmpty is the error for an empty value, which a script passes if its variable is not set. Using
// the default would run another model, or write another file, than was meant.
var errEmpty = errors.New("must not be empty; omit the flag for the default")

func (v Text) Set(s string) error {
	if s == "" && slices.Contains([]string{"MODEL", "FILE", "DIR"}, v.Kind) {
		return errEmpty
	}
	*v.P = s
	return nil
}

func (v Text) Type() string { return v.Kind }
func (v Text) String() string {
	if v.P == nil {
		return ""
	}
	return *v.P
}

// OnceText is a text that may be given only once, so that no text is lost. Other flags may be
// repeated, and the last value counts: this is how a script's defaults are overridden.
type OnceText struct {
	Text
	Given *bool
}

func (v OnceText) Set(s string) error {
	if *v.Given {
		return errors.New("given twice: join both texts into one")
	}
	*v.Given = true
	return v.Text.Set(s)
}
