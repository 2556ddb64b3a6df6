package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/loader"
)

// A recipe is what llama.cpp calls a file type: a type for the bulk of the
// weights, and rules by which some tensors get another. The rules here are
// those of llama_tensor_get_type in llama.cpp's llama-quant.cpp for the llama
// architecture, without an importance matrix, so that a synthetic model has
// the very types that quantising its f16 twin would give.
type recipe struct {
	name     string
	fileType uint32 // LLAMA_FTYPE_…
	bulk     loader.Type
}

// recipes lists the file types that need no importance matrix.
var recipes = []recipe{
	{"f32", 0, loader.TypeF32},
	{"f16", 1, loader.TypeF16},
	{"bf16", 32, loader.TypeBF16},
	{"q4_0", 2, loader.TypeQ4_0},
	{"q4_1", 3, loader.TypeQ4_1},
	{"q5_0", 8, loader.TypeQ5_0},
	{"q5_1", 9, loader.TypeQ5_1},
	{"q8_0", 7, loader.TypeQ8_0},
	{"q2_k", 10, loader.TypeQ2_K},
	{"q3_k_s", 11, loader.TypeQ3_K},
	{"q3_k_m", 12, loader.TypeQ3_K},
	{"q3_k_l", 13, loader.TypeQ3_K},
	{"q4_k_s", 14, loader.TypeQ4_K},
	{"q4_k_m", 15, loader.TypeQ4_K},
	{"q5_k_s", 16, loader.TypeQ5_K},
	{"q5_k_m", 17, loader.TypeQ5_K},
	{"q6_k", 18, loader.TypeQ6_K},
	{"iq4_nl", 25, loader.TypeIQ4_NL},
	{"iq4_xs", 30, loader.TypeIQ4_XS},
	{"iq3_xs", 22, loader.TypeIQ3_S},
	{"iq3_s", 26, loader.TypeIQ3_S},
	{"iq3_m", 27, loader.TypeIQ3_S},
	{"tq1_0", 36, loader.TypeTQ1_0},
	{"tq2_0", 37, loader.TypeTQ2_0},
	{"mxfp4_moe", 38, loader.TypeMXFP4},
}

// aliases are the short names that llama.cpp's quantiser accepts as well.
var aliases = map[string]string{"q3_k": "q3_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m"}

// needMatrix lists the file types that the engine refuses to make without an
// importance matrix, which random weights do not have.
var needMatrix = []string{"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq3_xxs", "q2_k_s"}

// parseRecipe finds a file type by name, in either case.
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
		return recipe{}, fmt.Errorf("type %s needs an importance matrix, which random weights do not have; take one of %s", lower, strings.Join(names, ", "))
	}
	return recipe{}, fmt.Errorf("unknown type %q%s, the types are %s", name, didYouMean(name, names), strings.Join(names, ", "))
}

// quantised tells whether a Quantizer is needed for a type.
func quantised(t loader.Type) bool {
	return t != loader.TypeF32 && t != loader.TypeF16 && t != loader.TypeBF16
}

// kind chooses the type of a tensor.
func (r recipe) kind(s Shape, b *blueprint) (loader.Type, error) {
	switch {
	case b.part == norm || b.part == router:
		return loader.TypeF32, nil
	case !quantised(r.bulk):
		return r.bulk, nil
	}
	return fit(r.wish(s, b), b)
}

// wish is the type that a matrix gets if the length of its rows allows.
func (r recipe) wish(s Shape, b *blueprint) loader.Type {
	if r.bulk == loader.TypeMXFP4 {
		if len(b.dims) == 3 {
			return r.bulk
		}
		return loader.TypeQ8_0
	}
	// Of one type, or a mixture that depends on the depth.
	switch b.part {
	case output:
		if b.rowLength()%r.bulk.BlockSize() != 0 || r.bulk == loader.TypeQ8_0 {
			return loader.TypeQ8_0
		}
		return loader.TypeQ6_K
	case embedding:
		if r.bulk == loader.TypeTQ1_0 || r.bulk == loader.TypeTQ2_0 {
			return loader.TypeQ4_K
		}
	case attentionQ:
		if r.name == "iq3_xs" {
			return loader.TypeIQ3_XXS
		}
	case attentionK:
		if s.Experts == 8 {
			return loader.TypeQ8_0
		}
		if r.name == "iq3_xs" {
			return loader.TypeIQ3_XXS
		}
	case attentionV:
		return r.wishValue(s, b.layer)
	case attentionOut:
		return r.wishAttentionOut(s)
	case ffnGate, ffnUp:
		if r.name == "iq3_xs" && b.layer >= s.Layers/8 && b.layer < 7*s.Layers/8 {
			return loader.TypeIQ3_XXS
		}
	case ffnDown:
		return r.wishDown(s, b.layer)
	}
	return r.bulk
}

