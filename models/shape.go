package models

import (
	"fmt"
	"strconv"
	"strings"
)

// A Shape is the size and the architecture of a model. Layers, Width and Heads are required; other fields
// have defaults for 0.
type Shape struct {
	// Arch is llama, qwen3moe, gpt-oss or granitehybrid; empty: llama. qwen3moe and gpt-oss need
	// Experts. Most layers of granitehybrid have a recurrent state (Mamba 2) instead of attention;
	// with Experts each layer also has a shared expert of the same width.
	Arch string

	Layers      int // transformer blocks
	Width       int // values per token between blocks (embedding length)
	Heads       int // attention heads
	HeadSize    int // values of a head, even; 0: Width/Heads
	KVHeads     int // heads of keys and values; 0: Heads
	FFN         int // width of the feed-forward network, of each expert; 0: 8/3 of Width, rounded up to 256
	Vocab       int // tokens, at least 259; 0: 32000
	Context     int // context length in the metadata, in tokens; 0: 2048
	Window      int // sliding window in tokens of every other layer of gpt-oss; 0: 128
	Experts     int // experts of each layer, at least 2; 0: a single feed-forward network
	ExpertsUsed int // experts used for each token; 0: 2

	// ExpertsSkew is the share of the choices that go to half of the experts of each layer, above
	// 0.5 and below 1; 0: experts are chosen equally often. The half is random.
	ExpertsSkew float64
}

// Limits of the engine and of the vocabulary.
const (
	maxLayers  = 512
	maxExperts = 512
	maxWidth   = 1 << 20
	maxContext = 1 << 30
	minVocab   = 259 // <unk>, <s>, </s> and the bytes
	maxVocab   = 1 << 20
)

// namedShapes are in ascending order of size.
var namedShapes = []struct {
	name  string
	shape Shape
}{
	{"test", Shape{Layers: 2, Width: 256, Heads: 4, KVHeads: 2, FFN: 512, Vocab: 512, Context: 512}},
	{"test-moe", Shape{Layers: 2, Width: 256, Heads: 4, KVHeads: 2, FFN: 256, Vocab: 512, Context: 512, Experts: 4, ExpertsUsed: 2}},
	{"15m", Shape{Layers: 6, Width: 288, Heads: 6, FFN: 768}},
	{"110m", Shape{Layers: 12, Width: 768, Heads: 12, FFN: 2048}},
	{"8x110m", Shape{Layers: 12, Width: 768, Heads: 12, FFN: 2048, Experts: 8, ExpertsUsed: 2}},
	{"1b", Shape{Layers: 22, Width: 2048, Heads: 32, KVHeads: 4, FFN: 5632}},
	{"3b", Shape{Layers: 28, Width: 3072, Heads: 24, KVHeads: 8, FFN: 8192}},
	{"7b", Shape{Layers: 32, Width: 4096, Heads: 32, FFN: 11008, Context: 4096}},
	{"8b", Shape{Layers: 32, Width: 4096, Heads: 32, KVHeads: 8, FFN: 14336, Vocab: 128256, Context: 8192}},
	{"20b-a4b", Shape{Arch: archGptOss, Layers: 24, Width: 2880, Heads: 64, HeadSize: 64, KVHeads: 8, FFN: 2880, Vocab: 201088, Context: 131072, Window: 128, Experts: 32, ExpertsUsed: 4}},
	{"30b-a3b", Shape{Arch: archQwen3MoE, Layers: 48, Width: 2048, Heads: 32, HeadSize: 128, KVHeads: 4, FFN: 768, Vocab: 151936, Context: 32768, Experts: 128, ExpertsUsed: 8}},
}

// ShapeNames returns the names that [ParseShape] accepts, the smallest shape first.
func ShapeNames() []string {
	names := make([]string, len(namedShapes))
	for i, s := range namedShapes {
		names[i] = s.name
	}
	return names
}

