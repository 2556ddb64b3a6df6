// Package offload chooses the devices of single tensors: it matches their names with patterns, and
// counts layers that fit.
package offload

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rule puts the tensors whose names match a pattern on a device.
type Rule struct {
	Pattern *regexp.Regexp
	Device  string
}

// longest bounds patterns, in bytes. A regexp takes memory in proportion to it.
const longest = 1000

// Compile compiles a pattern, which may match any part of a name. The syntax is Go's, which has all of
// ECMAScript's but for lookaheads and backreferences.
func Compile(pattern string) (*regexp.Regexp, error) {
	switch {
	case pattern == "":
		return nil, fmt.Errorf("is empty: use .* for all tensors")
	case len(pattern) > longest:
		return nil, fmt.Errorf("has %d bytes: use at most %d", len(pattern), longest)
	}
	return regexp.Compile(pattern)
}

// experts matches the tensors of routed experts, after the layer's number.
const experts = `\.ffn_(up|down|gate|gate_up)_(ch|)exps`

// Experts returns rules that keep the routed experts of the first n layers in host memory; n < 0: of all.
func Experts(n int) []Rule {
	switch {
	case n == 0:
		return nil
	case n < 0:
		return []Rule{{regexp.MustCompile(experts), CPU}}
	}
	return []Rule{{layersBelow(n), CPU}}
}

// CPU is the name of host memory in rules.
const CPU = "CPU"

// layersBelow matches the experts of layers 0 to n-1: numbers with fewer digits than n-1, and those of as
// many that are not larger.
func layersBelow(n int) *regexp.Regexp {
	last := strconv.Itoa(n - 1)
	var numbers []string
	if len(last) > 1 {
		numbers = append(numbers, fmt.Sprintf("[0-9]{1,%d}", len(last)-1))
	}
	for i := range last { // the same digits before i, and a smaller one there
		if last[i] > '0' {
			numbers = append(numbers, fmt.Sprintf("%s[0-%c][0-9]{%d}", last[:i], last[i]-1, len(last)-1-i))
		}
	}
	numbers = append(numbers, last)
	return regexp.MustCompile(`blk\.(` + strings.Join(numbers, "|") + `)` + experts)
}

// Assign returns the names that match rules, by device. The first rule that matches counts.
func Assign(names []string, rules []Rule) map[string][]string {
	devices := map[string][]string{}
	for _, name := range names {
		for _, r := range rules {
			if r.Pattern.MatchString(name) {
				devices[r.Device] = append(devices[r.Device], name)
				break
			}
		}
	}
	return devices
}

// Patterns returns regular expressions that match the names and no others. The engine's C++ library
// compiles them for each tensor of a model, and follows alternatives by recursion, so they are few and
// simple: one for all tensors that the same layers have.
func Patterns(names []string) []string {
	layers := map[string][]string{} // by kind: the rest of the name
	var kinds, single []string
	for _, name := range names {
		number, kind, ok := strings.Cut(strings.TrimPrefix(name, "blk."), ".")
		if _, err := strconv.ParseUint(number, 10, 32); err != nil || !ok || !strings.HasPrefix(name, "blk.") {
			single = append(single, quote(name))
			continue
		}
		if layers[kind] == nil {
			kinds = append(kinds, kind)
		}
		layers[kind] = append(layers[kind], number)
	}
	of := map[string][]string{} // kinds by their layers
	var sets []string
	for _, kind := range kinds {
		slices.Sort(layers[kind])
		set := strings.Join(slices.Compact(layers[kind]), "|")
		if of[set] == nil {
			sets = append(sets, set)
		}
		of[set] = append(of[set], quote(kind))
	}
	var patterns []string
	for _, set := range sets {
		patterns = append(patterns, `^blk\.(?:`+set+`)\.(?:`+strings.Join(of[set], "|")+`)$`)
	}
	for part := range slices.Chunk(single, 32) {
		patterns = append(patterns, "^(?:"+strings.Join(part, "|")+")$")
	}
	return patterns
}

// quote is regexp.QuoteMeta for ECMAScript, which knows no escapes of other characters.
func quote(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if strings.IndexByte(`\.+*?()|[]{}^$/`, c) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Fewer returns how many of n layers to try when devices have refused more, after placed of all bytes of
// weights had been allocated.
func Fewer(n int, placed, all uint64) int {
	switch {
	case all == 0 || placed >= all:
		return n - 1
	case placed == 0:
		return n / 2
	}
	return min(n-1, int(float64(n)*float64(placed)/float64(all)))
}

// Most returns the largest number up to all with which fits returns true, for fits that is true for 0,
// and for all numbers below one for which it is. It ends with the first error.
func Most(all int, fits func(n int) (bool, error)) (int, error) {
	if ok, err := fits(all); ok || err != nil {
		return all, err
	}
	low, high := 0, all
	for high-low > 1 {
		middle := (low + high) / 2
		ok, err := fits(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}
