// Package cpulist reads the lists of processors that Linux writes.
package cpulist

import (
	"strconv"
	"strings"
)

// most bounds the processors of a range, as files may say anything.
const most = 1 << 16

// Parse returns the numbers in a list such as 0-3,8; false where it is none.
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