// shapeKeys are the keys of ParseShape and the fields that they set.
var shapeKeys = []struct {
	key   string
	field func(*Shape) *int
}{
	{"layers", func(s *Shape) *int { return &s.Layers }},
	{"width", func(s *Shape) *int { return &s.Width }},
	{"heads", func(s *Shape) *int { return &s.Heads }},
	{"kv_heads", func(s *Shape) *int { return &s.KVHeads }},
	{"ffn", func(s *Shape) *int { return &s.FFN }},
	{"vocab", func(s *Shape) *int { return &s.Vocab }},
	{"context", func(s *Shape) *int { return &s.Context }},
	{"experts", func(s *Shape) *int { return &s.Experts }},
	{"experts_used", func(s *Shape) *int { return &s.ExpertsUsed }},
	{"head_size", func(s *Shape) *int { return &s.HeadSize }},
	{"window", func(s *Shape) *int { return &s.Window }},
}

// The keys whose values are not integers.
const (
	keySkew = "experts_skew"
	keyArch = "arch"
)

// ParseShape parses a shape: a name (see [ShapeNames]), or key=value pairs separated by commas, or a
// name followed by pairs that change it:
//
//	1b
//	layers=22,width=2048,heads=32,kv_heads=4,ffn=5632,vocab=32000
//	1b,layers=4
//
// The keys are layers, width, heads, kv_heads, ffn, vocab, context, experts, experts_used,
// head_size, window, experts_skew and arch; layers, width and heads are required without a name.
// The result is validated and complete; its Arch is empty for llama. Errors are a [*ShapeError].
func ParseShape(text string) (Shape, error) {
	var s Shape
	seen := map[string]bool{}
	for i, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		key, value, isPair := strings.Cut(part, "=")
		if !isPair {
			named, ok := namedShape(part)
			if !ok || i > 0 {
				return Shape{}, unknownShape(part, i > 0)
			}
			s = named
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if seen[key] {
			return Shape{}, shapeError(key, value, "%s is given twice", key)
		}
		seen[key] = true
		if err := s.set(key, value); err != nil {
			return Shape{}, err
		}
	}
	return s.complete()
}

// set reads the value of a key.
func (s *Shape) set(key, value string) error {
	switch key {
	case keyArch:
		if value == "" {
			return shapeError(keyArch, "", "%s is empty, the architectures are %s", keyArch, strings.Join(archs, ", "))
		}
		s.Arch = value
		return nil
	case keySkew:
		share, err := strconv.ParseFloat(value, 64)
		if err != nil || !validSkew(share) {
			return shapeError(key, value, "%s=%s: want a share above %g and below 1", key, value, evenShare)
		}
		s.ExpertsSkew = share
		return nil
	}
	field, err := shapeField(s, key)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 && key != "experts" && key != "experts_used" {
		return shapeError(key, value, "%s=%s: want a whole number from 1 to %d", key, value, 1<<31-1)
	}
	*field = int(n)
	return nil
}

func namedShape(name string) (Shape, bool) {
	for _, n := range namedShapes {
		if n.name == name {
			return n.shape, true
		}
	}
	return Shape{}, false
}

func shapeField(s *Shape, key string) (*int, error) {
	var keys []string
	for _, k := range shapeKeys {
		if k.key == key {
			return k.field(s), nil
		}
		keys = append(keys, k.key)
	}
	keys = append(keys, keySkew, keyArch)
	return nil, shapeError(key, "", "unknown key %q%s, the keys are %s", key, didYouMean(key, keys), strings.Join(keys, ", "))
}

func unknownShape(name string, later bool) error {
	if _, known := namedShape(name); known && later {
		return shapeError("", name, "the name %q must come first", name)
	}
	if later {
		return shapeError("", name, "%q is not a key=value pair", name)
	}
	return shapeError("", name, "unknown name %q%s, give one of %s or layers=…,width=…,heads=…", name, didYouMean(name, ShapeNames()), strings.Join(ShapeNames(), ", "))
}

