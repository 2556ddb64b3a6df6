package gguf

import "bufio"

// encodedBytes returns the size of the value in a file, without its type.
func (v Value) encodedBytes() uint64 {
	n := uint64(len(v.data))
	switch v.typ {
	case ValueString:
		n += 8
	case ValueArray:
		n += 4 + 8
		if v.strings != nil {
			for _, part := range v.strings.parts {
				n += uint64(len(part))
			}
		}
	}
	return n
}

// encode writes the value as in a file, with its type. The writer keeps its error.
func (v Value) encode(b *bufio.Writer) {
	head := order.AppendUint32(make([]byte, 0, 16), uint32(v.typ))
	switch v.typ {
	case ValueString:
		head = order.AppendUint64(head, uint64(len(v.data)))
	case ValueArray:
		head = order.AppendUint32(head, uint32(v.elem))
		head = order.AppendUint64(head, uint64(v.n))
	}
	b.Write(head)
	b.Write(v.data)
	if v.strings != nil {
		for _, part := range v.strings.parts {
			b.Write(part)
		}
	}
}
