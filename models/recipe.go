package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// A recipe is a file type of llama.cpp: a type for most weights, and rules for tensors that get
// another. The rules are those of llama_tensor_get_type in llama.cpp's llama-quant.cpp for the
// architectures of a [Shape] without an importance matrix, so that a synthetic model has the same
// types as its f16 original after quantisation.
type recipe struct {
	name     string
	fileType uint32 // LLAMA_FTYPE_…
	bulk     gguf.Type
}

// recipes lists the file types that need no importance matrix.
var recipes = []recipe{
	{"f32", 0, gguf.TypeF32},
	{"f16", 1, gguf.TypeF16},
	{"bf16", 32, gguf.TypeBF16},
	{"q4_0", 2, gguf.TypeQ4_0},
	{"q4_1", 3, gguf.TypeQ4_1},
	{"q5_0", 8, gguf.TypeQ5_0},
	{"q5_1", 9, gguf.TypeQ5_1},
	{"q8_0", 7, gguf.TypeQ8_0},
	{"q2_k", 10, gguf.TypeQ2_K},
	{"q3_k_s", 11, gguf.TypeQ3_K},
	{"q3_k_m", 12, gguf.TypeQ3_K},
	{"q3_k_l", 13, gguf.TypeQ3_K},
	{"q4_k_s", 14, gguf.TypeQ4_K},
	{"q4_k_m", 15, gguf.TypeQ4_K},
	{"q5_k_s", 16, gguf.TypeQ5_K},
	{"q5_k_m", 17, gguf.TypeQ5_K},
	{"q6_k", 18, gguf.TypeQ6_K},
	{"iq4_nl", 25, gguf.TypeIQ4_NL},
	{"iq4_xs", 30, gguf.TypeIQ4_XS},
	{"iq3_xs", 22, gguf.TypeIQ3_S},
	{"iq3_s", 26, gguf.TypeIQ3_S},
	{"iq3_m", 27, gguf.TypeIQ3_S},
	{"tq1_0", 36, gguf.TypeTQ1_0},
	{"tq2_0", 37, gguf.TypeTQ2_0},
	{"mxfp4_moe", 38, gguf.TypeMXFP4},
}

// aliases are short names that llama.cpp's quantiser accepts too.
var aliases = map[string]string{"q3_k": "q3_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m"}

// needMatrix lists the file types that the engine makes only with an importance matrix, which random
// weights do not have.
var needMatrix = []string{"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq3_xxs", "q2_k_s"}

// parseRecipe returns the file type with this name; case does not matter.
func parseRecipe(name string) (recipe, error) {
	lower := strings.ToLower(name)
	if alias, ok := aliases[lower]; ok {
		lower = alias
	}
	var names []string
	for _, r := range recipes {
		if r.name == lower {
			return r, nil
		}
		names = append(names, r.name)
	}
	if slices.Contains(needMatrix, lower) {
		return recipe{}, fmt.Errorf("%w: %s needs an importance matrix, which random weights do not have; use one of %s", ErrType, lower, strings.Join(names, ", "))
	}
	return recipe{}, fmt.Errorf("%w: unknown type %q%s, the types are %s", ErrType, name, didYouMean(name, names), strings.Join(names, ", "))
}

// quantised reports whether a type needs a Quantizer.
func quantised(t gguf.Type) bool {
	return t != gguf.TypeF32 && t != gguf.TypeF16 && t != gguf.TypeBF16
}

// kind returns the type of a tensor.
func (r recipe) kind(s Shape, b *blueprint) (gguf.Type, error) {
	switch {
	case b.role == norm || b.role == router || b.role == small:
		return gguf.TypeF32, nil
	case !quantised(r.bulk):
		return r.bulk, nil
	}
	return fit(r.wish(s, b), b)
}

// wish returns the type of a matrix without regard to the length of its rows.
func (r recipe) wish(s Shape, b *blueprint) gguf.Type {
	if r.bulk == gguf.TypeMXFP4 {
		if len(b.dims) == 3 {
			return r.bulk
		}
		return gguf.TypeQ8_0
	}
	// One type, or a mixture that depends on the layer.
	switch b.role {
	case output:
		if b.rowLength()%r.bulk.BlockSize() != 0 || r.bulk == gguf.TypeQ8_0 {
			return gguf.TypeQ8_0
		}
		return gguf.TypeQ6_K
	case embedding:
		if r.bulk == gguf.TypeTQ1_0 || r.bulk == gguf.TypeTQ2_0 {
			return gguf.TypeQ4_K
		}
	case attentionQ:
		if r.name == "iq3_xs" {
			return gguf.TypeIQ3_XXS
		}
	case attentionK:
		if s.Experts == 8 {
			return gguf.TypeQ8_0
		}
		if r.name == "iq3_xs" {
			return gguf.TypeIQ3_XXS
		}
	case attentionV:
		return r.wishValue(s, s.attentionLayers(b.layer))
	case attentionOut:
		return r.wishAttentionOut(s)
	case ffnGate, ffnUp:
		if r.name == "iq3_xs" && b.layer >= s.Layers/8 && b.layer < 7*s.Layers/8 {
			return gguf.TypeIQ3_XXS
		}
	case ffnDown:
		return r.wishDown(s, b.layer)
	}
	return r.bulk
}

