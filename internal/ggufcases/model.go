package ggufcases

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
)

// Models iterates over well-formed files with models that would make the engine fail: see "Model
// metadata" and "Vocabulary" in the list of hostile files.
func Models() iter.Seq2[string, Case] {
	return each(slices.Concat(kindCases(), sizeCases(), headCases(), expertCases(), modelTypeCases(), architectureCases(), modelTensorCases(), vocabularyCases(), tokenizerCases()))
}

// model returns a case: a model of architectures.txt with one change.
func model(name, base, want string, change func(*description)) named {
	return named{name, func() Case {
		for _, text := range strings.Split(architecturesText, "model ")[1:] {
			if title, _, _ := strings.Cut(text, "\n"); title == base {
				d := describe(text)
				change(d)
				return Case{Bytes: d.file().Bytes(), Want: want}
			}
		}
		panic("ggufcases: no model " + base)
	}}
}

// with returns a case with one key changed.
func with(name, base, key, typ string, values ...string) named {
	arch, _, _ := strings.Cut(base, " ")
	full := arch + "." + key
	if strings.Contains(key, "general.") || strings.Contains(key, "tokenizer.") || strings.Contains(key, "xielu.") {
		full = key
	}
	return model(name, base, key, func(d *description) { d.key(full, typ, values) })
}

// blames returns a case whose error names another key than the changed one: both keys are valid, but
// contradict each other.
func blames(want string, c named) named {
	return named{c.name, func() Case {
		made := c.make()
		made.Want = want
		return made
	}}
}

// without returns a case with one key removed.
func without(name, base, key string) named {
	return model(name, base, key, func(d *description) { d.drop(key) })
}

func kindCases() []named {
	return []named{
		without("no architecture", "llama", "general.architecture"),
		with("an unknown architecture", "llama", "general.architecture", "str", "llamma"),
		with("the architecture of unknown", "llama", "general.architecture", "str", "(unknown)"),
		with("an empty architecture", "llama", "general.architecture", "str", "\x00"),
		with("an architecture that is a number", "llama", "general.architecture", "u32", "1"),
		with("an architecture that is a list", "llama", "general.architecture", "str[]", "llama"),
		with("an architecture that the engine only names", "llama", "general.architecture", "str", "gptj"),
		with("the vision part of a model", "llama", "general.architecture", "str", "clip"),
		with("a LoRA adapter", "llama", "general.type", "str", "adapter"),
		with("a projector", "llama", "general.type", "str", "mmproj"),
		with("an importance matrix", "llama", "general.type", "str", "imatrix"),
		with("a name that is a number", "llama", "general.name", "u32", "1"),
		with("a file type that is text", "llama", "general.file_type", "str", "f16"),
	}
}

func sizeCases() []named {
	cases := []named{}
	for _, c := range []struct{ key, numbers string }{
		{"block_count", "0 513 2147483648 4294967295"},
		{"embedding_length", "0 63 65 2147483648 4294967295"},
		{"context_length", "0 2147483648 4294967295"},
	} {
		for _, n := range strings.Fields(c.numbers) {
			size := with(fmt.Sprintf("%s of %s", c.key, n), "llama", c.key, "u32", n)
			switch n {
			case "63": // heads of 15 elements
				size = blames("rope.dimension_count", size)
			case "65": // tensors of 64 elements
				size = blames("the embedding length is 65", size).at(`tensor "token_embd.weight"`, "of shape 64×320")
			}
			cases = append(cases, size)
		}
		cases = append(cases,
			without("no "+c.key, "llama", "llama."+c.key),
			with(c.key+" as text", "llama", c.key, "str", "4"),
			with(c.key+" as a list", "llama", c.key, "u32[]", "4", "4", "4", "4"))
	}
	return cases
}

