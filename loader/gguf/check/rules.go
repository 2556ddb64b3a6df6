package check

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// checkExperts checks the numbers of a mixture of experts; the engine asserts each of them.
func (h *hyperparameters) checkExperts() error {
	n, used, err := h.readExperts()
	if err != nil {
		return err
	}
	groups, groupsUsed := h.uint("expert_group_count"), h.uint("expert_group_used_count")
	h.experts, h.expertsUsed = n, used
	limit := uint32(maxExperts)
	if h.engine >= EngineV0_5 {
		limit = maxExpertsV0_5
	}
	switch {
	case n > limit:
		return h.fail("expert_count", "the engine takes at most %d", limit)
	case n == 0 && h.rule.experts:
		return h.fail("expert_count", "a model of this architecture has experts")
	case n == 0 && used > 0:
		return h.fail("expert_used_count", "the model has no experts")
	case n == 0 && groups > 0:
		return h.fail("expert_group_count", "the model has no experts")
	case n == 0:
		return nil
	case used == 0 || used > n:
		return h.fail("expert_used_count", "must be from 1 to the expert count of %d", n)
	case groups >= n || groups > 1 && n%groups != 0:
		return h.fail("expert_group_count", "must divide the expert count of %d into groups", n)
	case groups > 1 && n/groups < 2:
		return h.fail("expert_group_count", "leaves less than 2 of the %d experts in a group", n)
	case groups > 1 && (groupsUsed == 0 || groupsUsed >= groups):
		return h.fail("expert_group_used_count", "must be from 1 to %d", groups-1)
	}
	return h.checkGating()
}

// readExperts returns the number of experts, and how many are used; if that differs between layers,
// as engines of v0.5.x allow, the most.
func (h *hyperparameters) readExperts() (n, used uint32, err error) {
	const name = "expert_used_count"
	n = h.uint("expert_count")
	if h.engine < EngineV0_5 {
		return n, h.uint(name), nil
	}
	list, _, err := perLayer(h.ix, h.key(name), h.layers)
	if err != nil || list == nil {
		return n, 0, err
	}
	for _, t := range h.ix.Tensors() {
		layer, kind, _ := splitName(t.Name)
		var i int
		if _, err := fmt.Sscanf(layer, "blk.%d.", &i); err == nil && i < h.layers && list[i] == 0 && strings.HasSuffix(kind, "_exps") {
			return n, 0, h.fail(name, "layer %d has experts and uses none", i)
		}
	}
	if (h.arch == "hunyuan_vl" || h.arch == "hunyuan-dense") && n <= 1 { // the engine takes it for dense
		return 0, 0, nil
	}
	if slices.Min(list) != slices.Max(list) && !strings.HasPrefix(h.arch, "nemotron_h") {
		return n, 0, h.fail(name, "all layers of this architecture use the same number of experts")
	}
	return n, slices.Max(list), nil
}

func (h *hyperparameters) checkGating() error {
	const name = "expert_gating_func"
	lowest, highest, text := uint32(0), uint32(3), "1 (softmax), 2 (sigmoid) or 3 (softmax of the weights)"
	if h.engine >= EngineV0_5 {
		highest, text = 4, "1 (softmax), 2 (sigmoid), 3 (softmax of the weights) or 4 (root of softplus)"
	}
	switch h.rule.gating {
	case gatingFixed:
		return nil
	case gatingNeeded:
		lowest = 1
	}
	if n := h.uint(name); n < lowest || n > highest {
		return h.fail(name, "must be %s", text)
	}
	return nil
}

// attends reports whether a layer has heads, in an architecture where only some do.
func (h *hyperparameters) attends(layer int) bool {
	switch {
	case h.rule.attention&noAttention != 0:
		return false
	case h.rule.attention&hybrid != 0:
		return h.kvHeads[layer] > 0 && !h.feedsOnly(layer)
	case h.arch == "deci":
		return h.heads[layer] > 0 && h.kvHeads[layer] > 0
	}
	return true
}

// feedsOnly reports whether a layer is a feed-forward network only.
func (h *hyperparameters) feedsOnly(layer int) bool {
	return h.rule.attention&feedLayers != 0 && h.ff[layer] > 0
}

