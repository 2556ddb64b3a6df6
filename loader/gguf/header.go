package gguf

import (
	"fmt"
	"io"
	"math/bits"
	"strconv"

	"github.com/seed7adf6694/infer/internal/words"
)

const (
	magic            = "GGUF"
	swappedMagic     = "FUGG"
	writtenVersion   = 3
	fixedBytes       = 4 + 4 + 8 + 8 // magic, version, counts
	defaultAlignment = 32

	KeyArchitecture = "general.architecture"
	KeyAlignment    = "general.alignment"
)

// header is the parsed header of one file.
type header struct {
	version   uint32
	alignment uint64
	keys      []keyValue
	byKey     map[string]int32
	tensors   []Tensor // offsets relative to data
	byName    map[string]int32
	data      int64 // offset of the data section
}

type keyValue struct {
	key    string
	value  Value
	offset int64 // of the value, for errors
}

func (h *header) lookup(key string) (kv keyValue, ok bool) {
	i, ok := h.byKey[key]
	if !ok {
		return keyValue{offset: -1}, false
	}
	return h.keys[i], true
}

// parser parses and checks a header. Before it allocates for a count, it compares the count with the
// size of the file.
type parser struct {
	source
	file  string
	limit int64 // of the bytes of keys and values, maxHeader
	field field // what is being parsed, for errors
}

// field is the part of the header that is being parsed. Its text is built only for an error: a file
// may have a million keys.
type field struct {
	kind string // "version", "key", "tensor", …
	i    int    // index of the key or tensor
	name string // its name, once parsed
	many bool
}

func (f field) String() string {
	switch {
	case f.name != "":
		return f.kind + " " + words.Literal(f.name)
	case f.many:
		return f.kind + " " + strconv.Itoa(f.i)
	}
	return f.kind
}

// parseHeader parses and checks the header of a file of this size. All errors are of type
// *FormatError.
func parseHeader(file string, src io.ReaderAt, size int64) (*header, error) {
	p := &parser{source: source{src: src, size: size}, file: file, limit: maxHeader}
	return p.header()
}

func (p *parser) header() (*header, error) {
	h := &header{alignment: defaultAlignment}
	if err := p.readMagic(h); err != nil {
		return nil, err
	}
	tensors, err := p.readCount("tensor count", minTensorBytes)
	if err != nil {
		return nil, err
	}
	keys, err := p.readCount("key count", minKeyBytes)
	if err != nil {
		return nil, err
	}
	if need := uint64(tensors)*minTensorBytes + uint64(keys)*minKeyBytes; need > p.left() {
		p.field = field{kind: "counts"}
		return nil, p.short(8, fmt.Sprintf("%d tensors and %d keys", tensors, keys),
			"these take at least %d bytes, the file has %d left", need, p.left())
	}
	if err := p.readKeys(h, keys); err != nil {
		return nil, err
	}
	if err := p.readTensors(h, tensors); err != nil {
		return nil, err
	}
	return h, nil
}

// fail returns an error about the current field.
func (p *parser) fail(offset int64, value, reason string, args ...any) error {
	return &FormatError{File: p.file, Offset: offset, Field: p.field.String(), Value: value, Reason: fmt.Sprintf(reason, args...)}
}

// short is fail for a file that ends too early.
func (p *parser) short(offset int64, value, reason string, args ...any) error {
	return &FormatError{File: p.file, Offset: offset, Field: p.field.String(), Value: value, Reason: fmt.Sprintf(reason, args...), Err: ErrTruncated}
}

// get returns the next n bytes. They are never overwritten.
func (p *parser) get(n uint64) ([]byte, error) {
	if n > p.left() {
		return nil, p.short(p.at(), "", "needs %d bytes, the file has %d left", n, p.left())
	}
	b, err := p.take(int(n))
	if err != nil {
		return nil, p.unreadable(err)
	}
	return b, nil
}

// unreadable returns the error for a failed read.
func (p *parser) unreadable(err error) error {
	return &FormatError{File: p.file, Offset: p.at(), Field: p.field.String(), Reason: "can't be read", Err: err}
}

func (p *parser) uint32() (uint32, error) {
	b, err := p.get(4)
	if err != nil {
		return 0, err
	}
	return order.Uint32(b), nil
}

func (p *parser) uint64() (uint64, error) {
	b, err := p.get(8)
	if err != nil {
		return 0, err
	}
	return order.Uint64(b), nil
}

func (p *parser) readMagic(h *header) error {
	p.field = field{kind: "file"}
	if p.size < fixedBytes {
		return p.short(-1, strconv.FormatInt(p.size, 10)+" bytes long", "a GGUF file has at least %d", fixedBytes)
	}
	p.field = field{kind: "magic"}
	b, err := p.get(4)
	if err != nil {
		return err
	}
	switch m := string(b); m {
	case magic:
	case swappedMagic:
		return p.fail(0, words.Literal(m), "a byte-swapped file: only little-endian ones can be read")
	default:
		return p.fail(0, words.Literal(m), "not a GGUF file, which begins with %q", magic)
	}
	p.field = field{kind: "version"}
	if h.version, err = p.uint32(); err != nil {
		return err
	}
	value := strconv.FormatUint(uint64(h.version), 10)
	swapped := bits.ReverseBytes32(h.version)
	switch {
	case h.version == 2 || h.version == 3:
		return nil
	case h.version == 1:
		return p.fail(4, value, "versions 2 and 3 can be read: convert the model again")
	case swapped >= 1 && swapped <= 3:
		return p.fail(4, value, "a big-endian file of version %d: only little-endian ones can be read", swapped)
	}
	return p.fail(4, value, "versions 2 and 3 can be read")
}

// readCount reads the count of items that take at least each bytes.
func (p *parser) readCount(kind string, each uint64) (int, error) {
	p.field = field{kind: kind}
	at := p.at()
	n, err := p.uint64()
	if err != nil {
		return 0, err
	}
	if n > p.left()/each || n > maxCount {
		return 0, p.short(at, countText(n), "one takes at least %d bytes, the file has %d left", each, p.left())
	}
	return int(n), nil
}

// maxCount keeps counts within the range of their indices. A file with that many keys or tensors would
// exceed maxHeader anyway.
const maxCount = 1<<31 - 1

// countText formats a count or length, and the negative number that it may have been meant as.
func countText(n uint64) string {
	if n >= 1<<63 {
		return fmt.Sprintf("%d (%d)", n, int64(n))
	}
	return strconv.FormatUint(n, 10)
}