func headCases() []named {
	return []named{
		with("no heads", "llama", "attention.head_count", "u32", "0"),
		with("heads in some layers", "llama", "attention.head_count", "u32[]", "4", "4", "4", "0"),
		with("different heads in layers", "llama", "attention.head_count", "u32[]", "4", "4", "4", "2"),
		with("too few heads for the layers", "llama", "attention.head_count", "u32[]", "4", "4", "4"),
		with("too many heads for the layers", "llama", "attention.head_count", "u32[]", "4", "4", "4", "4", "4"),
		with("an empty list of heads", "llama", "attention.head_count", "u32[]"),
		with("heads as floats", "llama", "attention.head_count", "f32[]", "4", "4", "4", "4"),
		with("heads as text", "llama", "attention.head_count", "str", "4"),
		with("negative heads", "llama", "attention.head_count", "i32[]", "-4", "-4", "-4", "-4"),
		with("4294967295 heads", "llama", "attention.head_count", "u32", "4294967295"),
		with("no heads for keys", "llama", "attention.head_count_kv", "u32", "0"),
		with("more heads for keys than heads", "llama", "attention.head_count_kv", "u32", "8"),
		with("heads for keys that do not divide the heads", "llama", "attention.head_count_kv", "u32", "3"),
		with("different heads for keys in layers", "llama", "attention.head_count_kv", "u32[]", "2", "2", "2", "1"),
		with("too few heads for keys for the layers", "llama", "attention.head_count_kv", "u32[]", "2"),
		blames("attention.value_length", with("a length of keys unlike that of values", "llama", "attention.key_length", "u32", "8")),
		with("keys of no length", "llama", "attention.key_length", "u32", "0"),
		blames("attention.key_length", with("values of no length", "llama", "attention.value_length", "u32", "0")),
		with("keys of 4294967295", "llama", "attention.key_length", "u32", "4294967295"),
		with("part of a head rotated where all of it must be", "llama", "rope.dimension_count", "u32", "8"),
		with("an odd number of dimensions rotated", "gemma", "rope.dimension_count", "u32", "7"),
		with("more dimensions rotated than there are", "gemma", "rope.dimension_count", "u32", "18"),
		with("an unknown rope scaling", "llama", "rope.scaling.type", "str", "cubic"),
		with("a rope scaling that is a number", "llama", "rope.scaling.type", "u32", "1"),
		with("a rope base that is text", "llama", "rope.freq_base", "str", "10000"),
		with("a negative epsilon", "llama", "attention.layer_norm_rms_epsilon", "f32", "-1"),
		with("an epsilon that is no number", "llama", "attention.layer_norm_rms_epsilon", "f32", "NaN"),
		with("an epsilon that is an integer", "llama", "attention.layer_norm_rms_epsilon", "u32", "1"),
		without("no epsilon", "llama", "llama.attention.layer_norm_rms_epsilon"),
		with("rope sections of 0", "qwen2vl", "rope.dimension_sections", "i32[]", "0", "0", "0", "0"),
		with("rope sections larger than a head", "qwen2vl", "rope.dimension_sections", "i32[]", "9", "9", "9", "9"),
		with("three rope sections", "qwen2vl", "rope.dimension_sections", "i32[]", "2", "3", "3"),
		with("a negative rope section", "qwen2vl", "rope.dimension_sections", "i32[]", "-1", "3", "3", "3"),
		with("a pooling type that does not exist", "bert", "pooling_type", "u32", "5"),
		with("labels that are numbers", "bert", "classifier.output_labels", "u32[]", "1", "2"),
	}
}

