package models

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader"
)

// alignment is that of the tensors in the file, GGUF's default.
const alignment = 32

// design turns the options into the tensors and the header of a file, and
// checks them on the way.
func design(o *SynthesizeOptions) ([]blueprint, *loader.Writer, error) {
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
		return nil, nil, fmt.Errorf("type %s needs the engine to quantise and there is none, take f16, bf16 or f32: %w", r.name, ErrNoQuantizer)
	}
	w := new(loader.Writer)
	describe(w, shape, r, o.Seed)
	newVocabulary(shape.Vocab).describe(w)
	tensors := shape.tensors()
	for i := range tensors {
		t := &tensors[i]
		if t.kind, err = r.kind(shape, t); err != nil {
			return nil, nil, err
		}
		w.AddTensor(t.name, t.kind, t.dims...)
	}
	return tensors, w, nil
}

// randomWeights begins the description of what [Synthesize] makes.
const randomWeights = "Random weights"

// Synthetic tells whether a model is one that [Synthesize] made, in whatever type it is
// now: its weights are random, and what it says or foresees means nothing.
func Synthetic(ix *loader.Index) bool {
	name, _ := ix.Lookup("general.name")
	about, _ := ix.Lookup("general.description")
	s, _ := name.Str()
	d, _ := about.Str()
	return s == "synthetic" && strings.HasPrefix(d, randomWeights)
}

// describe sets what the engine must know of the model.
func describe(w *loader.Writer, s Shape, r recipe, seed uint64) {
	w.Add("general.architecture", loader.StringValue("llama"))
	w.Add("general.type", loader.StringValue("model"))
	w.Add("general.name", loader.StringValue("synthetic"))
	w.Add("general.description", loader.StringValue(fmt.Sprintf(randomWeights+" of seed %d in the shape %s. What it says is noise.", seed, s)))
	w.Add("general.file_type", loader.Uint32Value(r.fileType))
	w.Add("general.quantization_version", loader.Uint32Value(2))
	w.Add("llama.block_count", loader.Uint32Value(uint32(s.Layers)))
	w.Add("llama.context_length", loader.Uint32Value(uint32(s.Context)))
	w.Add("llama.embedding_length", loader.Uint32Value(uint32(s.Width)))
	w.Add("llama.feed_forward_length", loader.Uint32Value(uint32(s.FFN)))
	w.Add("llama.attention.head_count", loader.Uint32Value(uint32(s.Heads)))
	w.Add("llama.attention.head_count_kv", loader.Uint32Value(uint32(s.KVHeads)))
	w.Add("llama.attention.layer_norm_rms_epsilon", loader.Float32Value(1e-5))
	w.Add("llama.rope.dimension_count", loader.Uint32Value(uint32(s.Width/s.Heads)))
	w.Add("llama.rope.freq_base", loader.Float32Value(10000))
	w.Add("llama.vocab_size", loader.Uint32Value(uint32(s.Vocab)))
	if s.Experts > 0 {
		w.Add("llama.expert_count", loader.Uint32Value(uint32(s.Experts)))
		w.Add("llama.expert_used_count", loader.Uint32Value(uint32(s.ExpertsUsed)))
	}
}

// describe sets the tokeniser.
func (v vocabulary) describe(w *loader.Writer) {
	w.Add("tokenizer.ggml.model", loader.StringValue("llama"))
	w.Add("tokenizer.ggml.pre", loader.StringValue("default"))
	w.Add("tokenizer.ggml.tokens", loader.StringsValue(v.pieces))
	w.Add("tokenizer.ggml.scores", loader.Float32sValue(v.scores))
	w.Add("tokenizer.ggml.token_type", loader.Int32sValue(v.types))
	w.Add("tokenizer.ggml.bos_token_id", loader.Uint32Value(tokenBOS))
	w.Add("tokenizer.ggml.eos_token_id", loader.Uint32Value(tokenEOS))
	w.Add("tokenizer.ggml.unknown_token_id", loader.Uint32Value(tokenUNK))
	w.Add("tokenizer.ggml.add_bos_token", loader.BoolValue(true))
	w.Add("tokenizer.ggml.add_eos_token", loader.BoolValue(false))
}
