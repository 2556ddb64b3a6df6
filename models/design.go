package models

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// alignment is the alignment of tensors in the file, GGUF's default.
const alignment = 32

// design computes the tensors and the header of a file from the options, and checks the options.
func design(o *SynthesizeOptions) ([]blueprint, *gguf.Writer, error) {
	shape, err := o.Shape.complete()
	if err != nil {
		return nil, nil, err
	}
	name := o.Type
	if name == "" {
		name = "f16"
	}
	r, err := parseRecipe(name)
	if err != nil {
		return nil, nil, err
	}
	if quantised(r.bulk) && o.Quantize == nil {
		return nil, nil, fmt.Errorf("type %s needs a quantiser, and there is none; use f16, bf16 or f32: %w", r.name, ErrNoQuantizer)
	}
	w := new(gguf.Writer)
	describe(w, shape, r, o.Seed)
	newVocabulary(shape.Vocab).describe(w)
	tensors := shape.tensors()
	shape.skew(tensors, o.Seed)
	for i := range tensors {
		t := &tensors[i]
		if t.kind, err = r.kind(shape, t); err != nil {
			return nil, nil, err
		}
		w.AddTensor(t.name, t.kind, t.dims...)
	}
	return tensors, w, nil
}

// randomWeights is the beginning of the description of models from [Synthesize].
const randomWeights = "Random weights"

// Synthetic reports whether a model was made by [Synthesize], also if it was quantised since: its
// weights are random, so its output has no meaning.
func Synthetic(ix *gguf.Index) bool {
	name, _ := ix.Lookup("general.name")
	about, _ := ix.Lookup("general.description")
	s, _ := name.Str()
	d, _ := about.Str()
	return s == "synthetic" && strings.HasPrefix(d, randomWeights)
}

// describe adds the model's hyperparameters.
func describe(w *gguf.Writer, s Shape, r recipe, seed uint64) {
	arch := s.arch() + "."
	w.Add("general.architecture", gguf.StringValue(s.arch()))
	w.Add("general.type", gguf.StringValue("model"))
	w.Add("general.name", gguf.StringValue("synthetic"))
	w.Add("general.description", gguf.StringValue(fmt.Sprintf(randomWeights+" of seed %d in the shape %s. What it says is noise.", seed, s)))
	w.Add("general.file_type", gguf.Uint32Value(r.fileType))
	w.Add("general.quantization_version", gguf.Uint32Value(2))
	w.Add(arch+"block_count", gguf.Uint32Value(uint32(s.Layers)))
	w.Add(arch+"context_length", gguf.Uint32Value(uint32(s.Context)))
	w.Add(arch+"embedding_length", gguf.Uint32Value(uint32(s.Width)))
	w.Add(arch+"feed_forward_length", gguf.Uint32Value(uint32(s.FFN)))
	w.Add(arch+"attention.head_count", gguf.Uint32Value(uint32(s.Heads)))
	w.Add(arch+"attention.head_count_kv", s.keyHeads())
	w.Add(arch+"attention.layer_norm_rms_epsilon", gguf.Float32Value(1e-5))
	w.Add(arch+"rope.dimension_count", gguf.Uint32Value(uint32(s.headSize())))
	w.Add(arch+"rope.freq_base", gguf.Float32Value(10000))
	w.Add(arch+"vocab_size", gguf.Uint32Value(uint32(s.Vocab)))
	if s.Experts > 0 {
		w.Add(arch+"expert_count", gguf.Uint32Value(uint32(s.Experts)))
		w.Add(arch+"expert_used_count", gguf.Uint32Value(uint32(s.ExpertsUsed)))
	}
	describeArch(w, s)
}

// describe adds the tokeniser.
func (v vocabulary) describe(w *gguf.Writer) {
	w.Add("tokenizer.ggml.model", gguf.StringValue("llama"))
	w.Add("tokenizer.ggml.pre", gguf.StringValue("default"))
	w.Add("tokenizer.ggml.tokens", gguf.StringsValue(v.pieces))
	w.Add("tokenizer.ggml.scores", gguf.Float32sValue(v.scores))
	w.Add("tokenizer.ggml.token_type", gguf.Int32sValue(v.types))
	w.Add("tokenizer.ggml.bos_token_id", gguf.Uint32Value(tokenBOS))
	w.Add("tokenizer.ggml.eos_token_id", gguf.Uint32Value(tokenEOS))
	w.Add("tokenizer.ggml.unknown_token_id", gguf.Uint32Value(tokenUNK))
	w.Add("tokenizer.ggml.add_bos_token", gguf.BoolValue(true))
	w.Add("tokenizer.ggml.add_eos_token", gguf.BoolValue(false))
}