func expertCases() []named {
	return []named{
		with("1025 experts", "llama moe", "expert_count", "u32", "1025"),
		with("513 experts", "llama moe", "expert_count", "u32", "513"),
		with("more experts used than there are", "llama moe", "expert_used_count", "u32", "9"),
		with("no experts used", "llama moe", "expert_used_count", "u32", "0"),
		with("experts used without experts", "llama", "expert_used_count", "u32", "2"),
		with("groups of experts without experts", "llama", "expert_group_count", "u32", "2"),
		with("as many groups as experts", "deepseek2 groups", "expert_group_count", "u32", "8"),
		with("groups that do not divide the experts", "deepseek2 groups", "expert_group_count", "u32", "3"),
		with("all groups used", "deepseek2 groups", "expert_group_used_count", "u32", "4"),
		with("no groups used", "deepseek2 groups", "expert_group_used_count", "u32", "0"),
		with("no experts where the architecture has them", "glm4moe", "expert_count", "u32", "0"),
		with("a gate that does not exist", "deepseek2", "expert_gating_func", "u32", "4"),
		without("no gate where the architecture has none of its own", "minimax-m2", "minimax-m2.expert_gating_func"),
	}
}

// modelTypeCases returns cases with each number of a model as text, and as a number of another width.
func modelTypeCases() []named {
	var cases []named
	for _, key := range []string{
		"vocab_size", "feed_forward_length", "expert_count", "expert_used_count", "attention.head_count_kv",
		"attention.key_length", "attention.value_length", "rope.dimension_count", "rope.scaling.original_context_length",
		"rope.freq_base", "rope.scaling.factor", "rope.scaling.finetuned",
	} {
		cases = append(cases,
			with(key+" as text", "llama", key, "str", "4"),
			model(key+" of 64 bits", "llama", key, func(d *description) { d.set("llama."+key, Uint64, U64(4)) }),
			model(key+" of 8 bits", "llama", key, func(d *description) { d.set("llama."+key, Uint8, []byte{4}) }))
	}
	return cases
}

func architectureCases() []named {
	return []named{
		with("a Baichuan of another number of layers", "baichuan", "block_count", "u32", "31"),
		with("a Gemma 2 of one layer", "gemma2", "block_count", "u32", "1"),
		with("a Gemma 3 without a full layer", "gemma3", "block_count", "u32", "5"),
		with("a Llama 4 without a full layer", "llama4", "block_count", "u32", "3"),
		with("an AFMoE without a window", "afmoe", "attention.sliding_window", "u32", "0"),
		with("a window larger than any context", "gemma2", "attention.sliding_window", "u32", "4294967295"),
		with("a hybrid without attention", "jamba", "attention.head_count_kv", "u32", "0"),
		with("a hybrid without a state", "jamba", "attention.head_count_kv", "u32", "2"),
		with("a state of size 0", "mamba", "ssm.state_size", "u32", "0"),
		with("a kernel of size 0", "mamba", "ssm.conv_kernel", "u32", "0"),
		blames("ssm.inner_size", with("a state that overflows", "mamba2", "ssm.state_size", "u32", "4294967295")),
		with("a Mamba that is not twice as wide inside", "mamba2", "ssm.inner_size", "u32", "64"),
		with("state-space heads that do not divide the inner size", "falcon-h1", "ssm.time_step_rank", "u32", "3"),
		with("state-space groups of 0", "falcon-h1", "ssm.group_count", "u32", "0"),
		with("state-space groups that do not divide the heads", "nemotron_h", "ssm.group_count", "u32", "3"),
		with("a PLaMo 2 with groups", "plamo2", "ssm.group_count", "u32", "2"),
		blames("ssm.inner_size", with("a delta net whose heads do not fit", "qwen3next", "ssm.time_step_rank", "u32", "8")),
		with("an RWKV with heads of size 0", "rwkv6", "wkv.head_size", "u32", "0"),
		with("an RWKV with heads that do not divide the width", "rwkv7", "wkv.head_size", "u32", "17"),
		with("an RWKV 7 with heads of half a vector", "rwkv7", "wkv.head_size", "u32", "32"),
		with("an ARWKV 7 with heads of a fourth of a vector", "arwkv7", "wkv.head_size", "u32", "16"),
		model("an RWKV whose state overflows", "rwkv6", "token_embd.weight", func(d *description) {
			d.key("rwkv6.embedding_length", "u32", []string{"65536"})
			d.key("rwkv6.wkv.head_size", "u32", []string{"65536"})
		}),
		with("a Mamba 1 with a state of half a vector", "mamba", "ssm.state_size", "u32", "8"),
		with("a Jamba with a state that is no multiple of a vector", "jamba", "ssm.state_size", "u32", "24"),
		with("an RWKV that looks back by another number", "rwkv7", "token_shift_count", "u32", "3"),
		with("a short convolution of 1", "lfm2", "shortconv.l_cache", "u32", "1"),
		with("latent attention that rotates all of a key", "minicpm3", "rope.dimension_count", "u32", "24"),
		with("absorbed latent attention with two keys", "deepseek2 mla", "attention.head_count_kv", "u32", "2"),
		with("absorbed latent attention with a key of another length", "deepseek2 mla", "attention.key_length", "u32", "32"),
		with("a temperature scale without a length", "deepseek2 temp", "attention.temperature_length", "u32", "0"),
		with("a T5 with no buckets", "t5", "attention.relative_buckets_count", "u32", "0"),
		with("a T5 with more decoder layers than encoder layers", "t5", "decoder_block_count", "u32", "5"),
		with("a T5 that starts with no token", "t5", "decoder_start_token_id", "u32", "320"),
		with("only layers that predict further tokens", "glm4moe", "nextn_predict_layers", "u32", "4"),
		with("more deep layers than layers", "qwen3vl", "n_deepstack_layers", "u32", "5"),
		with("mixtures at every 0th layer", "ernie4_5-moe", "interleave_moe_layer_step", "u32", "0"),
		with("groups of 0 experts", "grovemoe", "experts_per_group", "u32", "0"),
		with("a dense module of another width", "gemma-embedding", "dense_2_feat_in", "u32", "32"),
		with("a Deci whose last layer is attention only", "deci", "feed_forward_length", "u32[]", "96", "64", "0", "0"),
		with("a codec with too many layers", "wavtokenizer-dec", "posnet.block_count", "u32", "7"),
		with("a codec with groups that do not divide the width", "wavtokenizer-dec", "attention.group_norm_groups", "u32", "5"),
		with("xIELU factors of too few layers", "apertus", "xielu.alpha_n", "f32[]", "1"),
	}
}

