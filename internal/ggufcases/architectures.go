package ggufcases

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

// architectures.txt describes a small model of each architecture that the engine can run, and of
// variants: the required keys, and all tensors that the engine's loader asks for.
//
//	model NAME [VARIANT] [gone]
//	tokens N
//	key NAME TYPE VALUE      after the architecture's prefix, or after "/" as it is
//	tensor NAME TYPE DIM...  "blk.0,2-4.x" is a tensor in each of these layers
//
// architectures_v0.5.txt describes, in the same form, the models for engines of v0.5.x that are not
// in architectures.txt, and those that differ there. Models that say "gone" do not load any more.
// Those that say "changed" have other keys and tensors, and are without some:
//
//	model NAME [VARIANT] changed
//	without NAME             a key or a tensor
var (
	//go:embed architectures.txt
	architecturesText string
	//go:embed architectures_v0.5.txt
	architecturesV0_5Text string
)

// Architectures iterates over small valid models of all architectures that the compiled-in engine
// can run, by name, or those of some names. All weights are 0.
func Architectures(names ...string) iter.Seq2[string, []byte] {
	return sound(only(builtin(), names))
}

// ArchitecturesV0_5 is [Architectures] for engines of v0.5.x.
func ArchitecturesV0_5(names ...string) iter.Seq2[string, []byte] { return sound(only(v0_5(), names)) }

// OnlyV0_5 reports whether a model of [ArchitecturesV0_5] has an architecture of which there is none in
// [Architectures].
func OnlyV0_5(name string) bool {
	arch, _, _ := strings.Cut(name, " ")
	for other := range builtin() {
		if base, _, _ := strings.Cut(other, " "); base == arch {
			return false
		}
	}
	return true
}

// only iterates over the descriptions of some names, or over all if there are none: files take long to make.
func only(texts iter.Seq2[string, string], names []string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, text := range texts {
			if (len(names) == 0 || slices.Contains(names, name)) && !yield(name, text) {
				return
			}
		}
	}
}

func sound(texts iter.Seq2[string, string]) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name, text := range texts {
			if !yield(name, describe(text).file().Bytes()) {
				return
			}
		}
	}
}

// builtin iterates over the descriptions for the compiled-in engine, by name.
func builtin() iter.Seq2[string, string] { return descriptions(architecturesText) }

// v0_5 iterates over the descriptions for engines of v0.5.x.
func v0_5() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		other := map[string]bool{}
		for name, text := range descriptions(architecturesV0_5Text) {
			name, gone := strings.CutSuffix(name, " gone")
			name, changed := strings.CutSuffix(name, " changed")
			other[name] = true
			if changed {
				text = change(name, text)
			}
			if !gone && !yield(name, text) {
				return
			}
		}
		for name, text := range builtin() {
			if !other[name] && !yield(name, text) {
				return
			}
		}
	}
}