// didYouMean returns a suggestion, "" if no name is similar.
func didYouMean(word string, words []string) string {
	near := nearest(word, words)
	if len(near) == 0 {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
}

// String returns the shape in the format of [ParseShape].
func (s Shape) String() string {
	var parts []string
	for _, k := range shapeKeys {
		if n := *k.field(&s); n != 0 {
			parts = append(parts, k.key+"="+strconv.Itoa(n))
		}
	}
	if s.ExpertsSkew != 0 {
		parts = append(parts, keySkew+"="+strconv.FormatFloat(s.ExpertsSkew, 'g', -1, 64))
	}
	if s.Arch != "" {
		parts = append(parts, keyArch+"="+s.Arch)
	}
	return strings.Join(parts, ",")
}

// Parameters returns the number of weights, 0 for an invalid shape.
func (s Shape) Parameters() uint64 {
	s, err := s.complete()
	if err != nil {
		return 0
	}
	var n uint64
	for _, t := range s.tensors() {
		n += t.elements()
	}
	return n
}

// complete sets the defaults and validates the shape.
func (s Shape) complete() (Shape, error) {
	for _, k := range shapeKeys {
		if n := *k.field(&s); n < 0 {
			return Shape{}, shapeError(k.key, n, "%s is %d and must not be negative", k.key, n)
		}
	}
	for _, k := range shapeKeys[:3] {
		if *k.field(&s) == 0 {
			return Shape{}, shapeError(k.key, "", "%s is missing", k.key)
		}
	}
	fill := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	if s.Arch == archLlama {
		s.Arch = ""
	}
	fill(&s.KVHeads, s.Heads)
	fill(&s.FFN, (s.Width/3*8+s.Width%3*8/3+255)/256*256)
	fill(&s.Vocab, 32000)
	fill(&s.Context, 2048)
	if s.Experts > 0 {
		fill(&s.ExpertsUsed, 2)
	}
	if s.Arch == archGptOss {
		fill(&s.Window, 128)
	}
	return s, s.check()
}

func (s Shape) check() error {
	// A choice from one expert is none.
	least := 0
	if s.Experts > 0 {
		least = 2
	}
	for _, c := range []struct {
		key         string
		value       int
		least, most int
	}{
		{"layers", s.Layers, 1, maxLayers},
		{"width", s.Width, 2, maxWidth},
		{"heads", s.Heads, 1, s.Width},
		{"kv_heads", s.KVHeads, 1, s.Heads},
		{"ffn", s.FFN, 1, maxWidth},
		{"vocab", s.Vocab, minVocab, maxVocab},
		{"context", s.Context, 1, maxContext},
		{"experts", s.Experts, least, maxExperts},
		{"experts_used", s.ExpertsUsed, min(s.Experts, 1), s.Experts},
		{"head_size", s.HeadSize, 0, maxWidth / s.Heads},
		{"window", s.Window, 0, maxContext},
	} {
		if c.value < c.least || c.value > c.most {
			return shapeError(c.key, c.value, "%s is %d, must be from %d to %d", c.key, c.value, c.least, c.most)
		}
	}
	switch {
	case s.HeadSize%2 != 0:
		return shapeError("head_size", s.HeadSize, "head_size is %d, must be even", s.HeadSize)
	case s.HeadSize == 0 && s.Width%s.Heads != 0:
		return shapeError("width", s.Width, "width %d is not a multiple of heads %d, give head_size", s.Width, s.Heads)
	case s.HeadSize == 0 && s.Width/s.Heads%2 != 0:
		return shapeError("width", s.Width, "width %d divided by heads %d is %d, must be even", s.Width, s.Heads, s.Width/s.Heads)
	case s.Heads%s.KVHeads != 0:
		return shapeError("heads", s.Heads, "heads %d is not a multiple of kv_heads %d", s.Heads, s.KVHeads)
	}
	if err := s.checkArch(); err != nil {
		return err
	}
	return s.checkSkew()
}

// headSize returns the number of values of a head.
func (s Shape) headSize() int {
	if s.HeadSize > 0 {
		return s.HeadSize
	}
	return s.Width / s.Heads
}

// kvWidth returns the number of values of a token's keys, which is that of its values.
func (s Shape) kvWidth() int { return s.headSize() * s.KVHeads }