// checkAttention checks that the numbers and sizes of heads are consistent.
func (h *hyperparameters) checkAttention() error {
	a := h.rule.attention
	if a&noAttention != 0 {
		return nil
	}
	attending := 0
	for i := range h.layers {
		if !h.attends(i) {
			continue
		}
		attending++
		heads, kv := h.heads[i], h.kvHeads[i]
		switch {
		case heads == 0 || heads > maxHeads:
			return h.fail("attention.head_count", "layer %d has %d heads, must have from 1 to %d", i, heads, maxHeads)
		case kv == 0 || kv > heads || heads%kv != 0:
			return h.fail("attention.head_count_kv", "layer %d has %d heads for keys and values, which must divide its %d heads", i, kv, heads)
		case a&mha != 0 && kv != heads:
			return h.fail("attention.head_count_kv", "layer %d has %d, must have as many as heads: %d", i, kv, heads)
		case a&perLayerHeads == 0 && heads != h.heads[0]:
			return h.fail("attention.head_count", "all layers of this architecture have the same number of heads")
		case a&(perLayerHeads|hybrid) == 0 && kv != h.kvHeads[0]:
			return h.fail("attention.head_count_kv", "all layers of this architecture have the same number of heads")
		case a&square != 0 && uint64(heads)*uint64(h.keyLength) != uint64(h.embd):
			return h.fail("attention.head_count", "%d heads of %d are not the embedding length of %d", heads, h.keyLength, h.embd)
		case uint64(heads)*uint64(max(h.keyLength, h.valueLength)) > math.MaxInt32:
			return h.fail("attention.key_length", "too large for %d heads", heads)
		}
	}
	if a&hybrid != 0 && (!h.attendsAny() || !h.recurs()) {
		return h.fail("attention.head_count_kv", "a model of this architecture has layers with attention (not 0) and without (0)")
	}
	if attending == 0 {
		return nil
	}
	if err := h.checkHeadSizes(h.keyLength, h.valueLength, h.rot, ""); err != nil || h.engine < EngineV0_5 {
		return err
	}
	return h.checkWindowHeads()
}

// checkHeadSizes checks sizes of heads, from keys with a suffix.
func (h *hyperparameters) checkHeadSizes(key, value, rot uint32, suffix string) error {
	a := h.rule.attention
	switch {
	case key == 0 || value == 0:
		return h.fail("attention.key_length"+suffix, "the heads have no size")
	case a&sameKV != 0 && key != value:
		return h.fail("attention.value_length"+suffix, "values of %d must be as long as keys of %d", value, key)
	case a&rotFull != 0 && rot != key:
		return h.fail("rope.dimension_count"+suffix, "%d dimensions are rotated, must be the %d of a key", rot, key)
	case a&(rope|rotFull) != 0 && rot == 0 && h.engine >= EngineV0_5:
		return h.fail("rope.dimension_count"+suffix, "must not be 0: the engine would compute for ever")
	case a&(rope|rotFull) != 0 && (rot%2 != 0 || rot > key):
		return h.fail("rope.dimension_count"+suffix, "%d dimensions are rotated, must be even and at most the %d of a key", rot, key)
	}
	return nil
}

// checkWindowHeads checks the sizes of the heads in layers with a sliding window.
func (h *hyperparameters) checkWindowHeads() error {
	const suffix = "_swa"
	sizes := map[string]uint32{"attention.key_length": h.keyLength, "attention.value_length": h.valueLength, "rope.dimension_count": h.rot}
	given := false
	for name := range sizes {
		if n, ok, _ := lookupUint32(h.ix, h.key(name+suffix)); ok {
			sizes[name], given = n, true
		}
	}
	key, value := sizes["attention.key_length"], sizes["attention.value_length"]
	switch {
	case !given || !strings.Contains(h.rule.keys, "attention.sliding_window"):
		return nil
	case uint64(slices.Max(h.heads))*uint64(max(key, value)) > math.MaxInt32:
		return h.fail("attention.key_length"+suffix, "too large for %d heads", slices.Max(h.heads))
	}
	return h.checkHeadSizes(key, value, sizes["rope.dimension_count"], suffix)
}