// wishValue is the rule for attn_v, which is small if heads share values, and has a large effect on
// quality. Only layers with attention count.
func (r recipe) wishValue(s Shape, layer int) gguf.Type {
	if s.Experts == 8 {
		return gguf.TypeQ8_0
	}
	layers := s.attentionLayers(s.Layers)
	// llama.cpp looks at the first layer, which has no heads in a hybrid.
	t, shared := r.bulk, s.Heads/s.KVHeads >= 4 && !s.recurrent(0)
	switch r.name {
	case "q2_k":
		t = gguf.TypeQ3_K
		if shared {
			t = gguf.TypeQ4_K
		}
	case "iq3_xs", "iq3_s":
		if shared {
			t = gguf.TypeQ4_K
		}
	case "iq3_m":
		t = gguf.TypeQ4_K
	case "q3_k_m":
		t = gguf.TypeQ4_K
		if layer < 2 {
			t = gguf.TypeQ5_K
		}
	case "q3_k_l":
		t = gguf.TypeQ5_K
	case "iq4_nl", "iq4_xs":
		if shared {
			t = gguf.TypeQ5_K
		}
	case "q4_k_m", "q5_k_m":
		if moreBits(layer, layers) {
			t = gguf.TypeQ6_K
		}
	case "q4_k_s":
		if layer < 4 {
			t = gguf.TypeQ5_K
		}
	}
	// llama.cpp treats any llama of 80 layers with shared values as the 70B.
	if s.arch() == archLlama && s.Layers == 80 && s.Heads != s.KVHeads && (t == gguf.TypeQ3_K || t == gguf.TypeQ4_K) {
		t = gguf.TypeQ5_K
	}
	return t
}

func (r recipe) wishAttentionOut(s Shape) gguf.Type {
	if s.Experts == 8 {
		switch r.name {
		case "q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m", "iq3_xs", "iq3_s", "iq3_m", "iq4_nl", "iq4_xs":
			return gguf.TypeQ5_K
		}
		return r.bulk
	}
	switch r.name {
	case "q2_k":
		return gguf.TypeQ3_K
	case "q3_k_m", "iq3_m":
		return gguf.TypeQ4_K
	case "q3_k_l":
		return gguf.TypeQ5_K
	}
	return r.bulk
}

func (r recipe) wishDown(s Shape, layer int) gguf.Type {
	early := layer < s.Layers/8
	switch r.name {
	case "q2_k":
		return gguf.TypeQ3_K
	case "q3_k_m":
		if layer < s.Layers/16 {
			return gguf.TypeQ5_K
		}
		return gguf.TypeQ4_K
	case "q3_k_l":
		return gguf.TypeQ5_K
	case "q4_k_s", "iq4_nl", "iq4_xs":
		if early {
			return gguf.TypeQ5_K
		}
	case "q4_k_m", "q5_k_m":
		if moreBits(layer, s.Layers) {
			return gguf.TypeQ6_K
		}
	case "iq3_m":
		if early || s.Experts == 8 && moreBits(layer, s.Layers) {
			return gguf.TypeQ4_K
		}
	}
	return r.bulk
}

// moreBits selects the first and the last eighth of the layers and every third in between.
func moreBits(layer, layers int) bool {
	return layer < layers/8 || layer >= 7*layers/8 || (layer-layers/8)%3 == 2
}

// fit replaces a type whose block size does not divide the row length.
func fit(t gguf.Type, b *blueprint) (gguf.Type, error) {
	if b.rowLength()%t.BlockSize() == 0 {
		return t, nil
	}
	instead := t
	switch t {
	case gguf.TypeQ2_K, gguf.TypeQ3_K, gguf.TypeIQ3_XXS, gguf.TypeIQ3_S, gguf.TypeIQ4_XS:
		instead = gguf.TypeIQ4_NL
	case gguf.TypeQ4_K:
		instead = gguf.TypeQ5_0
	case gguf.TypeQ5_K:
		instead = gguf.TypeQ5_1
	case gguf.TypeQ6_K:
		instead = gguf.TypeQ8_0
	case gguf.TypeTQ1_0, gguf.TypeTQ2_0:
		instead = gguf.TypeQ4_0
	default:
		return 0, shapeError("", b.rowLength(), "the rows of %s have %d values, not a multiple of %d, the block size of %s", b.name, b.rowLength(), t.BlockSize(), t)
	}
	if b.rowLength()%instead.BlockSize() != 0 {
		return gguf.TypeF16, nil
	}
	return instead, nil
}