// change returns the description of the compiled-in engine's model with the changes of a text.
func change(name, text string) string {
	var lines []string
	for n, base := range builtin() {
		if n == name {
			lines = strings.Split(strings.TrimSpace(base), "\n")
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n")[1:] {
		if without, ok := strings.CutPrefix(line, "without "); ok {
			lines = slices.DeleteFunc(lines, func(l string) bool {
				f := strings.Fields(l)
				return len(f) > 1 && f[1] == without
			})
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func descriptions(all string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, text := range strings.Split("\n"+all, "\nmodel ")[1:] {
			name, _, _ := strings.Cut(text, "\n")
			if !yield(name, text) {
				return
			}
		}
	}
}

// description is a model that can be changed before its file is made.
type description struct {
	arch    string
	keys    []string          // in the order of the file
	values  map[string][]byte // key → type and value
	tensors []Tensor
	data    uint64
}

// describe reads one model of architectures.txt.
func describe(text string) *description {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	d := &description{arch: strings.Fields(lines[0])[0], values: map[string][]byte{}}
	d.set("general.architecture", String, Text(d.arch))
	for _, line := range lines[1:] {
		f := strings.Fields(line)
		switch f[0] {
		case "tokens":
			d.sentencePieces(int(number(f[1])))
		case "key":
			name := d.arch + "." + f[1]
			if strings.HasPrefix(f[1], "/") {
				name = f[1][1:]
			}
			d.key(name, f[2], f[3:])
		case "tensor":
			dims := make([]uint64, len(f)-3)
			for i := range dims {
				dims[i] = number(f[3+i])
			}
			for _, name := range layers(f[1]) {
				d.tensor(name, typeNumbers[f[2]], dims...)
			}
		}
	}
	return d
}

// set sets a key. A key that exists keeps its position.
func (d *description) set(name string, typ uint32, value ...[]byte) {
	if _, ok := d.values[name]; !ok {
		d.keys = append(d.keys, name)
	}
	d.values[name] = Join(U32(typ), Join(value...))
}

func (d *description) drop(name string) {
	delete(d.values, name)
	for i, k := range d.keys {
		if k == name {
			d.keys = append(d.keys[:i:i], d.keys[i+1:]...)
			return
		}
	}
}

// key sets a key to values given as text.
func (d *description) key(name, typ string, values []string) {
	elem, array := strings.CutSuffix(typ, "[]")
	number := map[string]uint32{"u32": Uint32, "i32": Int32, "f32": Float32, "bool": Bool, "str": String, "u64": Uint64}[elem]
	var b []byte
	for _, v := range values {
		b = append(b, scalar(elem, v)...)
	}
	if array {
		d.set(name, Array, Elements(number, uint64(len(values)), b))
		return
	}
	d.set(name, number, b)
}

func scalar(typ, v string) []byte {
	switch typ {
	case "str":
		return Text(v)
	case "f32":
		f, err := strconv.ParseFloat(v, 32)
		must(err)
		return U32(math.Float32bits(float32(f)))
	case "bool":
		if v == "true" {
			return []byte{1}
		}
		return []byte{0}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	must(err)
	if typ == "u64" {
		return U64(uint64(n))
	}
	return U32(uint32(n))
}

// must panics on errors in architectures.txt, which is part of this package.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	must(err)
	return n
}

// layers expands "blk.0,2-4.x" to one name per layer.
func layers(name string) []string {
	for _, prefix := range []string{"enc.blk.", "dec.blk.", "blk.", "posnet.", "convnext."} {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		list, kind, _ := strings.Cut(rest, ".")
		var names []string
		for _, part := range strings.Split(list, ",") {
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			for i := number(first); i <= number(last); i++ {
				names = append(names, fmt.Sprintf("%s%d.%s", prefix, i, kind))
			}
		}
		return names
	}
	return []string{name}
}

// tensor adds a tensor.
func (d *description) tensor(name string, typ uint32, dims ...uint64) {
	t := Tensor{Name: name, Dims: dims, Type: typ, Offset: d.data}
	d.tensors = append(d.tensors, t)
	d.data += t.size()
}

// sentencePieces sets a vocabulary of n tokens, with a token for each byte.
func (d *description) sentencePieces(n int) {
	tokens, types := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}
	for b := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, 6)
	}
	for _, piece := range []string{"▁", "a", "b", "e", "l", "o", "H", "w", "r", "d", "▁w", "lo", "el", "▁H"} {
		tokens, types = append(tokens, piece), append(types, 1)
	}
	for len(tokens) < n {
		tokens, types = append(tokens, fmt.Sprint("piece", len(tokens))), append(types, 1)
	}
	scores := make([]float32, n)
	for i := range scores {
		scores[i] = -float32(i)
	}
	d.set("tokenizer.ggml.model", String, Text("llama"))
	d.texts("tokenizer.ggml.tokens", tokens)
	d.floats("tokenizer.ggml.scores", scores)
	d.ints("tokenizer.ggml.token_type", types)
	for i, name := range []string{"unknown", "bos", "eos"} {
		d.set("tokenizer.ggml."+name+"_token_id", Uint32, U32(uint32(i)))
	}
}

func (d *description) texts(name string, list []string) {
	var b []byte
	for _, s := range list {
		b = append(b, Text(s)...)
	}
	d.set(name, Array, Elements(String, uint64(len(list)), b))
}

func (d *description) floats(name string, list []float32) {
	var b []byte
	for _, f := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	d.set(name, Array, Elements(Float32, uint64(len(list)), b))
}

func (d *description) ints(name string, list []int32) {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	d.set(name, Array, Elements(Int32, uint64(len(list)), b))
}

// file returns the model's file. All weights are 0.
func (d *description) file() rawFile {
	f := File{Tensors: d.tensors}
	for _, k := range d.keys {
		f.Keys = append(f.Keys, Join(Text(k), d.values[k]))
	}
	return rawFile{f, d.data}
}

// rawFile is a header with data of zeros.
type rawFile struct {
	File
	zeros uint64
}

