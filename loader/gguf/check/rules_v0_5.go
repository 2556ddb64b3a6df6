package check

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// list returns the elements of an array, or a number for each layer; nil if the key is missing.
func (h *hyperparameters) list(name string) []int64 {
	v, ok := h.ix.Lookup(h.key(name))
	if !ok {
		return nil
	}
	var list []int64
	switch {
	case v.Type() != gguf.ValueArray:
		n, _ := v.Uint()
		for range h.layers {
			list = append(list, int64(min(n, math.MaxInt64)))
		}
	case v.ElemType() == gguf.ValueBool:
		for _, e := range v.Elems() {
			n := int64(0)
			if on, _ := e.Bool(); on {
				n = 1
			}
			list = append(list, n)
		}
	case v.ElemType() == gguf.ValueUint64:
		for _, e := range v.Elems() {
			n, _ := e.Uint()
			list = append(list, int64(min(n, math.MaxInt64)))
		}
	default:
		for _, n := range intsOf(v) {
			list = append(list, n)
		}
	}
	return list
}

// flags returns which layers a list marks. Layers beyond its end are not marked.
func (h *hyperparameters) flags(name string) []bool {
	marked := make([]bool, h.layers)
	for i, n := range h.list(name) {
		if i < h.layers {
			marked[i] = n != 0
		}
	}
	return marked
}

const patternKey = "attention.sliding_window_pattern"

// windowLayers returns which layers have a sliding window: from a list, or a period in the file, or
// the architecture's period.
func (h *hyperparameters) windowLayers() []bool {
	period := h.rule.window
	if v, ok := h.ix.Lookup(h.key(patternKey)); ok {
		if v.Type() == gguf.ValueArray {
			return h.flags(patternKey)
		}
		period = int(h.uint(patternKey))
	}
	layers := make([]bool, h.layers)
	for i := range h.trunk {
		switch {
		case period == 0:
			layers[i] = true
		case h.rule.denseFirst:
			layers[i] = i%period != 0
		default:
			layers[i] = i%period < period-1
		}
	}
	return layers
}

// checkPattern checks that there are layers with a sliding window: the engine makes a cache for them.
func (h *hyperparameters) checkPattern() error {
	v, given := h.ix.Lookup(h.key(patternKey))
	switch {
	case h.rule.window == 0 && !h.rule.patternGiven:
		return nil
	case h.rule.patternGiven && (!given || v.Type() != gguf.ValueArray):
		return h.fail(patternKey, "must be a list of the layers with a sliding window")
	}
	if !slices.Contains(h.windowLayers(), true) {
		return h.fail(patternKey, "none of the %d layers has a sliding window", h.layers)
	}
	return nil
}

// checkGemma4: the last layers use the keys and values of the last layer of their kind before them,
// which the engine looks for in two places.
func checkGemma4(h *hyperparameters) error {
	const name = "attention.shared_kv_layers"
	shared := h.uint(name)
	if shared == 0 {
		return nil
	}
	if int64(shared) > int64(h.layers)-2 {
		return h.fail(name, "must leave 2 of the %d layers", h.layers)
	}
	own := h.layers - int(shared)
	windows := h.windowLayers()
	for i := own; i < h.layers; i++ {
		from := own - 1
		if windows[i] {
			from = own - 2
		}
		if windows[from] != windows[i] {
			return h.fail(patternKey, "layer %d must be of the kind of layer %d, which uses its keys and values", from, i)
		}
		if h.kvHeads[from] != h.kvHeads[i] {
			return h.fail("attention.head_count_kv", "layer %d must have as many as layer %d, whose keys and values it uses", i, from)
		}
	}
	return nil
}

// recurrentLayers returns which layers are recurrent, by a list or the interval of the others.
func (h *hyperparameters) recurrentLayers(interval uint32) []bool {
	const name = "attention.recurrent_layers"
	if _, ok := h.ix.Lookup(h.key(name)); ok {
		return h.flags(name)
	}
	layers := make([]bool, h.layers)
	for i := range h.trunk {
		layers[i] = uint32(i+1)%interval != 0
	}
	return layers
}

