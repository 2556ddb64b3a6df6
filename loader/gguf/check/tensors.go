package check

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// checkTensors checks what the engine's loader does not. The loader compares names and shapes and
// returns errors; but it accepts any type, treats tensors as optional that its graphs
// require, and multiplies by tensors that should be added.
func (h *hyperparameters) checkTensors() error {
	for _, t := range h.ix.Tensors() {
		if strings.Contains(t.Name, "%") {
			// The engine identifies tensors of unknown kinds by the pattern of their names and makes
			// one for each layer, more than it has room for.
			return h.ix.TensorError(t.Name, "", "a name may not contain %")
		}
		if err := h.checkTensorType(t); err != nil {
			return err
		}
		if err := h.checkBias(t); err != nil {
			return err
		}
	}
	if err := h.checkScales(); err != nil {
		return err
	}
	if err := h.checkEmbedding(); err != nil {
		return err
	}
	return h.checkPresence()
}

// layerPrefix is the beginning of the names of a layer's tensors.
var layerPrefix = regexp.MustCompile(`^((enc|dec)\.)?(blk|posnet|convnext)\.[0-9]+\.`)

// elementwise are the tensors, besides norms, biases and scales, that are added to or multiplied with
// rows of floats: the engine's kernels for that support only float32. See also isNorm.
var elementwise = map[string]bool{
	"token_types": true, "bskcn_tv": true,
	"rope_freqs": true, "rope_factors_long": true, "rope_factors_short": true,
	"attn_sinks": true, "exp_probs_b": true, "ffn.act": true, "altup_correct_scale": true, "gamma": true,
	"ssm_a": true, "ssm_d": true, "ssm_conv1d": true, "shortconv.conv": true,
	"time_mix_lerp_x": true, "time_mix_lerp_w": true, "time_mix_lerp_k": true, "time_mix_lerp_v": true,
	"time_mix_lerp_r": true, "time_mix_lerp_g": true, "time_mix_lerp_fused": true,
	"time_mix_ln": true, "time_mix_k_k": true, "time_mix_k_a": true, "time_mix_r_k": true, "time_mix_decay": true,
	"time_mix_w0": true, "time_mix_a0": true, "time_mix_v0": true, "time_mix_first": true,
	"channel_mix_lerp_k": true, "channel_mix_lerp_r": true,

	// Of engines of v0.5.x.
	"exp_probs_b_vl": true, "layer_output_scale": true, "z_l_init": true, "hrm.z_l_init": true,
	"attn_res_score": true, "ffn_res_score": true, "output_res_score": true, "attn_conv_base": true, "ffn_conv_base": true,
	"hc_attn_base": true, "hc_attn_scale": true, "hc_ffn_base": true, "hc_ffn_scale": true, "output_hc_base": true, "output_hc_scale": true,
	"ssm_conv1d_q": true, "ssm_conv1d_k": true, "ssm_conv1d_v": true, "ple_conv1d": true,
}

// convolutions of the wavtokenizer decoder support only float16.
var convolutions = regexp.MustCompile(`^(conv1d|posnet\.[0-9]+\.(conv[12]|attn_(q|k|v|output))|convnext\.[0-9]+\.dw)\.weight$`)

// splitName splits the name of a tensor into layer, kind and suffix.
func splitName(name string) (layer, kind, suffix string) {
	layer = layerPrefix.FindString(name)
	kind = name[len(layer):]
	for _, s := range []string{".weight", ".bias", ".input_scale", ".scale", ".scales"} {
		if k, ok := strings.CutSuffix(kind, s); ok {
			return layer, k, s
		}
	}
	return layer, kind, ""
}

// isNorm reports whether a kind of tensor is the scale of a norm, as attn_norm, attn_norm_2, norm1,
// output_norm.
func isNorm(kind string) bool { return strings.Contains(kind, "norm") }

// checkTensorType returns an error for types on which the engine's kernels abort.
func (h *hyperparameters) checkTensorType(t gguf.Tensor) error {
	_, kind, suffix := splitName(t.Name)
	_, top, nested := strings.Cut(kind, ".")
	if nested && elementwise[top] {
		kind = top
	}
	switch {
	case h.arch == "wavtokenizer-dec" && convolutions.MatchString(t.Name):
		if t.Type != gguf.TypeF16 {
			return h.ix.TensorError(t.Name, "of type "+t.Type.String(), "a convolution must be of type f16")
		}
	case kind == routingTable:
		if t.Type != gguf.TypeI32 {
			return h.ix.TensorError(t.Name, "of type "+t.Type.String(), "must be of type i32")
		}
	case suffix == ".bias" || suffix == ".input_scale" || suffix == ".scale" || suffix == ".scales" || isNorm(kind) || elementwise[kind]:
		if t.Type != gguf.TypeF32 {
			return h.ix.TensorError(t.Name, "of type "+t.Type.String(), "must be of type f32")
		}
	case !multipliable(t.Type):
		return h.ix.TensorError(t.Name, "of type "+t.Type.String(), "the engine can't multiply by a matrix of this type")
	}
	return nil
}