// attendsAny reports whether a hybrid has a layer with heads.
func (h *hyperparameters) attendsAny() bool {
	for i := range h.trunk {
		if h.attends(i) {
			return true
		}
	}
	return false
}

// recurs reports whether a hybrid has a recurrent layer.
func (h *hyperparameters) recurs() bool {
	for i, kv := range h.kvHeads[:h.trunk] {
		if kv == 0 && !h.feedsOnly(i) {
			return true
		}
	}
	return false
}

// maxWindow is more than any context has, and small enough for the engines' sums.
const maxWindow = 1 << 30

// checkWindow checks the sliding window, and that both kinds of layer exist.
func (h *hyperparameters) checkWindow() error {
	const name = "attention.sliding_window"
	n := h.uint(name)
	_, given := h.ix.Lookup(h.key(name))
	inForce := n > 0
	switch h.rule.windows {
	case windowUnlessZero:
		inForce = inForce || !given
	case windowAlways, windowNeeded, windowNeededIfGiven:
		inForce = true
	}
	if h.engine >= EngineV0_5 && inForce {
		if err := h.checkPattern(); err != nil {
			return err
		}
	}
	switch {
	case n > maxWindow:
		return h.fail(name, "larger than any context")
	case n == 0 && (h.rule.windows == windowNeeded || given && h.rule.windows == windowNeededIfGiven):
		return h.fail(name, "must not be 0 for this architecture")
	case inForce && h.engine < EngineV0_5 && h.layers < h.rule.window:
		return h.fail("block_count", "the pattern of sliding windows needs %d layers", h.rule.window)
	}
	return nil
}

// divides reports whether d is a divisor of n.
func divides(d, n uint32) bool { return d > 0 && n%d == 0 }

// checkState checks sizes of a state-space layer that are factors of 32-bit multiplications.
func checkState(h *hyperparameters) error {
	conv, inner, state, rank := h.uint("ssm.conv_kernel"), h.uint("ssm.inner_size"), h.uint("ssm.state_size"), h.uint("ssm.time_step_rank")
	group := h.uint("ssm.group_count")
	for name, n := range map[string]uint32{"ssm.conv_kernel": conv, "ssm.inner_size": inner, "ssm.state_size": state, "ssm.time_step_rank": rank} {
		if n == 0 {
			return h.fail(name, "must not be 0")
		}
	}
	if conv > 1<<10 || group > 1<<16 || inner > 1<<24 || state > 1<<16 || uint64(conv)*(uint64(inner)+2*uint64(group)*uint64(state)) > math.MaxInt32 || uint64(inner)*uint64(state) > math.MaxInt32 {
		return h.fail("ssm.inner_size", "the state of a layer is too large: kernel %d, inner size %d, state %d, groups %d", conv, inner, state, group)
	}
	return nil
}

// scanStep is the vector length of the engine's kernel for Mamba 1, in numbers of a state, on the CPUs
// with the longest vectors (SVE). It reads and writes past the end of a state whose size
// is not a multiple.
const scanStep = 16

// checkMamba1: each number of a state has a decay of its own.
func checkMamba1(h *hyperparameters) error {
	if err := checkWideState(h); err != nil {
		return err
	}
	if state := h.uint("ssm.state_size"); state%scanStep != 0 {
		return h.fail("ssm.state_size", "must be a multiple of %d", scanStep)
	}
	return nil
}

// checkWideState: the inner size is twice the width.
func checkWideState(h *hyperparameters) error {
	if err := checkState(h); err != nil {
		return err
	}
	if inner := h.uint("ssm.inner_size"); uint64(inner) != 2*uint64(h.embd) {
		return h.fail("ssm.inner_size", "must be twice the embedding length of %d", h.embd)
	}
	return nil
}

// checkMamba2: the inner size is split into heads (whose number is the time step
// rank) and into groups, and the heads into groups.
func checkMamba2(h *hyperparameters) error {
	if err := checkState(h); err != nil {
		return err
	}
	inner, heads, group := h.uint("ssm.inner_size"), h.uint("ssm.time_step_rank"), h.uint("ssm.group_count")
	switch {
	case !divides(heads, inner):
		return h.fail("ssm.time_step_rank", "must divide the inner size of %d", inner)
	case !divides(group, inner) || !divides(group, heads):
		return h.fail("ssm.group_count", "must divide the inner size of %d and the %d heads", inner, heads)
	}
	return nil
}

