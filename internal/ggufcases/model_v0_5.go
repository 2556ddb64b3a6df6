package ggufcases

import (
	"iter"
	"strings"
)

// ModelsV0_5 is [Models] for engines of v0.5.x: what [ArchitecturesV0_5] has, with one change that the
// engine refuses, too, or that does no harm in so small a model.
func ModelsV0_5() iter.Seq2[string, Case] {
	return each([]named{
		withV0_5("no layer with a window", "gemma4", "attention.sliding_window_pattern", "u32[]", "0", "0", "0", "0", "0", "0"),
		withV0_5("a pattern of windows as a number", "gemma4", "attention.sliding_window_pattern", "u32", "5"),
		withV0_5("a pattern of windows as text", "gemma4", "attention.sliding_window_pattern", "str[]", "full"),
		withV0_5("heads of no length in layers with a window", "gemma4", "attention.key_length_swa", "u32", "0"),
		withV0_5("other heads for keys in a layer that uses those of another", "gemma4", "attention.head_count_kv", "u32[]", "2", "2", "2", "2", "2", "4"),
		withV0_5("a window larger than any context", "exaone-moe", "attention.sliding_window", "u32", "4294967295"),
		blames("attn_qkv.weight", withV0_5("no layer with attention", "qwen35", "full_attention_interval", "u32", "5")),
		withV0_5("only layers with attention", "qwen35moe", "full_attention_interval", "u32", "1"),
		withV0_5("as many layers for further tokens as there are", "qwen35 mtp", "nextn_predict_layers", "u32", "5"),
		withV0_5("groups of keys that do not divide the heads", "qwen35", "ssm.group_count", "u32", "3"),
		withV0_5("experts that differ between layers", "qwen35moe", "expert_used_count", "u32[]", "2", "1", "2", "2"),
		withV0_5("an indexer of no size", "glm-dsa", "attention.indexer.key_length", "u32", "0"),
		withV0_5("an indexer that no rotation fits", "deepseek32", "attention.indexer.key_length", "u32", "96"),
		withV0_5("a first layer without an indexer", "hy_v4", "attention.indexer.types", "u32[]", "0", "1", "0", "1"),
		withV0_5("latent attention without rotated dimensions", "deepseek32", "rope.dimension_count", "u32", "0"),
		withV0_5("layers with both a window and an indexer", "dots3note", "attention.indexer.types", "u32[]", "1", "1", "1", "1"),
		withV0_5("three streams", "deepseek4", "hyper_connection.count", "u32", "3"),
		withV0_5("rounds without an end", "deepseek4", "hyper_connection.sinkhorn_iterations", "u32", "1025"),
		withV0_5("keys compressed by 8", "deepseek4", "attention.compress_ratios", "u32[]", "0", "0", "4", "8"),
		withV0_5("ratios for fewer layers", "deepseek4", "attention.compress_ratios", "u32[]", "0", "4"),
		withV0_5("groups of outputs that do not divide the heads", "deepseek4", "attention.output_group_count", "u32", "3"),
		withV0_5("a state of no size", "kimi-linear", "kda.head_dim", "u32", "0"),
		withV0_5("a convolution of one token", "kimi-k3", "ssm.conv_kernel", "u32", "1"),
		withV0_5("embeddings of n-grams of another width", "qwen4exp", "embedding_length_per_layer_input", "u32", "8"),
		withV0_5("n-grams of nine tokens", "qwen4exp", "ple.ngram_size", "u32", "9"),
		withV0_5("one stream", "qwen4exp", "hyper_connection.count", "u32", "1"),
		withV0_5("an indexer for each head", "minimax-m3", "attention.indexer.head_count", "u32", "4"),
		blames("adapters.token_ids_activate", withV0_5("adapters without tokens", "graniteswitch", "adapters.count", "u32", "3")),
		withV0_5("a token that does not exist", "graniteswitch", "adapters.token_ids_substitute", "i32[]", "1", "320"),
		withV0_5("a row of an image that does not exist", "granite_swa", "deepstack_mapping", "i32[]", "0", "5", "-1", "-1"),
		withV0_5("an embedding of another width", "eurobert", "embedding_length_out", "u32", "63"),
		withV0_5("dimensions of which no half can be rotated", "step35", "rope.dimension_count", "u32", "6"),
	})
}

// withV0_5 returns a case with one key of a model for engines of v0.5.x changed.
func withV0_5(name, base, key, typ string, values ...string) named {
	arch, _, _ := strings.Cut(base, " ")
	full := arch + "." + key
	if strings.HasPrefix(key, "tokenizer.") {
		full = key
	}
	return named{name, func() Case {
		for n, text := range v0_5() {
			if n == base {
				d := describe(text)
				d.key(full, typ, values)
				return Case{Bytes: d.file().Bytes(), Want: key}
			}
		}
		panic("ggufcases: no model " + base)
	}}
}