// checkRecurrentLayers returns a check for architectures of which every layer but each nth is
// recurrent. There must be layers of both kinds.
func checkRecurrentLayers(usual uint32, state func(*hyperparameters) error) func(*hyperparameters) error {
	return func(h *hyperparameters) error {
		const name = "full_attention_interval"
		interval := usual
		if n, ok, _ := lookupUint32(h.ix, h.key(name)); ok {
			if interval = n; n == 0 {
				return h.fail(name, "must not be 0")
			}
		}
		recurrent := h.recurrentLayers(interval)[:h.trunk]
		for i := range recurrent {
			for _, kind := range h.rule.recurrent {
				name := fmt.Sprintf("blk.%d.%s", i, kind)
				if _, ok := h.ix.Tensor(name); !ok && recurrent[i] {
					return h.ix.TensorError(name, "missing", "the engine's graph needs it in a recurrent layer")
				}
			}
		}
		if !slices.Contains(recurrent, true) || !slices.Contains(recurrent, false) {
			return h.fail(name, "a model of this architecture has layers with attention and recurrent ones, in its %d", h.trunk)
		}
		return state(h)
	}
}

// checkQwen3Next: a recurrent layer has its projections in one of two layouts.
func checkQwen3Next(h *hyperparameters) error {
	if err := checkRecurrentLayers(4, checkDeltaNet)(h); err != nil {
		return err
	}
	for i := range h.trunk {
		layer := fmt.Sprintf("blk.%d.", i)
		has := func(kind string) bool { _, ok := h.ix.Tensor(layer + kind); return ok }
		if has("ssm_conv1d.weight") && !has("ssm_in.weight") && !(has(mixed[0]) && has(mixed[1])) {
			return h.ix.TensorError(layer+"ssm_in.weight", "missing", "the engine's graph needs it, or "+mixed[0]+" and "+mixed[1])
		}
	}
	return nil
}

// checkLightning: the state of linear attention is a square for each head.
func checkLightning(h *hyperparameters) error {
	if uint64(h.keyLength)*uint64(h.keyLength)*uint64(h.heads[0]) > math.MaxInt32 {
		return h.fail("attention.key_length", "the state of a layer is too large: %d heads of %d", h.heads[0], h.keyLength)
	}
	return nil
}

// checkIndexer checks the heads that choose the tokens to attend to. With a rotation of Hadamard's, the
// engine has matrices for powers of two from 64.
func (h *hyperparameters) checkIndexer(hadamard bool) error {
	const name = "attention.indexer.key_length"
	heads, key := h.uint("attention.indexer.head_count"), h.uint(name)
	switch {
	case heads == 0 || heads > maxHeads:
		return h.fail("attention.indexer.head_count", "must be from 1 to %d", maxHeads)
	case key == 0 || key > 1<<12:
		return h.fail(name, "must be from 1 to %d", 1<<12)
	case hadamard && (key < 64 || key&(key-1) != 0):
		return h.fail(name, "must be a power of 2, at least 64")
	case key < h.rot:
		return h.fail(name, "must be at least the %d dimensions that are rotated", h.rot)
	}
	if top := h.uint("attention.indexer.top_k"); top == 0 || top > math.MaxInt32 {
		return h.fail("attention.indexer.top_k", "must be from 1 to %d", math.MaxInt32)
	}
	return nil
}

// checkIndexerTypes checks which layers have an indexer: the others use that of a layer before them.
func (h *hyperparameters) checkIndexerTypes(first int) error {
	const name = "attention.indexer.types"
	if _, ok := h.ix.Lookup(h.key(name)); ok && !h.flags(name)[first] {
		return h.fail(name, "layer %d must have an indexer, as there is none before it", first)
	}
	return nil
}

