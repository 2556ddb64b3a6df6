package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The flag values of this file say what they want, in the words of a user. pflag's
// own would take 010 for eight and name Go functions in their errors.

// integer is a whole number from min to max.
type integer struct {
	p        *int
	min, max int
}

func (v integer) Set(s string) error {
	n, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("want a whole number%s", v.limits())
	}
	if err != nil || n < int64(v.min) || n > int64(v.max) {
		return fmt.Errorf("out of range%s", v.limits())
	}
	*v.p = int(n)
	return nil
}

func (v integer) limits() string {
	if v.max == math.MaxInt32 {
		return fmt.Sprintf(", %d or more", v.min)
	}
	return fmt.Sprintf(", %d to %d", v.min, v.max)
}

func (v integer) Type() string { return "N" }

func (v integer) String() string {
	if v.p == nil {
		return ""
	}
	return strconv.Itoa(*v.p)
}

// layerCount is a number of layers, or all of them: -1.
type layerCount struct{ integer }

func (v layerCount) Set(s string) error {
	if s == "all" {
		s = "-1"
	}
	return v.integer.Set(s)
}

// decimal is a finite number from min to max.
type decimal struct {
	p        *float32
	min, max float64
	positive bool // not zero
}

func (v decimal) limits() string {
	switch {
	case v.positive:
		return ", more than 0"
	case v.min <= -math.MaxFloat32:
		return ""
	case v.max >= math.MaxFloat32:
		return fmt.Sprintf(", %g or more", v.min)
	}
	return fmt.Sprintf(", %g to %g", v.min, v.max)
}

func (v decimal) Set(s string) error {
	f, err := strconv.ParseFloat(s, 32)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return errors.New("want a number")
	case !(f >= v.min && f <= v.max) || v.positive && f == 0: // NaN neither
		return fmt.Errorf("out of range%s", v.limits())
	}
	*v.p = float32(f)
	return nil
}

func (v decimal) Type() string { return "X" }

func (v decimal) String() string {
	if v.p == nil {
		return ""
	}
	return strconv.FormatFloat(float64(*v.p), 'g', -1, 32)
}

// choice is one of some words.
type choice struct {
	p     *string
	words []string
}

func (v choice) Set(s string) error {
	s = strings.ToLower(s)
	if !slices.Contains(v.words, s) {
		return fmt.Errorf("want one of %s", strings.Join(v.words, ", "))
	}
	*v.p = s
	return nil
}

func (v choice) Type() string { return strings.Join(v.words, "|") }

func (v choice) String() string {
	if v.p == nil {
		return ""
	}
	return *v.p
}

// flashMode takes llama.cpp's other words too.
type flashMode struct{ choice }

func (v flashMode) Set(s string) error {
	if word := flashValue(strings.ToLower(s)); word != "" {
		s = word
	}
	return v.choice.Set(s)
}

// parsed is a flag, repeatable or not, that a function reads.
type parsed struct {
	kind string
	set  func(string) error
}

func (v parsed) Set(s string) error { return v.set(s) }
func (v parsed) Type() string       { return v.kind }
func (v parsed) String() string     { return "" }

// text is a string; it shows no quotes in the help.
type text struct {
	p    *string
	kind string
}

// errEmpty is of what a script passes whose variable is not set: the default would answer
// with another model, or write another file, than was meant.
var errEmpty = errors.New("want a name; for the default, leave the flag out")

func (v text) Set(s string) error {
	if s == "" && slices.Contains([]string{"MODEL", "FILE", "DIR"}, v.kind) {
		return errEmpty
	}
	*v.p = s
	return nil
}

func (v text) Type() string { return v.kind }
func (v text) String() string {
	if v.p == nil {
		return ""
	}
	return *v.p
}

// onceText is a text of which the first would be lost if there were a second. Other flags
// may be given again, and the last counts: that is how a script's defaults are changed.
type onceText struct {
	text
	given *bool
}

func (v onceText) Set(s string) error {
	if *v.given {
		return errors.New("given twice, and the first would be lost: put both into one")
	}
	*v.given = true
	return v.text.Set(s)
}