// Bytes returns the whole file.
func (f rawFile) Bytes() []byte {
	b := f.Header()
	if f.zeros > 0 {
		b = append(b, make([]byte, -len(b)&31)...)
	}
	return append(b, make([]byte, f.zeros)...)
}

// Vocabularies iterates over valid files without a model that have one kind of vocabulary each, by
// name.
func Vocabularies() iter.Seq2[string, []byte] { return vocabularyFiles(vocabularies) }

// VocabulariesV0_5 iterates over those that only engines of v0.5.x know.
func VocabulariesV0_5() iter.Seq2[string, []byte] { return vocabularyFiles(vocabulariesV0_5) }

func vocabularyFiles(list map[string]func(*description)) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name, change := range list {
			d := &description{arch: "llama", values: map[string][]byte{}}
			d.set("general.architecture", String, Text("llama"))
			d.sentencePieces(320)
			change(d)
			if !yield(name, d.file().Bytes()) {
				return
			}
		}
	}
}

var vocabularies = map[string]func(*description){
	"llama": func(*description) {},
	"gpt2": func(d *description) {
		d.key("tokenizer.ggml.model", "str", []string{"gpt2"})
		d.texts("tokenizer.ggml.merges", []string{"l o", "e l", "  o"})
	},
	"gpt2 of a kind without BOS": func(d *description) {
		d.key("tokenizer.ggml.model", "str", []string{"gpt2"})
		d.key("tokenizer.ggml.pre", "str", []string{"glm4"})
		d.texts("tokenizer.ggml.merges", []string{"l o"})
		d.drop("tokenizer.ggml.bos_token_id")
	},
	"bert": func(d *description) {
		d.key("tokenizer.ggml.model", "str", []string{"bert"})
		d.drop("tokenizer.ggml.token_type")
	},
	"t5": func(d *description) {
		d.key("tokenizer.ggml.model", "str", []string{"t5"})
		// One node without transitions, and an empty replacement.
		trie := make([]byte, 4*256)
		b := Join(U32(uint32(len(trie))), trie, []byte{0})
		d.set("tokenizer.ggml.precompiled_charsmap", Array, Elements(Uint8, uint64(len(b)), b))
	},
	"t5 without normalisation": func(d *description) { d.key("tokenizer.ggml.model", "str", []string{"t5"}) },
	"rwkv": func(d *description) {
		d.key("tokenizer.ggml.model", "str", []string{"rwkv"})
		tokens := []string{"<s>"}
		for b := range 256 {
			tokens = append(tokens, fmt.Sprintf(`\x%02x`, b))
		}
		for i := len(tokens); i < 320; i++ {
			tokens = append(tokens, fmt.Sprint("token", i))
		}
		d.texts("tokenizer.ggml.tokens", tokens)
		d.drop("tokenizer.ggml.token_type")
		d.drop("tokenizer.ggml.scores")
	},
	"plamo2": func(d *description) { d.key("tokenizer.ggml.model", "str", []string{"plamo2"}) },
	"none":   func(d *description) { d.onlyTokenizer("none") },
	"none that says so otherwise": func(d *description) {
		d.onlyTokenizer("no_vocab")
		d.key("llama.vocab_size", "u32", []string{"320"})
	},
}

var vocabulariesV0_5 = map[string]func(*description){
	"gemma4":                    bytePairs("gemma4", ""),
	"hybriddna":                 bytePairs("hybriddna", "qwen2"),
	"whitespace":                bytePairs("whitespace", "whitespace"),
	"qwen35":                    bytePairs("gpt2", "qwen35"),
	"gemma4 in the way of gpt2": bytePairs("gpt2", "gemma4"),
	"kimi-k2 without merges": func(d *description) {
		bytePairs("gpt2", "kimi-k2")(d)
		d.drop("tokenizer.ggml.merges")
	},
}

// bytePairs makes a byte-pair vocabulary of a model and a way to split texts.
func bytePairs(model, pre string) func(*description) {
	return func(d *description) {
		d.key("tokenizer.ggml.model", "str", []string{model})
		if pre != "" {
			d.key("tokenizer.ggml.pre", "str", []string{pre})
		}
		d.texts("tokenizer.ggml.merges", []string{"l o", "e l"})
	}
}

// onlyTokenizer removes everything of a vocabulary but the tokenizer's name.
func (d *description) onlyTokenizer(name string) {
	for _, k := range append([]string(nil), d.keys...) {
		if strings.HasPrefix(k, "tokenizer.") {
			d.drop(k)
		}
	}
	d.key("tokenizer.ggml.model", "str", []string{name})
}