// checkSparse checks latent attention with an indexer.
func checkSparse(h *hyperparameters) error {
	if err := h.checkLatentKV(); err != nil {
		return err
	}
	return h.checkIndexer(true)
}

// longContext is the context from which on GLM 5 has an indexer in some layers only.
const longContext = 1 << 20

// checkGLM5: the tensors of indexers are optional for the loader, as only some layers have them.
func checkGLM5(h *hyperparameters) error {
	if err := checkSparse(h); err != nil {
		return err
	}
	const name = "attention.indexer.types"
	if v, ok := h.ix.Lookup(h.key(name)); ok && v.Type() == gguf.ValueArray && v.Len() != h.trunk {
		return h.fail(name, "has %d elements for %d layers", v.Len(), h.trunk)
	}
	if err := h.checkIndexerTypes(0); err != nil {
		return err
	}
	full := h.flags(name)
	_, given := h.ix.Lookup(h.key(name))
	for i := range h.trunk {
		usual := h.uint("context_length") < longContext || i < 2 || i < 78 && i%4 == 2
		if given && !full[i] || !given && !usual {
			continue
		}
		for _, kind := range []string{"proj", "attn_k", "attn_q_b", "k_norm"} {
			name := fmt.Sprintf("blk.%d.indexer.%s.weight", i, kind)
			if _, ok := h.ix.Tensor(name); !ok {
				return h.ix.TensorError(name, "missing", "the engine's graph needs it in a layer with an indexer")
			}
		}
	}
	return nil
}

// checkDots3: layers with a sliding window have latent attention of another size, and no indexer.
func checkDots3(h *hyperparameters) error {
	if err := checkSparse(h); err != nil {
		return err
	}
	const name = "attention.indexer.types"
	windows, full := h.windowLayers(), h.flags(name)
	for i := range h.trunk {
		if windows[i] == full[i] {
			return h.fail(name, "layer %d must have either a sliding window or an indexer", i)
		}
	}
	rank, keys, values := h.uint("attention.kv_lora_rank_swa"), h.uint("attention.key_length_mla_swa"), h.uint("attention.value_length_mla_swa")
	key, value, rot := h.keyLength, h.valueLength, h.rot
	for name, n := range map[string]*uint32{"attention.key_length_swa": &key, "attention.value_length_swa": &value, "rope.dimension_count_swa": &rot} {
		if given, ok, _ := lookupUint32(h.ix, h.key(name)); ok {
			*n = given
		}
	}
	switch {
	case rot != h.rot:
		return h.fail("rope.dimension_count_swa", "must be the %d of the other layers", h.rot)
	case keys <= rot || values == 0:
		return h.fail("attention.key_length_mla_swa", "must be more than the %d dimensions that are rotated", rot)
	case uint64(key) != uint64(rank)+uint64(rot):
		return h.fail("attention.key_length_swa", "must be the rank of %d and the %d rotated dimensions", rank, rot)
	case value != rank:
		return h.fail("attention.value_length_swa", "must be the rank of %d", rank)
	}
	return nil
}

// checkStreams checks the parallel streams of a model with hyper-connections.
func (h *hyperparameters) checkStreams(least, most uint32) error {
	const name = "hyper_connection.count"
	n := h.uint(name)
	switch {
	case n == least && n == most:
	case least == most:
		return h.fail(name, "must be %d for this architecture", least)
	case n < least || n > most:
		return h.fail(name, "must be from %d to %d", least, most)
	}
	if uint64(n)*uint64(h.embd) > math.MaxInt32 {
		return h.fail(name, "too large for the embedding length of %d", h.embd)
	}
	return nil
}

const maxStreams = 64 // of hyper-connections