func checkMamba2Wide(h *hyperparameters) error {
	if err := checkWideState(h); err != nil {
		return err
	}
	return checkMamba2(h)
}

func checkPLaMo2Layers(h *hyperparameters) error {
	if err := checkState(h); err != nil {
		return err
	}
	if inner := h.uint("ssm.inner_size"); !divides(h.uint("ssm.time_step_rank"), inner) {
		return h.fail("ssm.time_step_rank", "must divide the inner size of %d", inner)
	}
	if h.uint("ssm.group_count") != 0 {
		return h.fail("ssm.group_count", "must be 0 for this architecture")
	}
	return nil
}

// checkDeltaNet: value heads have the size of the state, and their number is a multiple of that of
// the key heads.
func checkDeltaNet(h *hyperparameters) error {
	if err := checkState(h); err != nil {
		return err
	}
	inner, state, heads := h.uint("ssm.inner_size"), h.uint("ssm.state_size"), h.uint("ssm.time_step_rank")
	if uint64(inner) != uint64(state)*uint64(heads) {
		return h.fail("ssm.inner_size", "must be the time step rank of %d times the state size of %d", heads, state)
	}
	if !divides(h.uint("ssm.group_count"), heads) {
		return h.fail("ssm.group_count", "must divide the time step rank of %d", heads)
	}
	return nil
}

// wkv7Step is the vector length of the engine's kernel for RWKV 7, in numbers of a head, on the CPUs
// with the longest vectors. It reads and writes past the end of a head whose size is not a multiple.
const wkv7Step = 64

// checkRWKVHeads returns a check for the RWKV family: shift is the number of
// earlier tokens that a layer mixes in.
func checkRWKVHeads(shift uint32) func(*hyperparameters) error {
	return func(h *hyperparameters) error {
		size := h.uint("wkv.head_size")
		switch {
		case !divides(size, uint32(h.embd)):
			return h.fail("wkv.head_size", "must divide the embedding length of %d", h.embd)
		case (h.arch == "rwkv7" || h.arch == "arwkv7") && size%wkv7Step != 0:
			return h.fail("wkv.head_size", "must be a multiple of %d", wkv7Step)
		case uint64(h.embd)*uint64(size) > math.MaxInt32:
			return h.fail("wkv.head_size", "too large for the embedding length of %d: the state of a layer has their product", h.embd)
		}
		n, ok, _ := lookupUint32(h.ix, h.key("token_shift_count"))
		if !ok {
			n = 2
		}
		if n != shift {
			return h.fail("token_shift_count", "must be %d for this architecture", shift)
		}
		heads := uint32(h.embd) / size
		for i, kv := range h.kvHeads {
			if kv != h.kvHeads[0] || kv != 0 && heads%kv != 0 {
				return h.fail("attention.head_count_kv", "layer %d has %d, which must divide the %d heads and be the same everywhere", i, kv, heads)
			}
			if kv != 0 && kv != heads && h.arch == "rwkv6" {
				return h.fail("attention.head_count_kv", "must be 0 or the number of heads, %d", heads)
			}
		}
		return h.checkLerp()
	}
}

// checkLerp: the fused mix of a layer has one more row if the layer has a gate.
func (h *hyperparameters) checkLerp() error {
	if h.arch != "rwkv7" && h.arch != "arwkv7" {
		return nil
	}
	for i := range h.layers {
		layer := fmt.Sprintf("blk.%d.", i)
		t, ok := h.ix.Tensor(layer + "time_mix_lerp_fused.weight")
		if !ok {
			continue // the engine refuses it
		}
		_, g1 := h.ix.Tensor(layer + "time_mix_g1.weight")
		_, g2 := h.ix.Tensor(layer + "time_mix_g2.weight")
		want := uint64(5)
		if g1 && g2 {
			want = 6
		}
		if dim(t, 3) != want {
			return h.ix.TensorError(t.Name, t.ShapeText(), fmt.Sprintf("the last dimension must be %d for a layer with or without a gate", want))
		}
	}
	return nil
}

