// Package cpulist parses Linux's lists of processors.
package cpulist

import (
	"strconv"
	"strings"
)

// most is the largest size of a range that is accepted, since files may have any text.
const most = 1 << 16

// Parse returns the numbers in a list such as "0-3,8"; ok is false for other texts.
func Parse(list string) (processors []int, ok bool) {
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || to-from > most {
			return nil, false
		}
		for n := from; n <= to; n++ {
			processors = append(processors, n)
		}
	}
	return processors, true
}