// routingTable is the kind of tensors with the experts of each token.
const routingTable = "ffn_gate_tid2eid"

// multipliable reports whether the engine has a kernel for rows of a type: not for integers, double
// precision and types of intermediate results.
func multipliable(t gguf.Type) bool {
	switch t {
	case gguf.TypeI8, gguf.TypeI16, gguf.TypeI32, gguf.TypeI64, gguf.TypeF64, gguf.TypeQ8_1, gguf.TypeQ8_K:
		return false
	}
	return true
}

// checkBias: the engine derives the shape of a bias from the model's numbers, but its graph adds
// it to the result of the weight.
func (h *hyperparameters) checkBias(t gguf.Tensor) error {
	stem, ok := strings.CutSuffix(t.Name, ".bias")
	if !ok || h.arch == "wavtokenizer-dec" {
		return nil
	}
	w, ok := h.ix.Tensor(stem + ".weight")
	if !ok {
		return nil
	}
	given := dim(w, 1)
	if _, kind, _ := splitName(t.Name); isNorm(kind) || len(w.Shape) == 1 {
		given = dim(w, 0)
	}
	if dim(t, 0) != given {
		return h.ix.TensorError(t.Name, t.ShapeText(), "does not fit its weight, "+w.ShapeText())
	}
	return nil
}

// checkScales: weights of nvfp4 have a scale of their own. The engine does not take it beside a bias of
// a feed-forward network, nor of an output that is the embeddings.
func (h *hyperparameters) checkScales() error {
	for _, t := range h.ix.Tensors() {
		if t.Type != gguf.TypeNVFP4 {
			continue
		}
		stem := strings.TrimSuffix(t.Name, ".weight")
		_, scaled := h.ix.Tensor(stem + ".scale")
		if _, biased := h.ix.Tensor(stem + ".bias"); scaled && biased && strings.Contains(stem, ".ffn_") {
			return h.ix.TensorError(stem+".scale", "", "a weight of nvfp4 has either a scale or a bias")
		}
		if _, output := h.ix.Tensor("output.weight"); output || t.Name != "token_embd.weight" {
			continue
		}
		for _, name := range []string{"output.scale", "output.input_scale"} {
			if _, ok := h.ix.Tensor(name); ok {
				return h.ix.TensorError(name, "", "the output is the embeddings of tokens, and has no scale of its own")
			}
		}
	}
	return nil
}

// checkEmbedding compares the embeddings of tokens with the metadata.
func (h *hyperparameters) checkEmbedding() error {
	const name = "token_embd.weight"
	t, ok := h.ix.Tensor(name)
	if !ok {
		return nil // the engine knows where it may be missing
	}
	width := uint64(h.embd)
	if h.arch == "wavtokenizer-dec" {
		width = uint64(h.uint("features_length"))
	}
	switch {
	case dim(t, 0) != width:
		return h.ix.TensorError(name, t.ShapeText(), fmt.Sprintf("the embedding length is %d", width))
	case dim(t, 1) != uint64(h.tokens):
		return h.ix.TensorError(name, t.ShapeText(), fmt.Sprintf("the vocabulary has %d tokens", h.tokens))
	}
	return nil
}

// checkPresence checks that tensors which the engine's graph requires are present.
func (h *hyperparameters) checkPresence() error {
	for _, need := range h.rule.needs {
		name, absent := strings.CutPrefix(need, "!")
		for i := range h.layers {
			full := strings.Replace(name, "*", fmt.Sprint(i), 1)
			if _, ok := h.ix.Tensor(full); ok == absent {
				reason, found := "the engine's graph of this architecture needs it", "missing"
				if absent {
					reason, found = "the engine's graph of this architecture can't use it", ""
				}
				return h.ix.TensorError(full, found, reason)
			}
			if full == name {
				break
			}
		}
	}
	for _, pair := range h.rule.pairs {
		for i := range h.layers {
			prefix := fmt.Sprintf("blk.%d.", i)
			if _, ok := h.ix.Tensor(prefix + pair[0]); !ok {
				continue
			}
			if _, ok := h.ix.Tensor(prefix + pair[1]); !ok {
				return h.ix.TensorError(prefix+pair[1], "missing", "the engine's graph needs it beside "+pair[0])
			}
		}
	}
	return nil
}

// dim returns a dimension of a tensor, 1 beyond its last.
func dim(t gguf.Tensor, i int) uint64 {
	if i >= len(t.Shape) {
		return 1
	}
	return t.Shape[i]
}
