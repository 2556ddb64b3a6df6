package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

const (
	// maxLayers is the size of the engine's arrays by layer.
	maxLayers = 512
	// maxExperts and maxExpertsV0_5 are the engines' bounds on experts.
	maxExperts     = 512
	maxExpertsV0_5 = 1024
	// maxHeads limits a factor of a 32-bit multiplication.
	maxHeads = 1 << 16
)

// commonKeys are the keys that the engine reads for every architecture.
const commonKeys = "context_length embedding_length block_count vocab_size? " +
	"expert_count? expert_used_count? expert_group_count? expert_group_used_count? " +
	"feed_forward_length? attention.head_count? attention.head_count_kv? " +
	"attention.key_length? attention.value_length? rope.dimension_count? rope.freq_base? rope.scale_linear? " +
	"rope.scaling.type? rope.scaling.factor? rope.scaling.attn_factor? rope.scaling.original_context_length? " +
	"rope.scaling.finetuned? classifier.output_labels?"

// commonKeysV0_5 are those that engines of v0.5.x read in addition.
const commonKeysV0_5 = "embedding_length_out? attention.causal? pooling_type? nextn_predict_layers? rope.scaling.alpha? " +
	"attention.key_length_swa? attention.value_length_swa? rope.dimension_count_swa?"

// keyNames returns the keys that the engine reads for an architecture.
func (e Engine) keyNames(rule *archRule) string {
	if e >= EngineV0_5 {
		return mergeKeys(commonKeys+" "+commonKeysV0_5, rule.keys)
	}
	return commonKeys + " " + rule.keys
}