func modelTensorCases() []named {
	remove := func(name string) func(*description) {
		return func(d *description) {
			d.tensors = slices.DeleteFunc(d.tensors, func(t Tensor) bool { return t.Name == name })
			d.pack()
		}
	}
	retype := func(name string, typ uint32) func(*description) {
		return func(d *description) {
			for i := range d.tensors {
				if d.tensors[i].Name == name {
					d.tensors[i].Type = typ
				}
			}
			d.pack()
		}
	}
	rename := func(from, to string) func(*description) {
		return func(d *description) {
			for i := range d.tensors {
				if d.tensors[i].Name == from {
					d.tensors[i].Name = to
				}
			}
		}
	}
	return []named{
		model("embeddings for another vocabulary", "llama", "token_embd.weight", func(d *description) { d.sentencePieces(300) }),
		model("a norm of type f16", "llama", "blk.0.attn_norm.weight", retype("blk.0.attn_norm.weight", 1)),
		model("a bias of type f16", "llama", "blk.1.attn_q.bias", retype("blk.1.attn_q.bias", 1)),
		model("rope factors of type f16", "llama", "rope_freqs.weight", retype("rope_freqs.weight", 1)),
		model("a matrix of integers", "llama", "blk.0.attn_q.weight", retype("blk.0.attn_q.weight", 26)),
		model("a matrix of type q8_1", "llama", "blk.0.attn_q.weight", retype("blk.0.attn_q.weight", 9)),
		model("embeddings of double precision", "llama", "token_embd.weight", retype("token_embd.weight", 28)),
		model("token types of type f16", "bert", "token_types.weight", retype("token_types.weight", 1)),
		model("a convolution of a codec of type f32", "wavtokenizer-dec", "conv1d.weight", retype("conv1d.weight", 0)),
		model("a name with a pattern in it", "llama", "blk.%d.ffn_gate_inp", rename("blk.0.ffn_gate.weight", "blk.%d.ffn_gate_inp")),
		model("a bias that does not fit its weight", "llama", "blk.0.attn_k.bias", func(d *description) {
			d.key("llama.attention.head_count_kv", "u32", []string{"4"})
			resize(d, "attn_k.weight", 64, 64)
			resize(d, "attn_v.weight", 64, 64)
		}),
		model("no bias where the graph adds one", "dream", "blk.2.attn_v.bias", remove("blk.2.attn_v.bias")),
		model("no bias of a convolution", "falcon-h1", "blk.1.ssm_conv1d.bias", remove("blk.1.ssm_conv1d.bias")),
		model("no fused attention where the graph knows no other", "phi3", "blk.3.attn_qkv.weight", remove("blk.3.attn_qkv.weight")),
		model("no output where the graph knows no other", "solar", "output.weight", remove("output.weight")),
		model("no relative positions", "t5", "dec.blk.0.attn_rel_b.weight", remove("dec.blk.0.attn_rel_b.weight")),
		model("half of a dense network", "grok", "blk.1.ffn_down.weight", remove("blk.1.ffn_down.weight")),
		model("half of a gate", "rwkv7", "blk.1.time_mix_lerp_fused.weight", remove("blk.1.time_mix_g1.weight")),
		model("neither old nor fused mixes", "rwkv6", "blk.2.time_mix_lerp_fused.weight", remove("blk.2.time_mix_lerp_fused.weight")),
	}
}