func checkHunyuan4(h *hyperparameters) error {
	if err := h.checkLatentKV(); err != nil {
		return err
	}
	if err := h.checkStreams(1, maxStreams); err != nil {
		return err
	}
	const top = "attention.indexer.top_k"
	if _, ok := h.ix.Lookup(h.key(top)); !ok || h.uint(top) == 0 {
		return nil
	}
	const types = "attention.indexer.types"
	if _, ok := h.ix.Lookup(h.key(types)); !ok {
		return missingKey(h.ix, h.key(types))
	}
	if err := h.checkIndexer(false); err != nil {
		return err
	}
	if key := "attention.indexer.key_length"; h.uint(key)%2 != 0 {
		return h.fail(key, "must be even")
	}
	return h.checkIndexerTypes(0)
}

// checkDeepSeek4: the engine has kernels for 4 streams, and for layers that compress their keys by 4,
// by 128 or not. It divides by the size of the cache of those that compress by 4.
func checkDeepSeek4(h *hyperparameters) error {
	if err := h.checkStreams(4, 4); err != nil {
		return err
	}
	if err := h.checkIndexer(true); err != nil {
		return err
	}
	const groupsKey, rankKey, ratiosKey = "attention.output_group_count", "attention.output_lora_rank", "attention.compress_ratios"
	groups, rank := h.uint(groupsKey), h.uint(rankKey)
	switch {
	case !divides(groups, h.heads[0]):
		return h.fail(groupsKey, "must divide the %d heads", h.heads[0])
	case rank == 0 || uint64(rank)*uint64(groups) > math.MaxInt32:
		return h.fail(rankKey, "must not be 0, and be less than 2^31 times the groups")
	case h.uint("expert_gating_func") != 4:
		return h.fail("expert_gating_func", "must be 4 (root of softplus)")
	case h.kvHeads[0] != 1:
		return h.fail("attention.head_count_kv", "must be 1 for this architecture")
	}
	const rounds, most = "hyper_connection.sinkhorn_iterations", 1 << 10
	if n := h.uint(rounds); n == 0 || n > most {
		return h.fail(rounds, "must be from 1 to %d", most)
	}
	ratios := h.list(ratiosKey)
	if len(ratios) < h.layers {
		return h.fail(ratiosKey, "has %d elements for %d layers", len(ratios), h.layers)
	}
	for i, n := range ratios[:h.layers] {
		if n != 0 && n != 4 && n != 128 {
			return h.fail(ratiosKey, "layer %d has %d, must have 0, 4 or 128", i, n)
		}
	}
	if !slices.Contains(ratios[:h.trunk], 4) {
		return h.fail(ratiosKey, "must be 4 in one of the %d layers", h.trunk)
	}
	return h.checkRouting()
}

// checkRouting reads the tables of layers whose experts are chosen by the token: the engine asserts that
// the experts exist.
func (h *hyperparameters) checkRouting() error {
	const most = 1 << 28
	for _, t := range h.ix.Tensors() {
		if _, kind, _ := splitName(t.Name); kind != routingTable {
			continue
		}
		if t.Size > most {
			return h.ix.TensorError(t.Name, t.ShapeText(), "too large")
		}
		table := make([]byte, t.Size)
		if err := h.ix.ReadTensor(t, table, 0); err != nil {
			return err
		}
		for i := 0; i < len(table); i += 4 {
			if id := binary.LittleEndian.Uint32(table[i:]); id >= h.experts {
				return h.ix.TensorError(t.Name, fmt.Sprintf("element %d is %d", i/4, int32(id)), fmt.Sprintf("the model has %d experts", h.experts))
			}
		}
	}
	return nil
}

func checkQwen4(h *hyperparameters) error {
	if err := checkRecurrentLayers(4, checkDeltaNet)(h); err != nil {
		return err
	}
	if err := h.checkStreams(2, maxStreams); err != nil {
		return err
	}
	if err := h.checkIndexer(false); err != nil {
		return err
	}
	const most = 64
	for i, n := range h.list("attention.compress_ratios") {
		if n < 0 || n > most {
			return h.fail("attention.compress_ratios", "layer %d has %d, must have from 0 to %d", i, n, most)
		}
	}
	for i := range h.trunk {
		name := fmt.Sprintf("blk.%d.attn_qkv.weight", i)
		_, fused := h.ix.Tensor(name)
		if _, recurrent := h.ix.Tensor(fmt.Sprintf("blk.%d.ssm_conv1d.weight", i)); fused && !recurrent {
			return h.ix.TensorError(name, "", "the engine's graph of this architecture needs three tensors instead")
		}
	}
	return h.checkNGrams()
}