// wishValue is the rule for attn_v, which is small where heads share values
// and matters much.
func (r recipe) wishValue(s Shape, layer int) loader.Type {
	if s.Experts == 8 {
		return loader.TypeQ8_0
	}
	t, shared := r.bulk, s.Heads/s.KVHeads >= 4
	switch r.name {
	case "q2_k":
		t = loader.TypeQ3_K
		if shared {
			t = loader.TypeQ4_K
		}
	case "iq3_xs", "iq3_s":
		if shared {
			t = loader.TypeQ4_K
		}
	case "iq3_m":
		t = loader.TypeQ4_K
	case "q3_k_m":
		t = loader.TypeQ4_K
		if layer < 2 {
			t = loader.TypeQ5_K
		}
	case "q3_k_l":
		t = loader.TypeQ5_K
	case "iq4_nl", "iq4_xs":
		if shared {
			t = loader.TypeQ5_K
		}
	case "q4_k_m", "q5_k_m":
		if moreBits(layer, s.Layers) {
			t = loader.TypeQ6_K
		}
	case "q4_k_s":
		if layer < 4 {
			t = loader.TypeQ5_K
		}
	}
	// llama.cpp takes any model of 80 layers with shared values for the 70B.
	if s.Layers == 80 && s.Heads != s.KVHeads && (t == loader.TypeQ3_K || t == loader.TypeQ4_K) {
		t = loader.TypeQ5_K
	}
	return t
}

func (r recipe) wishAttentionOut(s Shape) loader.Type {
	if s.Experts == 8 {
		switch r.name {
		case "q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m", "iq3_xs", "iq3_s", "iq3_m", "iq4_nl", "iq4_xs":
			return loader.TypeQ5_K
		}
		return r.bulk
	}
	switch r.name {
	case "q2_k":
		return loader.TypeQ3_K
	case "q3_k_m", "iq3_m":
		return loader.TypeQ4_K
	case "q3_k_l":
		return loader.TypeQ5_K
	}
	return r.bulk
}

func (r recipe) wishDown(s Shape, layer int) loader.Type {
	early := layer < s.Layers/8
	switch r.name {
	case "q2_k":
		return loader.TypeQ3_K
	case "q3_k_m":
		if layer < s.Layers/16 {
			return loader.TypeQ5_K
		}
		return loader.TypeQ4_K
	case "q3_k_l":
		return loader.TypeQ5_K
	case "q4_k_s", "iq4_nl", "iq4_xs":
		if early {
			return loader.TypeQ5_K
		}
	case "q4_k_m", "q5_k_m":
		if moreBits(layer, s.Layers) {
			return loader.TypeQ6_K
		}
	case "iq3_m":
		if early || s.Experts == 8 && moreBits(layer, s.Layers) {
			return loader.TypeQ4_K
		}
	}
	return r.bulk
}

// moreBits picks the first and the last eighth of the layers and every third
// between.
func moreBits(layer, layers int) bool {
	return layer < layers/8 || layer >= 7*layers/8 || (layer-layers/8)%3 == 2
}

// fit replaces a type whose blocks do not fill the tensor's rows.
func fit(t loader.Type, b *blueprint) (loader.Type, error) {
	if b.rowLength()%t.BlockSize() == 0 {
		return t, nil
	}
	instead := t
	switch t {
	case loader.TypeQ2_K, loader.TypeQ3_K, loader.TypeIQ3_XXS, loader.TypeIQ3_S, loader.TypeIQ4_XS:
		instead = loader.TypeIQ4_NL
	case loader.TypeQ4_K:
		instead = loader.TypeQ5_0
	case loader.TypeQ5_K:
		instead = loader.TypeQ5_1
	case loader.TypeQ6_K:
		instead = loader.TypeQ8_0
	case loader.TypeTQ1_0, loader.TypeTQ2_0:
		instead = loader.TypeQ4_0
	default:
		return 0, fmt.Errorf("shape: the rows of %s have %d values, which is no multiple of %d, the block of %s", b.name, b.rowLength(), t.BlockSize(), t)
	}
	if b.rowLength()%instead.BlockSize() != 0 {
		return loader.TypeF16, nil
	}
	return instead, nil
}