// resize changes the shape of a kind of tensors in all layers.
func resize(d *description, kind string, dims ...uint64) {
	for i := range d.tensors {
		if strings.HasSuffix(d.tensors[i].Name, "."+kind) {
			d.tensors[i].Dims = dims
		}
	}
	d.pack()
}

// pack recomputes the offsets of the tensors.
func (d *description) pack() {
	d.data = 0
	for i := range d.tensors {
		t := &d.tensors[i]
		t.Offset = d.data
		d.data += t.size()
	}
}

func vocabularyCases() []named {
	const tokens, scores, types = "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"
	cases := []named{
		without("no tokenizer", "llama", "tokenizer.ggml.model"),
		with("a tokenizer that is a number", "llama", "tokenizer.ggml.model", "u32", "1"),
		with("an unknown tokenizer", "llama", "tokenizer.ggml.model", "str", "gpt5"),
		without("no tokens", "llama", tokens),
		with("an empty list of tokens", "llama", tokens, "str[]"),
		with("tokens that are numbers", "llama", tokens, "u32[]", "1", "2"),
		with("tokens that are a text", "llama", tokens, "str", "abc"),
		model("two tokens of the same text", "llama", tokens, func(d *description) {
			d.sentencePieces(320)
			d.texts(tokens, slices.Repeat([]string{"a", "b"}, 160))
		}),
		model("two tokens that are the same up to a NUL", "llama", tokens, func(d *description) { d.replace(tokens, "piece300", "a\x00b") }),
		model("an empty token and one with its name", "llama", tokens, func(d *description) { d.replace(tokens, "piece300", ""); d.replace(tokens, "piece301", "[EMPTY_300]") }),
		model("a token of 70000 bytes", "llama", tokens, func(d *description) { d.replace(tokens, "piece300", strings.Repeat("x", 70000)) }),
		model("one score too few", "llama", scores, func(d *description) { d.floats(scores, make([]float32, 319)) }),
		model("one score too many", "llama", scores, func(d *description) { d.floats(scores, make([]float32, 321)) }),
		model("scores that are integers", "llama", scores, func(d *description) { d.ints(scores, make([]int32, 320)) }),
		with("scores that are a text", "llama", scores, "str", "abc"),
		model("one type too few", "llama", types, func(d *description) { d.ints(types, make([]int32, 319)) }),
		model("types that are floats", "llama", types, func(d *description) { d.floats(types, make([]float32, 320)) }),
		with("types that are texts", "llama", types, "str[]", "a"),
		with("a count of token types that is text", "llama", "tokenizer.ggml.token_type_count", "str", "2"),
		with("a BOS asked for by text", "llama", "tokenizer.ggml.add_bos_token", "str", "true"),
		with("a chat template that is a number", "llama", "tokenizer.chat_template", "u32", "1"),
		model("a number for a vocabulary", "llama", "vocab_size", func(d *description) {
			d.key("tokenizer.ggml.model", "str", []string{"none"})
			d.key("llama.vocab_size", "u32", []string{fmt.Sprint(uint32(math.MaxUint32))})
		}),
	}
	for _, name := range []string{
		"bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "cls",
		"fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep",
	} {
		key := "tokenizer.ggml." + name + "_token_id"
		cases = append(cases, with("a "+name+" token that is text", "llama", key, "str", "</s>"))
	}
	return cases
}