// mergeKeys returns the keys of base, of which those that changed names too are replaced, and the
// others of changed.
func mergeKeys(base, changed string) string {
	names := strings.Fields(changed)
	for _, name := range strings.Fields(base) {
		bare := strings.TrimSuffix(name, "?")
		if !slices.Contains(names, bare) && !slices.Contains(names, bare+"?") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// keyTypes are the types of keys that are not uint32.
var keyTypes = map[string]gguf.ValueType{
	"rope.scaling.type":      gguf.ValueString,
	"rope.scaling.finetuned": gguf.ValueBool, "use_parallel_residual": gguf.ValueBool, "attention.causal": gguf.ValueBool,
	"swin_norm": gguf.ValueBool, "expert_weights_norm": gguf.ValueBool, "ssm.dt_b_c_rms": gguf.ValueBool,
	"attention.layer_norm_epsilon": gguf.ValueFloat32, "attention.layer_norm_rms_epsilon": gguf.ValueFloat32,
	"attention.group_norm_epsilon": gguf.ValueFloat32, "attention.max_alibi_bias": gguf.ValueFloat32,
	"attention.clamp_kqv": gguf.ValueFloat32, "attention.scale": gguf.ValueFloat32, "attention.output_scale": gguf.ValueFloat32,
	"attention.temperature_scale": gguf.ValueFloat32, "attn_logit_softcapping": gguf.ValueFloat32,
	"router_logit_softcapping": gguf.ValueFloat32, "final_logit_softcapping": gguf.ValueFloat32,
	"logit_scale": gguf.ValueFloat32, "residual_scale": gguf.ValueFloat32, "embedding_scale": gguf.ValueFloat32,
	"expert_weights_scale": gguf.ValueFloat32, "expert_group_scale": gguf.ValueFloat32,
	"rope.freq_base": gguf.ValueFloat32, "rope.scale_linear": gguf.ValueFloat32, "rope.scaling.factor": gguf.ValueFloat32,
	"rope.scaling.attn_factor": gguf.ValueFloat32, "rope.scaling.yarn_log_multiplier": gguf.ValueFloat32,
	"rope.scaling.yarn_ext_factor": gguf.ValueFloat32, "rope.scaling.yarn_attn_factor": gguf.ValueFloat32,
	"rope.scaling.yarn_beta_fast": gguf.ValueFloat32, "rope.scaling.yarn_beta_slow": gguf.ValueFloat32,
	"/xielu.alpha_n": gguf.ValueFloat32, "/xielu.alpha_p": gguf.ValueFloat32, "/xielu.beta": gguf.ValueFloat32, "/xielu.eps": gguf.ValueFloat32,

	// Of engines of v0.5.x.
	"kda.safe_gate": gguf.ValueBool, "hrm.prefix_lm": gguf.ValueBool, "skip_loop_final_norm": gguf.ValueBool,
	"hidden_activation":  gguf.ValueString,
	"rope.scaling.alpha": gguf.ValueFloat32, "rope.freq_base_swa": gguf.ValueFloat32,
	"activation.situ_beta": gguf.ValueFloat32, "activation.situ_linear_beta": gguf.ValueFloat32,
	"adapters.router_gain": gguf.ValueFloat32, "attention.compress_rope_freq_base": gguf.ValueFloat32,
	"attention.value_scale": gguf.ValueFloat32, "kda.gate_lower_bound": gguf.ValueFloat32,
	"hyper_connection.epsilon": gguf.ValueFloat32, "hyper_connection.magnitude": gguf.ValueFloat32,
	"swiglu_clamp_exp": gguf.ValueFloat32, "swiglu_clamp_shexp": gguf.ValueFloat32,
}

// listKeys may be arrays with one element for each layer.
var listKeys = map[string]bool{
	"feed_forward_length": true, "attention.head_count": true, "attention.head_count_kv": true,
	"/xielu.alpha_n": true, "/xielu.alpha_p": true, "/xielu.beta": true, "/xielu.eps": true,
}

// listKeysV0_5 are those that engines of v0.5.x read so in addition.
var listKeysV0_5 = map[string]bool{
	"expert_used_count": true, "expert_feed_forward_length": true, "attention.recurrent_layers": true,
	"swiglu_clamp_exp": true, "swiglu_clamp_shexp": true,
}

// arrayKeys are arrays of a length of their own, and the types of their elements.
var arrayKeys = map[string][]gguf.ValueType{
	"attention.sliding_window_pattern": {gguf.ValueBool, gguf.ValueUint32, gguf.ValueInt32},
	"attention.rope_pattern":           {gguf.ValueBool, gguf.ValueUint32, gguf.ValueInt32},
	"attention.indexer.types":          {gguf.ValueUint32, gguf.ValueInt32},
	"attention.compress_ratios":        {gguf.ValueUint32, gguf.ValueInt32},
	"deepstack_mapping":                {gguf.ValueInt32, gguf.ValueUint32},
	"adapters.token_ids_activate":      {gguf.ValueInt32, gguf.ValueUint32},
	"adapters.token_ids_substitute":    {gguf.ValueInt32, gguf.ValueUint32},
	"ple.layers":                       {gguf.ValueUint32, gguf.ValueInt32},
	"ple.layer_multipliers":            {gguf.ValueUint64},
	"ple.head_offsets":                 {gguf.ValueUint64},
	"ple.head_vocab_sizes":             {gguf.ValueUint64},
}

// isList reports whether the engine takes a list for a key.
func (e Engine) isList(name string) bool {
	return listKeys[name] || e >= EngineV0_5 && listKeysV0_5[name]
}

// hyperparameters are a model's numbers as the engine reads them.
type hyperparameters struct {
	engine Engine
	ix     *gguf.Index
	arch   string
	rule   *archRule
	tokens int

	layers, embd           int
	trunk                  int      // layers without those that predict further tokens
	heads, kvHeads, ff     []uint32 // by layer
	experts, expertsUsed   uint32
	keyLength, valueLength uint32
	rot                    uint32
}

// readHyperparameters reads them and checks types, presence, and what applies to every architecture.
func readHyperparameters(e Engine, ix *gguf.Index, rule *archRule) (*hyperparameters, error) {
	h := &hyperparameters{engine: e, ix: ix, arch: ix.Architecture(), rule: rule}
	for _, read := range []func() error{h.readSizes, h.checkKeys, h.readLists, h.readHeadSizes, h.checkRope, h.checkLabels} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// key returns the full name of a key of the architecture.
func (h *hyperparameters) key(name string) string {
	if strings.HasPrefix(name, "/") {
		return name[1:]
	}
	return h.arch + "." + name
}

// fail returns an error about a key with the value in the file.
func (h *hyperparameters) fail(name, format string, args ...any) error {
	e := h.ix.KeyError(h.key(name), fmt.Sprintf(format, args...))
	if e.Value == "" {
		e.Value = "missing"
	}
	return e
}

// uint returns the value of a numeric key, 0 if it is missing.
func (h *hyperparameters) uint(name string) uint32 {
	v, ok := h.ix.Lookup(h.key(name))
	if !ok {
		return 0
	}
	n, _ := v.Uint()
	return uint32(min(n, math.MaxUint32))
}

func (h *hyperparameters) readSizes() error {
	for _, size := range []struct {
		name     string
		min, max uint32
		set      *int
	}{
		{"block_count", uint32(max(1, h.rule.minLayers)), maxLayers, &h.layers},
		{"embedding_length", 1, math.MaxInt32, &h.embd},
		{"context_length", 1, math.MaxInt32, nil},
	} {
		n, ok, err := lookupUint32(h.ix, h.key(size.name))
		switch {
		case err != nil:
			return err
		case !ok:
			return missingKey(h.ix, h.key(size.name))
		case n < size.min || n > size.max:
			return h.fail(size.name, "must be from %d to %d", size.min, size.max)
		}
		if size.set != nil {
			*size.set = int(n)
		}
	}
	h.trunk = h.layers
	if h.engine >= EngineV0_5 {
		return h.readTrunk()
	}
	return nil
}

// readTrunk reads how many layers, at the end, predict further tokens. Without the first layer's
// norm, the engine takes the file for those layers alone, and its graph fails.
func (h *hyperparameters) readTrunk() error {
	const norm = "blk.0.attn_norm.weight"
	n, _, err := lookupUint32(h.ix, h.key(keyNextN))
	switch {
	case err != nil:
		return err
	case n >= uint32(h.layers):
		return h.fail(keyNextN, "must be less than the block count of %d", h.layers)
	case hasTrunk(h.ix, h.arch, uint32(h.layers), n):
		h.trunk = h.layers - int(n)
		if _, ok := h.ix.Tensor(norm); !ok {
			return h.ix.TensorError(norm, "missing", "the file has only layers that predict further tokens, and can't run alone")
		}
	}
	return nil
}

// checkKeys checks that required keys are present and that keys have the right type.
func (h *hyperparameters) checkKeys() error {
	for _, name := range strings.Fields(h.engine.keyNames(h.rule)) {
		name, optional := strings.CutSuffix(name, "?")
		key := h.key(name)
		v, ok := h.ix.Lookup(key)
		if !ok {
			if !optional {
				return missingKey(h.ix, key)
			}
			continue
		}
		want, special := keyTypes[name]
		if !special {
			want = gguf.ValueUint32
		}
		switch {
		case name == "classifier.output_labels" || name == "rope.dimension_sections":
			continue // checked where they are used
		case arrayKeys[name] != nil && v.Type() == gguf.ValueArray:
			if err := checkArray(h.ix, key, v, arrayKeys[name]...); err != nil {
				return err
			}
			if v.Len() > maxLayers {
				return h.fail(name, "has %d elements, must have at most %d", v.Len(), maxLayers)
			}
			continue
		case h.engine.isList(name) && v.Type() == gguf.ValueArray:
			if want == gguf.ValueFloat32 {
				if err := checkArray(h.ix, key, v, want); err != nil {
					return err
				}
				if v.Len() != h.layers {
					return h.fail(name, "has %d elements for %d layers", v.Len(), h.layers)
				}
			}
			continue // the others: readLists
		}
		if err := checkKeyType(h.ix, key, want); err != nil {
			return err
		}
		if strings.HasSuffix(name, "_epsilon") {
			if f, _ := v.Float(); !(f >= 0) {
				return h.fail(name, "must not be negative")
			}
		}
	}
	return nil
}

func (h *hyperparameters) readLists() error {
	var err error
	var ok bool
	if h.ff, _, err = perLayer(h.ix, h.key("feed_forward_length"), h.layers); err != nil {
		return err
	}
	if h.ff == nil {
		h.ff = make([]uint32, h.layers)
	}
	if h.heads, _, err = perLayer(h.ix, h.key("attention.head_count"), h.layers); err != nil {
		return err
	}
	if h.heads == nil {
		h.heads = make([]uint32, h.layers)
	}
	if h.kvHeads, ok, err = perLayer(h.ix, h.key("attention.head_count_kv"), h.layers); !ok {
		h.kvHeads = h.heads
	}
	return err
}

// readHeadSizes computes the sizes of heads as the engine does: from the first layer.
func (h *hyperparameters) readHeadSizes() error {
	first := h.heads[0]
	if first > 0 {
		h.keyLength = uint32(h.embd) / first
		h.valueLength = h.keyLength
	}
	for _, size := range []struct {
		name string
		set  *uint32
	}{{"attention.key_length", &h.keyLength}, {"attention.value_length", &h.valueLength}} {
		if n, ok, _ := lookupUint32(h.ix, h.key(size.name)); ok && (first > 0 || h.engine < EngineV0_5 && h.rule.attention&hybrid != 0) {
			*size.set = n
		}
	}
	if h.engine >= EngineV0_5 && h.uint("attention.key_length_mla") > 0 {
		h.valueLength = h.uint("attention.kv_lora_rank") // the cache has no values of its own
	}
	h.rot = h.keyLength
	if n, ok, _ := lookupUint32(h.ix, h.key("rope.dimension_count")); ok && first > 0 {
		h.rot = n
	}
	return nil
}

// ropeScalings are the values of rope.scaling.type; the engine asserts on others.
var ropeScalings = map[string]bool{"none": true, "linear": true, "yarn": true, "longrope": true}

func (h *hyperparameters) checkRope() error {
	if v, ok := h.ix.Lookup(h.key("rope.scaling.type")); ok {
		if s, _ := v.Str(); !ropeScalings[cString(s)] {
			return h.fail("rope.scaling.type", "unknown rope scaling; known are none, linear, yarn and longrope")
		}
	}
	return h.checkSections()
}

// checkSections checks how a multimodal rope splits the head: the engine divides
// by the sum of the sections.
func (h *hyperparameters) checkSections() error {
	const name = "rope.dimension_sections"
	if !strings.Contains(h.rule.keys, name) {
		return nil
	}
	v, ok := h.ix.Lookup(h.key(name))
	if !ok {
		return nil
	}
	if err := checkArray(h.ix, h.key(name), v, gguf.ValueInt32, gguf.ValueUint32); err != nil {
		return err
	}
	if v.Len() != 4 {
		return h.fail(name, "has %d elements, must have 4", v.Len())
	}
	sum := int64(0)
	for _, n := range intsOf(v) {
		if n < 0 || n > int64(h.keyLength) {
			return h.fail(name, "the sections must fit a head of %d", h.keyLength)
		}
		sum += n
	}
	if sum > int64(h.keyLength) || sum == 0 && !strings.Contains(h.rule.keys, name+"?") {
		return h.fail(name, "the sum is %d, must be from 1 to the %d of a head", sum, h.keyLength)
	}
	return nil
}

// checkLabels checks that a classifier has no more labels than outputs: the engine reads as many
// scores as there are labels.
func (h *hyperparameters) checkLabels() error {
	const name = "classifier.output_labels"
	v, ok := h.ix.Lookup(h.key(name))
	if !ok {
		return nil
	}
	if err := checkArray(h.ix, h.key(name), v, gguf.ValueString); err != nil {
		return err
	}
	if _, head := h.ix.Tensor("cls.output.weight"); !head && v.Len() > h.embd {
		return h.fail(name, "%d labels for %d outputs", v.Len(), h.embd)
	}
	return nil
}

func (h *hyperparameters) checkPooling() error {
	const name = "pooling_type"
	if n, ok, _ := lookupUint32(h.ix, h.key(name)); ok && strings.Contains(h.engine.keyNames(h.rule), name) && n > 4 {
		return h.fail(name, "must be from 0 to 4 (none, mean, cls, last, rank)")
	}
	return nil
}
