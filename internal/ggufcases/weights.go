package ggufcases

import (
	"encoding/binary"
	"hash/fnv"
	"iter"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
)

// Computing iterates over the models of [Architectures] with random weights, the same in each run, of
// a size that keeps the logits finite and different between tokens.
func Computing(names ...string) iter.Seq2[string, []byte] {
	return ComputingWith("builtin", names...)
}

// ComputingWith is [Computing] for an engine with a binary interface: "builtin", or "v0.5" for the
// models of [ArchitecturesV0_5].
func ComputingWith(abi string, names ...string) iter.Seq2[string, []byte] {
	return computing(only(of(abi), names), func(*description) {})
}

// Quantised iterates over the models of [Computing] with their large matrices in q4_0, for which the
// engine has layouts of its own.
func Quantised() iter.Seq2[string, []byte] { return QuantisedWith("builtin") }

// QuantisedWith is [Quantised] for an engine with a binary interface, as [ComputingWith].
func QuantisedWith(abi string) iter.Seq2[string, []byte] {
	return computing(of(abi), func(d *description) {
		for i := range d.tensors {
			if t := &d.tensors[i]; quantisable(*t) {
				t.Type = q4_0
			}
		}
		d.pack()
	})
}

// of returns the descriptions for an engine with a binary interface.
func of(abi string) iter.Seq2[string, string] {
	if abi == "v0.5" {
		return v0_5()
	}
	return builtin()
}

func computing(texts iter.Seq2[string, string], change func(*description)) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name, text := range texts {
			d := describe(text)
			change(d)
			if !yield(name, d.computing()) {
				return
			}
		}
	}
}

// computing returns the model's file with random weights.
func (d *description) computing() []byte {
	f := d.file()
	b := f.Bytes()
	data := b[uint64(len(b))-f.zeros:]
	for _, t := range d.tensors {
		fill(data[t.Offset:], t)
	}
	return b
}

// Numbers of types in a file, and the elements of a block of q4_0.
const (
	q4_0  = 2
	nvfp4 = 40
	q1_0  = 41
	q2_0  = 42

	q4_0Block = 32
)

// layouts are the elements and bytes of a block, by the number of a type.
var layouts = map[uint32][2]uint64{
	0: {1, 4}, 1: {1, 2}, q4_0: {32, 18}, 9: {32, 36}, 26: {1, 4}, 28: {1, 8},
	nvfp4: {64, 36}, q1_0: {128, 18}, q2_0: {64, 18},
}

// typeNumbers are the numbers of the types in architectures.txt.
var typeNumbers = map[string]uint32{"f32": 0, "f16": 1, "i32": 26, "nvfp4": nvfp4, "q1_0": q1_0, "q2_0": q2_0}

// size returns the bytes that a tensor takes in a file, with padding.
func (t Tensor) size() uint64 {
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d
	}
	l := layouts[t.Type]
	return (n/l[0]*l[1] + 31) &^ 31
}

// quantised matches the matrices that are quantised in published models and can be quantised in all
// architectures.
var quantised = regexp.MustCompile(`^((enc|dec)\.)?blk\.\d+\.((cross_)?attn_(q|k|v|o|qkv|output)|ffn_(gate|up|down)(_exps|_shexp)?|time_mix_(key|value|receptance|gate|output)|channel_mix_(key|value|receptance)|ssm_(in|out)|shortconv\.(in|out)_proj)\.weight$`)

func quantisable(t Tensor) bool {
	return t.Type == 0 && len(t.Dims) > 1 && t.Dims[0]%q4_0Block == 0 && quantised.MatchString(t.Name)
}

