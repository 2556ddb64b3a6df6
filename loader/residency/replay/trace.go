package replay

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// version of the format, and its key, with which a trace begins.
const (
	version    = 1
	keyVersion = "infer_expert_trace"
)

// Bounds of what is read, so that a file cannot ask for much more memory than it has bytes.
const (
	maxLine    = 64 << 20 // bytes
	maxLayers  = 1 << 16
	maxExperts = 1 << 20 // of all layers
	maxBytes   = 1 << 50 // of a model, an expert or a slot
)

// ErrFormat is returned, in a [FormatError], for a file that is no trace.
var ErrFormat = errors.New("not a trace of experts")

// FormatError says where a file is no trace, and why.
type FormatError struct {
	Line   int    // from 1 on
	Field  string // its key in the line's JSON, as "slot_bytes" or "layers"; "" for the whole line
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%v: line %d: %s", ErrFormat, e.Line, e.Reason)
}

// Unwrap makes errors.Is find [ErrFormat].
func (e *FormatError) Unwrap() error { return ErrFormat }

// Header is the mixture that a trace is of. Sizes are bytes.
type Header struct {
	Version int     `json:"infer_expert_trace"` // set by [NewWriter]
	Model   Model   `json:"model"`
	Used    int     `json:"experts_used"` // of a layer, by a token
	Slot    uint64  `json:"slot_bytes"`   // of memory for one expert of any layer
	Bank    int     `json:"bank_slots"`   // at most, where layers share banks of slots; 0: no limit
	Layers  []Layer `json:"layers"`       // those with experts, in ascending order
}

// Model is the file that chose.
type Model struct {
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Layer is a layer with experts.
type Layer struct {
	Layer   int    `json:"layer"`
	Experts int    `json:"experts"`
	Bytes   uint64 `json:"expert_bytes"` // of one
}

// Choice is what the router of a layer chose in one evaluation.
type Choice struct {
	Evaluation int     `json:"evaluation"` // from 0 on
	Layer      int     `json:"layer"`
	Tokens     int     `json:"tokens"` // that were evaluated together
	IDs        []int32 `json:"ids"`    // of each token's experts, token by token
}

// Trace is a header with all choices.
type Trace struct {
	Header
	Choices []Choice
}

// Experts is the number of experts of all layers.
func (h Header) Experts() (n int) {
	for _, l := range h.Layers {
		n += l.Experts
	}
	return n
}

// bank is the limit of a bank's slots.
func (h Header) bank() int {
	if h.Bank == 0 {
		return maxExperts
	}
	return h.Bank
}

// PerToken is what the experts of one token take, in bytes.
func (h Header) PerToken() (sum uint64) {
	for _, l := range h.Layers {
		sum += uint64(h.Used) * l.Bytes
	}
	return sum
}

// Writer writes a trace. It is for one goroutine.
type Writer struct {
	checker
	w *bufio.Writer
	e *json.Encoder
}

// NewWriter writes the header. Nothing is certain to be written before [Writer.Flush]. A header or
// choice that a reader would refuse is refused with its reason.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Version = version
	t := &Writer{w: bufio.NewWriter(w)}
	if _, reason := t.begin(h); reason != "" {
		return nil, errors.New(reason)
	}
	t.e = json.NewEncoder(t.w)
	return t, t.e.Encode(h)
}

// Write writes a choice.
func (t *Writer) Write(c Choice) error {
	if _, reason := t.check(c); reason != "" {
		return errors.New(reason)
	}
	return t.e.Encode(c)
}

// Flush writes what has been kept back.
func (t *Writer) Flush() error { return t.w.Flush() }