// checkShortConv: a short convolution needs at least one earlier token.
func checkShortConv(h *hyperparameters) error {
	if n := h.uint("shortconv.l_cache"); n < 2 || n > 1<<10 {
		return h.fail("shortconv.l_cache", "must be from 2 to %d", 1<<10)
	}
	return nil
}

// checkLatent checks multi-head latent attention: a part of each key is rotated, the rest is
// expanded from a shared vector.
func checkLatent(h *hyperparameters) error {
	switch {
	case h.rot == 0 || h.rot >= h.keyLength:
		return h.fail("rope.dimension_count", "%d dimensions are rotated, must be fewer than the %d of a key", h.rot, h.keyLength)
	case h.valueLength < 2:
		return h.fail("attention.value_length", "must be at least 2")
	case (h.keyLength-h.rot)%2 != 0 && h.engine >= EngineV0_5:
		return h.fail("attention.key_length", "%d less the %d rotated dimensions must be even", h.keyLength, h.rot)
	}
	for i := range h.layers {
		if h.kvHeads[i] != h.heads[i] {
			return h.fail("attention.head_count_kv", "must be the number of heads, %d", h.heads[i])
		}
	}
	return nil
}

// checkDeepSeek2 checks both layouts of DeepSeek 2 and 3: with absorbed latent attention there is one
// key, which consists of the shared vector and the rotated part.
func checkDeepSeek2(h *hyperparameters) error {
	if scale, ok := h.ix.Lookup(h.key("attention.temperature_scale")); ok {
		if f, _ := scale.Float(); f != 0 && h.uint("attention.temperature_length") == 0 {
			return h.fail("attention.temperature_length", "must not be 0 where there is a temperature scale")
		}
	}
	if h.uint("attention.key_length_mla") == 0 || h.uint("attention.value_length_mla") == 0 {
		return checkLatent(h)
	}
	return h.checkLatentKV()
}

// checkLatentKV checks absorbed latent attention in the layers with heads.
func (h *hyperparameters) checkLatentKV() error {
	keys, values, rank := h.uint("attention.key_length_mla"), h.uint("attention.value_length_mla"), h.uint("attention.kv_lora_rank")
	for i := range h.layers {
		if h.attends(i) && h.kvHeads[i] != 1 {
			return h.fail("attention.head_count_kv", "must be 1 with latent attention")
		}
	}
	switch {
	case h.rot == 0 || h.rot >= keys:
		return h.fail("rope.dimension_count", "%d dimensions are rotated, must be fewer than the %d of a key", h.rot, keys)
	case values == 0:
		return h.fail("attention.value_length_mla", "must not be 0")
	case uint64(h.keyLength) != uint64(rank)+uint64(h.rot):
		return h.fail("attention.key_length", "must be the rank of %d and the %d rotated dimensions", rank, h.rot)
	case h.valueLength != rank:
		return h.fail("attention.value_length", "must be the rank of %d", rank)
	case uint64(h.heads[0])*uint64(max(keys, values)) > math.MaxInt32:
		return h.fail("attention.key_length_mla", "too large for %d heads", h.heads[0])
	}
	return nil
}

// checkT5 checks relative positions and the number of decoder layers, which
// index the same array as the encoder's.
func checkT5(h *hyperparameters) error {
	if n := h.uint("attention.relative_buckets_count"); n < 4 || n > 1<<16 {
		return h.fail("attention.relative_buckets_count", "must be from 4 to %d", 1<<16)
	}
	if h.arch == "t5encoder" {
		return nil
	}
	if n, ok, _ := lookupUint32(h.ix, h.key("decoder_block_count")); ok && (n == 0 || n > uint32(h.layers)) {
		return h.fail("decoder_block_count", "must be from 1 to the block count of %d", h.layers)
	}
	if n, ok, _ := lookupUint32(h.ix, h.key("decoder_start_token_id")); ok && int64(n) >= int64(h.tokens) {
		return h.fail("decoder_start_token_id", "the vocabulary has %d tokens", h.tokens)
	}
	return nil
}