// SpecialTokens iterates over models whose id of a special token is outside of the vocabulary.
// Published models have such ids: the engine uses its default then, and so must the reader. Want is
// the key.
func SpecialTokens() iter.Seq2[string, Case] {
	var cases []named
	with := func(name, key string, id uint32) named {
		return named{name, func() Case {
			for _, text := range strings.Split(architecturesText, "model ")[1:] {
				if title, _, _ := strings.Cut(text, "\n"); title == "llama" {
					d := describe(text)
					d.key(key, "u32", []string{fmt.Sprint(id)})
					return Case{Bytes: d.computing(), Want: key}
				}
			}
			panic("ggufcases: no llama")
		}}
	}
	for _, name := range []string{
		"bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask",
		"fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep", "prefix", "suffix", "middle",
	} {
		key := "tokenizer.ggml." + name + "_token_id"
		cases = append(cases,
			with("a "+name+" token at the end of the vocabulary", key, 320),
			with("a "+name+" token of -1", key, math.MaxUint32))
	}
	return each(cases)
}

// replace changes one element of a list of texts, and leaves parallel lists unchanged.
func (d *description) replace(key, from, to string) {
	d.values[key] = []byte(strings.Replace(string(d.values[key]), string(Text(from)), string(Text(to)), 1))
}