// ReadFile reads a trace from a file. See [Read].
func ReadFile(path string) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Read reads a trace and checks all of it. The error of a file that is no trace, or of one that
// has no choices, is a [*FormatError].
func Read(r io.Reader) (*Trace, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	t, c, line := &Trace{}, checker{}, 0
	for lines.Scan() {
		line++
		var field, reason string
		if line == 1 {
			if reason = decode(lines.Bytes(), &t.Header); reason == "" {
				field, reason = c.begin(t.Header)
			}
		} else {
			var x Choice
			if reason = decode(lines.Bytes(), &x); reason == "" {
				field, reason = c.check(x)
			}
			t.Choices = append(t.Choices, x)
		}
		if reason != "" {
			return nil, &FormatError{line, field, reason}
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &FormatError{line + 1, "", fmt.Sprintf("longer than %d bytes", maxLine)}
	case err != nil:
		return nil, err
	case line == 0:
		return nil, &FormatError{1, "", "the file is empty"}
	case line == 1:
		return nil, &FormatError{2, "", "no choice of experts follows the header"}
	}
	return t, nil
}

func decode(line []byte, into any) (reason string) {
	if err := json.Unmarshal(line, into); err != nil {
		return err.Error()
	}
	return ""
}

// checker knows what may follow what has been seen of a trace.
type checker struct {
	used    int
	experts map[int]int // by layer
	last    Choice
}

// begin returns why a header is none, and the key that is wrong; "" if it is one.
func (c *checker) begin(h Header) (field, reason string) {
	*c = checker{used: h.Used, experts: map[int]int{}, last: Choice{Evaluation: -1, Layer: -1}}
	switch {
	case h.Version == 0:
		return keyVersion, "no field " + keyVersion + ", with which a trace begins"
	case h.Version != version:
		return keyVersion, fmt.Sprintf("version %d of the format: this program reads %d", h.Version, version)
	case len(h.Layers) == 0:
		return "layers", "no layer with experts"
	case h.Slot < 1 || h.Slot > maxBytes:
		return "slot_bytes", fmt.Sprintf("a slot of %d bytes: 1 to %d", h.Slot, uint64(maxBytes))
	}
	before, all := -1, 0
	for _, l := range h.Layers {
		switch {
		case l.Layer <= before || l.Layer >= maxLayers:
			return "layer", fmt.Sprintf("layer %d after layer %d: layers ascend, to %d", l.Layer, before, maxLayers-1)
		case l.Experts < 1 || l.Experts > maxExperts-all:
			return "experts", fmt.Sprintf("%d experts in layer %d: 1 or more, and %d in all layers", l.Experts, l.Layer, maxExperts)
		case h.Used < 1 || h.Used > l.Experts:
			return "experts_used", fmt.Sprintf("%d of %d experts used in layer %d", h.Used, l.Experts, l.Layer)
		case h.Bank < 0 || l.Experts > h.bank():
			return "bank_slots", fmt.Sprintf("banks of %d slots: fewer than the %d experts of layer %d", h.Bank, l.Experts, l.Layer)
		case l.Bytes < 1 || l.Bytes > maxBytes:
			return "expert_bytes", fmt.Sprintf("an expert of %d bytes in layer %d: 1 to %d", l.Bytes, l.Layer, uint64(maxBytes))
		}
		before, all = l.Layer, all+l.Experts
		c.experts[l.Layer] = l.Experts
	}
	return "", ""
}

// check returns why a choice may not follow, and the key that is wrong; "" if it may.
func (c *checker) check(x Choice) (field, reason string) {
	experts := c.experts[x.Layer]
	switch {
	case experts == 0:
		return "layer", fmt.Sprintf("layer %d, which has no experts", x.Layer)
	case x.Tokens < 1 || x.Tokens > math.MaxInt32 || len(x.IDs) != x.Tokens*c.used:
		return "ids", fmt.Sprintf("%d ids of %d tokens, each of which uses %d experts", len(x.IDs), x.Tokens, c.used)
	case x.Evaluation == c.last.Evaluation && x.Layer <= c.last.Layer:
		return "layer", fmt.Sprintf("layer %d after layer %d of one evaluation: layers ascend", x.Layer, c.last.Layer)
	case x.Evaluation != c.last.Evaluation && x.Evaluation != c.last.Evaluation+1:
		return "evaluation", fmt.Sprintf("evaluation %d after %d: they count up from 0", x.Evaluation, c.last.Evaluation)
	}
	for _, id := range x.IDs {
		if id < 0 || int(id) >= experts {
			return "ids", fmt.Sprintf("expert %d of layer %d, which has %d", id, x.Layer, experts)
		}
	}
	c.last = Choice{Evaluation: x.Evaluation, Layer: x.Layer}
	return "", ""
}