// fill writes random elements of a tensor.
func fill(data []byte, t Tensor) {
	h := fnv.New64a()
	h.Write([]byte(t.Name))
	random := rand.New(rand.NewPCG(h.Sum64(), 1))
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d
	}
	mean, deviation := sizes(t)
	next := func() float32 { return float32(mean + deviation*max(-3, min(random.NormFloat64(), 3))) }
	for i := range n {
		switch {
		case t.Type == 1:
			binary.LittleEndian.PutUint16(data[2*i:], half(next()))
		case t.Type == q4_0 && i%q4_0Block == 0:
			putQ4_0(data[i/q4_0Block*18:], next)
		case t.Type == nvfp4 || t.Type == q1_0 || t.Type == q2_0:
			if l := layouts[t.Type]; i%l[0] == 0 {
				putBits(data[i/l[0]*l[1]:][:l[1]], t.Type, deviation, random)
			}
		case t.Type == 0:
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(next()))
		}
	}
}

// putQ4_0 writes a block: a scale, then 4 bits per element, with the elements of the second half in the
// high bits.
func putQ4_0(b []byte, next func() float32) {
	var x [q4_0Block]float32
	largest := float32(0)
	for i := range x {
		x[i] = next()
		largest = max(largest, x[i], -x[i])
	}
	binary.LittleEndian.PutUint16(b, half(largest/7))
	for i := range x {
		q := byte(math.Round(float64(x[i]/largest*7))) + 8
		b[2+i%16] |= q << (i / 16 * 4)
	}
}

// putBits writes a block with random bits, at a scale for a standard deviation.
func putBits(b []byte, typ uint32, deviation float64, random *rand.Rand) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	switch typ {
	case nvfp4: // four scales of 4 bits exponent and 3 bits mantissa; the elements are up to 6
		for i := range 4 {
			b[i] = byte(max(1, int(math.Round(math.Log2(deviation/3)))+7)) << 3
		}
	case q1_0: // the elements are -1 and 1
		binary.LittleEndian.PutUint16(b, half(float32(deviation)))
	case q2_0: // the elements are from -2 to 1
		binary.LittleEndian.PutUint16(b, half(float32(deviation/1.1)))
	}
}

// sizes returns the mean and the standard deviation of a tensor's elements.
func sizes(t Tensor) (mean, deviation float64) {
	kind := strings.TrimSuffix(t.Name, ".weight")
	kind = kind[strings.LastIndexByte(kind, '.')+1:]
	switch {
	case strings.HasSuffix(t.Name, ".bias"):
		switch kind = strings.TrimSuffix(t.Name, ".bias"); {
		case strings.HasSuffix(kind, ".ssm_dt"):
			return -2, 0.5 // its softplus is a time step
		}
		return 0, 0.05
	case kind == "ssm_a": // the decay is exp(time step × a)
		return -1, 0.2
	case strings.Contains(kind, "norm"), strings.HasPrefix(kind, "rope_f"), kind == "time_mix_ln", kind == "ssm_d",
		kind == "scale", kind == "scales", kind == "altup_correct_scale", kind == "bskcn_tv", kind == "gamma",
		kind == "time_mix_k_k", kind == "time_mix_k_a":
		return 1, 0.1
	case strings.Contains(kind, "_lerp_"):
		return 0.5, 0.1
	case kind == "time_mix_decay", kind == "time_mix_w0":
		return -1, 0.5
	case kind == "token_embd", kind == "embed_tokens", kind == "per_layer_token_embd":
		return 0, 1
	case kind == "position_embd", kind == "token_types", len(t.Dims) == 1:
		return 0, 0.3
	}
	return 0, 1 / math.Sqrt(float64(t.Dims[0])) // a product with it keeps the magnitude of a row
}

// half returns x as a 16 bit float, for numbers between 2⁻¹⁴ and 65504; smaller ones become 0.
func half(x float32) uint16 {
	b := math.Float32bits(x)
	e := int(b>>23&0xff) - 127 + 15
	if e <= 0 {
		return uint16(b >> 16 & 0x8000)
	}
	return uint16(b>>16&0x8000) | uint16(e<<10) | uint16(b>>13&0x3ff)
}