// checkNGrams: the embeddings of n-grams are as wide as the model in all, and are mixed with those of
// earlier tokens.
func (h *hyperparameters) checkNGrams() error {
	if len(h.list("ple.layers")) == 0 {
		return nil
	}
	const size = "embedding_length_per_layer_input"
	tokens, heads, width := h.uint("ple.ngram_size"), h.uint("ple.heads_per_ngram"), h.uint(size)
	switch {
	case tokens < 2 || tokens > 8:
		return h.fail("ple.ngram_size", "must be from 2 to 8")
	case uint64(tokens-1)*uint64(heads)*uint64(width) != uint64(h.embd):
		return h.fail(size, "%d heads of that length for each of %d sizes are not the embedding length of %d", heads, tokens-1, h.embd)
	}
	if n := h.uint("ple.conv_kernel"); n < 2 || n > 1<<10 {
		return h.fail("ple.conv_kernel", "must be from 2 to %d", 1<<10)
	}
	return nil
}

// checkKDA checks layers of Kimi's delta attention, and latent attention in the others.
func checkKDA(h *hyperparameters) error {
	head, conv := h.uint("kda.head_dim"), h.uint("ssm.conv_kernel")
	switch {
	case head == 0 || head > 1<<12 || uint64(head)*uint64(head)*uint64(h.heads[0]) > math.MaxInt32:
		return h.fail("kda.head_dim", "must be from 1 to %d, with a state for %d heads of less than 2^31", 1<<12, h.heads[0])
	case conv < 2 || conv > 1<<10:
		return h.fail("ssm.conv_kernel", "must be from 2 to %d", 1<<10)
	}
	return h.checkLatentKV()
}

func checkBailing3(h *hyperparameters) error {
	if v, ok := h.ix.Lookup(h.key("kda.safe_gate")); ok {
		if on, _ := v.Bool(); !on {
			return h.fail("kda.safe_gate", "must be true for this architecture")
		}
	}
	v, _ := h.ix.Lookup(h.key("kda.gate_lower_bound"))
	if f, _ := v.Float(); !(f < 0) {
		return h.fail("kda.gate_lower_bound", "must be negative")
	}
	return checkKDA(h)
}

// checkMiniMax3: each group of heads has an indexer of its own.
func checkMiniMax3(h *hyperparameters) error {
	if err := h.checkIndexer(false); err != nil {
		return err
	}
	if n := h.uint("attention.indexer.head_count"); n != h.kvHeads[0] {
		return h.fail("attention.indexer.head_count", "must be the %d heads for keys and values", h.kvHeads[0])
	}
	if n := h.uint("leading_dense_block_count"); n >= uint32(h.trunk) {
		return h.fail("leading_dense_block_count", "must be less than the %d layers", h.trunk)
	}
	for _, name := range []string{"attention.indexer.block_size", "attention.indexer.local_blocks"} {
		if n := h.uint(name); n == 0 || n > 1<<20 {
			return h.fail(name, "must be from 1 to %d", 1<<20)
		}
	}
	return nil
}

// checkDeepStackMap checks the layers to which the rows of an image are added.
func checkDeepStackMap(h *hyperparameters) error {
	const rope = "attention.rope_pattern"
	if list := h.list(rope); len(list) >= h.layers && !slices.Contains(h.flags(rope), true) {
		return h.fail(rope, "none of the %d layers has rotary embeddings", h.layers)
	}
	const name = "deepstack_mapping"
	rows := map[int64]bool{}
	list := h.list(name)
	for _, n := range list {
		rows[n] = n >= 0
	}
	for i, n := range list {
		if n >= int64(len(rows)) || n < -1 {
			return h.fail(name, "element %d is %d, must be less than the %d rows", i, n, len(rows))
		}
	}
	return nil
}