func tokenizerCases() []named {
	const k = "tokenizer.ggml."
	// Vocabularies of 320 tokens, of kinds that the models do not have.
	kind := func(name, tokenizer, want string, change func(*description)) named {
		return model(name, "llama", want, func(d *description) {
			d.key(k+"model", "str", []string{tokenizer})
			change(d)
		})
	}
	bytePair := func(d *description) { d.texts(k+"merges", []string{"l o", "e l"}) }
	charsmap := func(b ...byte) func(*description) {
		return func(d *description) { d.set(k+"precompiled_charsmap", Array, Elements(Uint8, uint64(len(b)), b)) }
	}
	return []named{
		kind("byte pairs without merges", "gpt2", k+"merges", func(*description) {}),
		kind("a merge without a space", "gpt2", k+"merges", func(d *description) { d.texts(k+"merges", []string{"l o", "el"}) }),
		kind("a merge that is a space", "gpt2", k+"merges", func(d *description) { d.texts(k+"merges", []string{" "}) }),
		kind("an empty merge", "gpt2", k+"merges", func(d *description) { d.texts(k+"merges", []string{""}) }),
		kind("merges that are numbers", "gpt2", k+"merges", func(d *description) { d.ints(k+"merges", []int32{1}) }),
		kind("a BOS asked for where the tokenizer has none", "gpt2", k+"add_bos_token", func(d *description) {
			bytePair(d)
			d.drop(k + "bos_token_id")
			d.key(k+"pre", "str", []string{"glm4"})
			d.key(k+"add_bos_token", "bool", []string{"true"})
		}),
		kind("a BOS asked for of a t5 vocabulary", "t5", k+"add_bos_token", func(d *description) {
			d.drop(k + "bos_token_id")
			d.key(k+"add_bos_token", "bool", []string{"true"})
		}),
		kind("an EOS asked for where there is none", "rwkv", k+"add_eos_token", func(d *description) {
			d.drop(k + "eos_token_id")
			d.key(k+"add_eos_token", "bool", []string{"true"})
		}),
		model("an assumed token past the vocabulary", "llama", k+"bos_token_id", func(d *description) {
			d.drop(k + "bos_token_id")
			d.texts(k+"tokens", []string{"a"})
			d.floats(k+"scores", make([]float32, 1))
			d.ints(k+"token_type", make([]int32, 1))
			d.drop(k + "eos_token_id")
		}),
		model("a token past the vocabulary in place of an assumed one that is too", "llama", k+"bos_token_id", func(d *description) {
			d.key(k+"bos_token_id", "u32", []string{"7"})
			d.texts(k+"tokens", []string{"a"})
			d.floats(k+"scores", make([]float32, 1))
			d.ints(k+"token_type", make([]int32, 1))
			d.drop(k + "eos_token_id")
		}),
		kind("a separator past the vocabulary in place of an assumed one that is too", "bert", k+"seperator_token_id", func(d *description) {
			d.key(k+"seperator_token_id", "u32", []string{"50"})
			d.key(k+"mask_token_id", "u32", []string{"3"})
			d.texts(k+"tokens", []string{"a", "b", "c", "d"})
			d.floats(k+"scores", make([]float32, 4))
			d.ints(k+"token_type", []int32{1, 1, 1, 1})
			d.key(k+"unknown_token_id", "u32", []string{"1"})
			d.key(k+"bos_token_id", "u32", []string{"1"})
		}),
		kind("a BOS asked for where the one that there is is past the vocabulary", "rwkv", k+"add_bos_token", func(d *description) {
			d.drop(k + "eos_token_id")
			d.key(k+"bos_token_id", "u32", []string{"320"})
			d.key(k+"add_bos_token", "bool", []string{"true"})
		}),
		kind("a byte token in a vocabulary of word pieces", "bert", k+"token_type", func(*description) {}),
		kind("a normalisation table cut short", "t5", "charsmap", charsmap(1, 2, 3)),
		kind("a normalisation table longer than itself", "t5", "charsmap", charsmap(255, 255, 255, 255, 0, 0)),
		kind("a normalisation table without an end", "t5", "charsmap", charsmap(0, 0, 0, 0, 'a')),
		kind("a normalisation table that leads out of itself", "t5", "charsmap", charsmap(4, 0, 0, 0, 0, 0xff, 0xff, 0x7f, 0)),
		kind("a normalisation table of texts", "t5", "charsmap", func(d *description) { d.texts(k+"precompiled_charsmap", []string{"a"}) }),
		kind("a t5 token that is too long", "t5", k+"tokens", func(d *description) { d.replace(k+"tokens", "piece300", strings.Repeat("x", 5000)) }),
		kind("an rwkv token whose first byte is no token", "rwkv", k+"tokens", func(*description) {}),
		kind("a plamo2 vocabulary without all bytes", "plamo2", k+"tokens", func(d *description) { d.replace(k+"tokens", "<0x41>", "<0x4>>") }),
		kind("a plamo2 byte of -1", "plamo2", k+"tokens", func(d *description) { d.replace(k+"tokens", "<0x41>", "<0x-1>") }),
		kind("a plamo2 token that is not UTF-8", "plamo2", k+"tokens", func(d *description) { d.replace(k+"tokens", "piece300", "\xff\xfe") }),
	}
}
