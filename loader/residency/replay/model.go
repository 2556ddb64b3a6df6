package replay

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/loader/residency"
)

// ErrOtherModel is returned by [Trace.Of] for a trace of a mixture with other experts.
var ErrOtherModel = errors.New("the trace is of another model")

// HeaderOf returns the header of traces of a model with these experts, without the model's name.
func HeaderOf(sizes residency.ExpertSizes) Header {
	h := Header{Version: version, Used: sizes.Used, Slot: sizes.Slot, Bank: sizes.Bank}
	for n, l := range sizes.Layers {
		if l.Experts > 0 {
			h.Layers = append(h.Layers, Layer{Layer: n, Experts: l.Experts, Bytes: l.Bytes})
		}
	}
	return h
}

// Of returns the trace for a model with these experts. Its weights may have other types than those of
// the recorded model: the sizes of experts are taken from sizes. The error is [ErrOtherModel] if the
// number of layers, of experts, or of experts that a token uses differs; otherwise it is why [Read]
// would refuse the trace.
func (t *Trace) Of(sizes residency.ExpertSizes) (*Trace, error) {
	h := HeaderOf(sizes)
	if len(h.Layers) == 0 {
		return nil, fmt.Errorf("%w: this one has no experts that slots can hold", ErrOtherModel)
	}
	same := func(a, b Layer) bool { return a.Layer == b.Layer && a.Experts == b.Experts }
	if h.Used != t.Used || !slices.EqualFunc(h.Layers, t.Layers, same) {
		return nil, fmt.Errorf("%w: %s, this one has %s", ErrOtherModel, t.Header, h)
	}
	h.Model = t.Model
	var c checker
	if _, reason := c.begin(h); reason != "" {
		return nil, fmt.Errorf("%w: %s", ErrFormat, reason)
	}
	for _, x := range t.Choices {
		if _, reason := c.check(x); reason != "" {
			return nil, fmt.Errorf("%w: %s", ErrFormat, reason)
		}
	}
	return &Trace{Header: h, Choices: t.Choices}, nil
}

// String says how many experts the mixture has.
func (h Header) String() string {
	of := ""
	if h.Model.Name != "" {
		of = h.Model.Name + " has "
	}
	return fmt.Sprintf("%s%d of %d experts used in %d layers", of, h.Used*len(h.Layers), h.Experts(), len(h.Layers))
}
