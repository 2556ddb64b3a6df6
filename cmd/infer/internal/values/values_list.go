package values

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ListOf reads values separated by commas. They replace earlier values.
func ListOf[V any](p *[]V, read func(string) ([]V, error)) func(string) error {
	return func(s string) error {
		var out []V
		for _, part := range strings.Split(s, ",") {
			values, err := read(strings.TrimSpace(part))
			if err != nil {
				return err
			}
			out = append(out, values...)
		}
		*p = out
		return nil
	}
}

// maxRange is the largest count of numbers in a range.
const maxRange = 1000

// Whole reads a whole number, or a range in llama-bench's syntax: 1-4, 1-9+2, 16-128*2.
func Whole(least, most int) func(string) ([]int, error) {
	return func(s string) ([]int, error) {
		first, rest, several := strings.Cut(s, "-")
		last, step, times := rest, "1", false
		if i := strings.IndexAny(rest, "+*"); i >= 0 {
			last, step, times = rest[:i], rest[i+1:], rest[i] == '*'
		}
		if !several {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		by, errC := strconv.Atoi(step)
		switch {
		case errors.Join(errA, errB, errC) != nil:
			return nil, fmt.Errorf("want whole numbers, as in 1,2,4 or 1-4 or 16-128*2")
		case a < least || b > most || a > b:
			return nil, fmt.Errorf("%q is out of range (%d to %d)", s, least, most)
		case by < 1 || times && (by < 2 || a == 0):
			return nil, fmt.Errorf("%q never ends: its step does not increase the number", s)
		}
		var out []int
		for n := a; n <= b && len(out) <= maxRange; {
			out = append(out, n)
			if times {
				n *= by
			} else {
				n += by
			}
		}
		if len(out) > maxRange {
			return nil, fmt.Errorf("%q has too many numbers (at most %d)", s, maxRange)
		}
		return out, nil
	}
}

// Word reads one word of a list.
func Word(words ...string) func(string) ([]string, error) {
	return func(s string) ([]string, error) {
		var value string
		err := Choice{P: &value, Words: words}.Set(s)
		return []string{value}, err
	}
}
