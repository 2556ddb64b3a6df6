package gguf

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

const (
	minTensorBytes = 8 + 1 + 4 + 8 + 4 + 8 // length, name, dimensions, one dimension, type, offset
	maxTensorName  = 63                    // the engine's 64 with the NUL at the end
	maxDims        = 4
)

// readTensors parses the tensors of the header. The engine accepts only one layout: tensors in header
// order, each at the next multiple of the alignment. Padding after the last may be missing.
func (p *parser) readTensors(h *header, n int) error {
	h.tensors = make([]Tensor, 0, min(n, 256))
	h.byName = make(map[string]int32, min(n, 256))
	next := uint64(0)
	for i := range n {
		p.field = field{kind: "tensor", i: i, many: true}
		t, err := p.readTensor(h, next)
		if err != nil {
			return err
		}
		next += pad(t.Size, h.alignment)
		h.byName[t.Name] = int32(i)
		h.tensors = append(h.tensors, t)
	}
	data := pad(uint64(p.at()), h.alignment)
	h.data = int64(data)
	for i := range h.tensors {
		t := &h.tensors[i]
		// Each of the three is less than 2^63, so the sum of two does not overflow.
		if end := uint64(t.Offset) + t.Size; data > uint64(p.size) || end > uint64(p.size)-data {
			p.field = field{kind: "tensor", name: t.Name}
			return p.short(int64(data)+t.Offset, fmt.Sprintf("%d bytes long", t.Size), "the file ends at %d", p.size)
		}
	}
	return nil
}

// readTensor parses one tensor, which must be at offset next of the data section.
func (p *parser) readTensor(h *header, next uint64) (t Tensor, err error) {
	at := p.at()
	name, err := p.text(maxTensorName)
	if err != nil {
		return t, err
	}
	t.Name = string(name) // a copy, so that this part of the header can be freed
	other, again := h.byName[t.Name]
	switch {
	case t.Name == "":
		return t, p.fail(at, "without a name", "a tensor must have a name")
	case strings.IndexByte(t.Name, 0) >= 0:
		return t, p.fail(at, words.Literal(t.Name), "must not contain a NUL byte")
	case again:
		return t, p.fail(at, words.Literal(t.Name), "tensor %d has the same name", other)
	}
	p.field.name = t.Name
	if err := p.readShape(&t); err != nil {
		return t, err
	}
	at = p.at()
	typ, err := p.uint32()
	if err != nil {
		return t, err
	}
	t.Type = Type(typ)
	size, reason := tensorBytes(t.Type, t.Shape)
	switch {
	case reason != "":
		return t, p.fail(at, fmt.Sprintf("of %v and shape %v", t.Type, t.Shape), "%s", reason)
	case size > uint64(p.size):
		return t, p.short(at, fmt.Sprintf("of %v and shape %v", t.Type, t.Shape), "takes %d bytes, the file has %d", size, p.size)
	}
	t.Size = size
	return t, p.readOffset(&t, h.alignment, next)
}

func (p *parser) readShape(t *Tensor) error {
	at := p.at()
	n, err := p.uint32()
	if err != nil {
		return err
	}
	if n == 0 || n > maxDims {
		return p.fail(at, fmt.Sprintf("of %d dimensions", n), "a tensor must have 1 to %d", maxDims)
	}
	t.Shape = make([]uint64, n)
	for i := range t.Shape {
		at = p.at()
		d, err := p.uint64()
		if err != nil {
			return err
		}
		if d == 0 || d >= 1<<63 {
			return p.fail(at, fmt.Sprintf("%d in dimension %d", int64(d), i), "a dimension must be at least 1")
		}
		t.Shape[i] = d
	}
	if _, ok := elements(t.Shape); !ok {
		return p.fail(at, fmt.Sprintf("of shape %v", t.Shape), "the number of elements overflows")
	}
	return nil
}

func (p *parser) readOffset(t *Tensor, alignment, next uint64) error {
	at := p.at()
	offset, err := p.uint64()
	if err != nil {
		return err
	}
	value := "at offset " + countText(offset)
	switch {
	case offset > uint64(p.size) && offset == next:
		return p.short(at, value, "the file ends at %d", p.size)
	case offset > uint64(p.size):
		return p.fail(at, value, "the file ends at %d", p.size)
	case offset%alignment != 0:
		return p.fail(at, value, "it must be a multiple of %d", alignment)
	case offset < next:
		return p.fail(at, value, "it overlaps the tensor before it: it must be %d", next)
	case offset > next:
		return p.fail(at, value, "it leaves a gap, which the engine does not support: it must be %d", next)
	}
	t.Offset = int64(offset)
	return nil
}