// checkBothKinds: without a cache, the engine makes masks for both kinds of layer.
func checkBothKinds(h *hyperparameters) error {
	inForce := h.uint("attention.sliding_window") > 0 || h.rule.windows == windowAlways
	if inForce && !slices.Contains(h.windowLayers()[:h.trunk], false) {
		return h.fail(patternKey, "all %d layers have a sliding window, one must have none", h.trunk)
	}
	return nil
}

func checkEmbeddingGemma(h *hyperparameters) error {
	if err := checkBothKinds(h); err != nil {
		return err
	}
	return checkDenseModules(h)
}

// checkQKV: the engine's loader takes the tensors of attention for optional.
func checkQKV(h *hyperparameters) error {
	for i := range h.trunk {
		layer := fmt.Sprintf("blk.%d.attn_", i)
		if _, fused := h.ix.Tensor(layer + "qkv.weight"); fused {
			continue
		}
		for _, kind := range []string{"q", "k", "v"} {
			if _, ok := h.ix.Tensor(layer + kind + ".weight"); !ok {
				return h.ix.TensorError(layer+kind+".weight", "missing", "the engine's graph needs it, or attn_qkv.weight instead of three")
			}
		}
	}
	return nil
}

// checkSwitch checks the adapters that are part of a model.
func checkSwitch(h *hyperparameters) error {
	const countKey, rankKey = "adapters.count", "adapters.lora_rank"
	const most = 4096
	n, rank := h.uint(countKey), h.uint(rankKey)
	switch {
	case n > most:
		return h.fail(countKey, "must be at most %d", most)
	case rank == 0 || rank > most:
		return h.fail(rankKey, "must be from 1 to %d", most)
	case h.layers >= maxLayers:
		return h.fail("block_count", "must be less than %d for this architecture", maxLayers)
	case h.trunk != h.layers:
		return h.fail("nextn_predict_layers", "must be 0 for this architecture")
	}
	for _, name := range []string{"adapters.token_ids_activate", "adapters.token_ids_substitute"} {
		list := h.list(name)
		if len(list) != int(n) {
			return h.fail(name, "has %d elements for %d adapters", len(list), n)
		}
		for i, id := range list {
			if id < 0 || id >= int64(h.tokens) {
				return h.fail(name, "element %d is %d, and the vocabulary has %d tokens", i, id, h.tokens)
			}
		}
	}
	return nil
}

// checkStacks: two stacks of layers are run in cycles, and each run has a layer of the cache.
func checkStacks(h *hyperparameters) error {
	layers, high, low := h.uint("hrm.layers_per_stack"), h.uint("hrm.h_cycles"), h.uint("hrm.l_cycles")
	for name, n := range map[string]uint32{"hrm.layers_per_stack": layers, "hrm.h_cycles": high, "hrm.l_cycles": low} {
		if n == 0 || n > maxLayers {
			return h.fail(name, "must be from 1 to %d", maxLayers)
		}
	}
	if runs := uint64(layers) * uint64(high) * (uint64(low) + 1); runs != uint64(h.trunk) {
		return h.fail("block_count", "must be the %d layers of all cycles", runs)
	}
	return nil
}

// checkLoops: all layers are run several times, and each run has a layer of the cache.
func checkLoops(h *hyperparameters) error {
	const name = "num_loops"
	if n, ok, _ := lookupUint32(h.ix, h.key(name)); ok && (n == 0 || uint64(n)*uint64(h.trunk) > maxLayers) {
		return h.fail(name, "must be at least 1, and at most %d layers in all", maxLayers)
	}
	if h.trunk != h.layers {
		return h.fail("nextn_predict_layers", "must be 0 for this architecture")
	}
	return nil
}

// ttsTokens is the size of the engine's output for tokens of speech.
const ttsTokens = 3072

