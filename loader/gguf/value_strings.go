package gguf

import "iter"

// stringArray is an array of strings as in the file: each string after its length in eight bytes. The
// header is kept in segments, so an array has one or more parts, each of whole strings and not
// empty.
type stringArray struct {
	parts [][]byte
	marks []stringMark // where every stringStride-th string begins
}

// stringStride balances the size of the marks, eight bytes each, against the steps to find a string.
const stringStride = 32

type stringMark struct{ part, offset uint32 }

// at returns string i, which must exist.
func (a *stringArray) at(i int) []byte {
	m := a.marks[i/stringStride]
	part, rest := int(m.part), a.parts[m.part][m.offset:]
	for range i % stringStride {
		if _, rest = cutString(rest); len(rest) == 0 {
			part++
			rest = a.parts[part]
		}
	}
	s, _ := cutString(rest)
	return s
}

// all iterates over the strings.
func (a *stringArray) all() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		i := 0
		for _, rest := range a.parts {
			for len(rest) > 0 {
				var s []byte
				s, rest = cutString(rest)
				if !yield(i, s) {
					return
				}
				i++
			}
		}
	}
}

// cutString splits off the first string. Its length has been checked.
func cutString(b []byte) (s, rest []byte) {
	n := 8 + int(order.Uint64(b))
	return b[8:n:n], b[n:]
}

// stringArrayBuilder builds an array of strings while a header is parsed.
type stringArrayBuilder struct {
	array stringArray
	n     int
	part  []byte // the segment of the current part
	from  int    // where the part begins in it
	to    int    // where it ends
}

// add appends the string whose length and bytes are segment[from:to]. Consecutive strings in one
// segment must be adjacent.
func (b *stringArrayBuilder) add(segment []byte, from, to int) {
	if b.n == 0 || &segment[0] != &b.part[0] {
		b.flush()
		b.part, b.from = segment, from
	}
	if b.n%stringStride == 0 {
		b.array.marks = append(b.array.marks, stringMark{uint32(len(b.array.parts)), uint32(from - b.from)})
	}
	b.to = to
	b.n++
}

func (b *stringArrayBuilder) flush() {
	if b.to > b.from {
		b.array.parts = append(b.array.parts, b.part[b.from:b.to:b.to])
	}
}

func (b *stringArrayBuilder) value() Value {
	b.flush()
	return Value{typ: ValueArray, elem: ValueString, n: b.n, strings: &b.array}
}