// checkDenseLast: the graph selects its outputs in the last layer, which must have a feed-forward
// network.
func checkDenseLast(h *hyperparameters) error {
	if h.ff[h.layers-1] == 0 {
		return h.fail("feed_forward_length", "must not be 0 in the last layer")
	}
	return nil
}

func checkDeepStack(h *hyperparameters) error {
	n, most := h.uint("n_deepstack_layers"), uint32(h.layers)
	if h.engine >= EngineV0_5 {
		most = uint32(h.trunk) - 1 // the last layer has fewer rows
	}
	if n > most {
		return h.fail("n_deepstack_layers", "must be at most %d, as there are %d layers", most, h.layers)
	}
	return nil
}

// checkBaichuan: the engine distinguishes the sizes of Baichuan, with and without rope, by the number
// of layers.
func checkBaichuan(h *hyperparameters) error {
	if h.layers != 32 && h.layers != 40 {
		return h.fail("block_count", "models of this architecture have 32 or 40 layers")
	}
	return nil
}

// checkChameleon: the graph suppresses the image tokens by their ids.
func checkChameleon(h *hyperparameters) error {
	const imageTokens = 8196
	if h.tokens < imageTokens {
		return valueError(h.ix, "tokenizer.ggml.tokens", fmt.Sprintf("%d tokens", h.tokens), fmt.Sprintf("this architecture numbers its image tokens up to %d", imageTokens))
	}
	return nil
}

func checkErnieMoE(h *hyperparameters) error {
	if h.uint("interleave_moe_layer_step") == 0 {
		return h.fail("interleave_moe_layer_step", "must not be 0")
	}
	return nil
}

// checkGrove: groups of experts share smaller experts.
func checkGrove(h *hyperparameters) error {
	per := h.uint("experts_per_group")
	if !divides(per, h.experts) || h.experts/per < h.expertsUsed {
		return h.fail("experts_per_group", "must divide the %d experts into at least %d groups", h.experts, h.expertsUsed)
	}
	if h.uint("expert_group_count") > 1 {
		return h.fail("expert_group_count", "must be 0 or 1 for this architecture")
	}
	return nil
}

// checkDenseModules: the dense layers after an embedding model start and end with its width.
func checkDenseModules(h *hyperparameters) error {
	for _, name := range []string{"dense_2_feat_in", "dense_3_feat_out"} {
		if n := h.uint(name); n != 0 && n != uint32(h.embd) {
			return h.fail(name, "must be the embedding length of %d", h.embd)
		}
	}
	if out, in := h.uint("dense_2_feat_out"), h.uint("dense_3_feat_in"); out != in {
		return h.fail("dense_3_feat_in", "must be dense_2_feat_out: %d", out)
	}
	return nil
}

// checkRWKV6Mix: the engine asserts that a layer has the mixes of the old layout or
// the fused one.
func checkRWKV6Mix(h *hyperparameters) error {
	for i := range h.layers {
		layer := fmt.Sprintf("blk.%d.time_mix_lerp_", i)
		_, fused := h.ix.Tensor(layer + "fused.weight")
		_, old := h.ix.Tensor(layer + "w.weight")
		if !fused && !old {
			return h.ix.TensorError(layer+"fused.weight", "missing", "the engine needs it")
		}
	}
	return checkRWKVHeads(2)(h)
}

// checkWavTokenizer: the layers of both nets share one array, and the first net has six kinds of
// layer, one of each.
func checkWavTokenizer(h *hyperparameters) error {
	const posnetLayers = 6
	if n := h.uint("posnet.block_count"); n > posnetLayers || n > uint32(h.layers) {
		return h.fail("posnet.block_count", "must be at most %d and the block count of %d", posnetLayers, h.layers)
	}
	if n := h.uint("convnext.block_count"); n > uint32(h.layers) {
		return h.fail("convnext.block_count", "must be at most the block count of %d", h.layers)
	}
	width := h.uint("posnet.embedding_length")
	if width == 0 || h.uint("convnext.embedding_length") != width {
		return h.fail("convnext.embedding_length", "must be that of posnet: %d", width)
	}
	if groups := h.uint("attention.group_norm_groups"); !divides(groups, width) {
		return h.fail("attention.group_norm_groups", "must divide the width of %d", width)
	}
	return nil
}