// checkTTS: the output has a size of its own, which the engine extends to that of the vocabulary.
func checkTTS(h *hyperparameters) error {
	if _, own := h.ix.Tensor("output.weight"); own && h.tokens < ttsTokens {
		return valueError(h.ix, "tokenizer.ggml.tokens", fmt.Sprintf("%d tokens", h.tokens), fmt.Sprintf("this architecture has an output for %d", ttsTokens))
	}
	return checkDeepStack(h)
}

// checkSameHeads: the graph takes the heads of layers with a sliding window for as large as the others.
func checkSameHeads(h *hyperparameters) error {
	for name, usual := range map[string]uint32{"attention.key_length_swa": h.keyLength, "attention.value_length_swa": h.valueLength} {
		if n, ok, _ := lookupUint32(h.ix, h.key(name)); ok && n != usual {
			return h.fail(name, "must be the %d of the other layers", usual)
		}
	}
	return nil
}

// checkNoRope: every fourth layer has no rotary embeddings and scales its attention; the engine fails
// without one.
func checkNoRope(h *hyperparameters) error {
	const period = 4
	if h.trunk < period {
		return h.fail("block_count", "a model of this architecture has %d layers or more", period)
	}
	return nil
}

// checkHalfRope: half of the dimensions are rotated in layers without a sliding window.
func checkHalfRope(h *hyperparameters) error {
	if h.rot%4 != 0 {
		return h.fail("rope.dimension_count", "%d dimensions are rotated, must be a multiple of 4", h.rot)
	}
	return checkSameHeads(h)
}

// checkExpertTensors: the engine's loader takes tensors of a mixture for optional that the graph
// needs beside others.
func (h *hyperparameters) checkExpertTensors() error {
	const router, down, up, gateUp = "ffn_gate_inp.weight", "ffn_down_exps.weight", "ffn_up_exps.weight", "ffn_gate_up_exps.weight"
	const latentDown, latentUp = "ffn_latent_down.weight", "ffn_latent_up.weight"
	latentSize := h.uint("moe_latent_size")
	shared := []string{"ffn_gate_shexp.weight", "ffn_up_shexp.weight", "ffn_down_shexp.weight"}
	for i := range h.trunk {
		layer := fmt.Sprintf("blk.%d.", i)
		has := func(kind string) bool { _, ok := h.ix.Tensor(layer + kind); return ok }
		missing := ""
		switch {
		case has(router) && !has(down):
			missing = down
		case has(router) && !has(up) && !has(gateUp):
			missing = up
		case has(router) && latentSize > 0 && !has(latentDown):
			missing = latentDown
		case has(router) && latentSize > 0 && !has(latentUp):
			missing = latentUp
		case !slices.ContainsFunc(shared, has):
		case !has(shared[1]):
			missing = shared[1]
		case !has(shared[2]):
			missing = shared[2]
		}
		if missing != "" {
			return h.ix.TensorError(layer+missing, "missing", "the engine's graph needs it in a layer with experts")
		}
	}
	return nil
}

// checkOutputWidth: the engine copies embeddings of that width from its graph.
func (h *hyperparameters) checkOutputWidth() error {
	const name = "embedding_length_out"
	n := h.uint(name)
	if n == 0 || n == uint32(h.embd) {
		return nil
	}
	if t, ok := h.ix.Tensor("dense_2.weight"); ok && dim(t, 1) == uint64(n) {
		return nil
	}
	return h.fail(name, "must be the embedding length of %d, or the width of dense_2.weight", h.embd)
}

// checkV0_5 checks what engines of v0.5.x require of all architectures in addition.
func (h *hyperparameters) checkV0_5() error {
	if h.engine < EngineV0_5 {
		return nil
	}
	if n := h.uint("leading_dense_block_count"); n > math.MaxInt32 {
		return h.fail("leading_dense_block_count", "must be less than 2^31")
	}
	if err := h.checkOutputWidth(); err != nil {
		return err
	}
	return h.checkExpertTensors()
}
