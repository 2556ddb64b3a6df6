//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"cmp"
	"runtime"
	"slices"
	"strconv"
	"unsafe"

	"github.com/seed7adf6694/infer/llama/internal/enginepath"
)

// native returns the engine's parameters, and a function that frees them.
func (p ModelParams) native() (n C.infer_model_params, free func(), err error) {
	n = C.infer_model_params{
		use_mmap:        C.bool(p.MMap),
		vocab_only:      C.bool(p.VocabOnly),
		check_tensors:   C.bool(p.CheckTensors),
		use_extra_bufts: C.bool(p.Repack),
		no_host:         C.bool(p.Repack || p.Blocks != nil),
		n_gpu_layers:    clampInt32(p.GPULayers),
		main_gpu:        clampInt32(p.MainGPU),
		split_mode:      splitModes[p.Split],
	}
	if len(p.TensorSplit) > 0 {
		devices := int(C.infer_llama_max_devices())
		split := unsafe.Slice((*float32)(C.calloc(C.size_t(devices), 4)), devices)
		copy(split, p.TensorSplit)
		n.tensor_split = (*C.float)(&split[0])
	}
	var patterns, devices []string
	for _, o := range p.Overrides {
		patterns, devices = append(patterns, o.Pattern), append(devices, o.Device)
		n.uses_devices = n.uses_devices || C.bool(o.Device != "CPU")
	}
	free = func() { C.free(unsafe.Pointer(n.tensor_split)) }
	var freePatterns, freeDevices func()
	if n.patterns, freePatterns, err = cStrings(patterns); err != nil {
		free()
		return n, nil, err
	}
	if n.devices, freeDevices, err = cStrings(devices); err != nil {
		freePatterns()
		free()
		return n, nil, err
	}
	n.n_overrides = C.size_t(len(patterns))
	return n, func() { freeDevices(); freePatterns(); C.free(unsafe.Pointer(n.tensor_split)) }, nil
}

// paths returns the paths of a model's files as C strings, and a function that frees them.
func (p ModelParams) paths(path string) (array []*C.char, free func(), err error) {
	list := []string{path}
	if len(p.Shards) > 0 {
		list = slices.Clone(p.Shards)
	}
	for i := range list {
		list[i] = enginepath.Native(list[i])
	}
	first, free, err := cStrings(list)
	if err != nil {
		return nil, nil, err
	}
	return unsafe.Slice(first, len(list)), free, nil
}

// native returns the engine's parameters, and refuses those that would fail an assertion of the
// engine.
func (p ContextParams) native(ms *modelState) (C.infer_context_params, error) {
	n := C.infer_context_defaults()
	if err := p.Check(); err != nil {
		return n, err
	}
	err := cmp.Or(
		integer("sequences", p.SeqMax, 0, int(C.infer_llama_max_parallel_sequences())),
		integer("threads", p.Threads, 0, C.GGML_MAX_N_THREADS),
		integer("batch threads", p.BatchThreads, 0, C.GGML_MAX_N_THREADS),
	)
	if err != nil {
		return n, err
	}
	switch {
	case p.Ctx > 0:
		n.n_ctx = C.uint32_t(p.Ctx)
	case p.Ctx < 0:
		n.n_ctx = 0
	}
	if p.Batch > 0 {
		n.n_batch = C.uint32_t(p.Batch)
	}
	if p.UBatch > 0 {
		n.n_ubatch = C.uint32_t(p.UBatch)
	}
	n.n_seq_max = C.uint32_t(max(p.SeqMax, 1))
	if n.n_ctx != 0 && n.n_ctx < n.n_seq_max {
		return n, argument("a context of %d tokens is too small for %d sequences: use at least 1 token per sequence", p.Ctx, p.SeqMax)
	}
	n.n_threads = C.int32_t(min(runtime.GOMAXPROCS(0), C.GGML_MAX_N_THREADS))
	if p.Threads > 0 {
		n.n_threads = C.int32_t(p.Threads)
	}
	n.n_threads_batch = n.n_threads
	if p.BatchThreads > 0 {
		n.n_threads_batch = C.int32_t(p.BatchThreads)
	}
	n.flash_attn_type = flashAttentions[p.FlashAttn]
	n.pooling_type = poolings[p.Pooling]
	n.attention_type = attentions[p.Attention]
	n.rope_scaling_type = ropeScalings[p.RopeScaling]
	n.rope_freq_base, n.rope_freq_scale = C.float(p.RopeFreqBase), C.float(p.RopeFreqScale)
	n.yarn_orig_ctx = C.uint32_t(p.YaRNOrigCtx)
	for _, f := range []struct {
		dst *C.float
		v   float32
	}{{&n.yarn_ext_factor, p.YaRNExtFactor}, {&n.yarn_attn_factor, p.YaRNAttnFactor}, {&n.yarn_beta_fast, p.YaRNBetaFast}, {&n.yarn_beta_slow, p.YaRNBetaSlow}} {
		if f.v != 0 {
			*f.dst = C.float(f.v)
		}
	}
	n.type_k, n.type_v = cacheTypes[p.CacheTypeK], cacheTypes[p.CacheTypeV]
	if C.infer_llama_model_n_layer(ms.model) > 0 {
		for _, c := range []struct {
			which, name string
			typ         C.enum_ggml_type
			head        int
		}{{"K", p.CacheTypeK, n.type_k, headLength(ms.model, "key")}, {"V", p.CacheTypeV, n.type_v, headLength(ms.model, "value")}} {
			if block := int(C.infer_ggml_blck_size(c.typ)); c.head%block != 0 { // otherwise the engine would split a quantisation block
				return n, invalid(c.which+" cache type", strconv.Quote(c.name), "has a block size of %d, which does not divide the head size %d: use another type, such as f16", block, c.head)
			}
		}
	}
	n.embeddings = C.bool(p.Embeddings)
	n.offload_kqv = C.bool(!p.NoOffloadKQV)
	n.swa_full = C.bool(p.SWAFull)
	n.kv_unified = C.bool(p.KVUnified)
	return n, nil
}

// The engine's values of the enumerations, whose values have been checked.
var (
	splitModes      = [...]C.enum_llama_split_mode{SplitLayer: C.LLAMA_SPLIT_MODE_LAYER, SplitNone: C.LLAMA_SPLIT_MODE_NONE, SplitRow: C.LLAMA_SPLIT_MODE_ROW}
	flashAttentions = [...]C.enum_llama_flash_attn_type{FlashAuto: C.LLAMA_FLASH_ATTN_TYPE_AUTO, FlashOff: C.LLAMA_FLASH_ATTN_TYPE_DISABLED, FlashOn: C.LLAMA_FLASH_ATTN_TYPE_ENABLED}
	poolings        = [...]C.enum_llama_pooling_type{PoolingDefault: C.LLAMA_POOLING_TYPE_UNSPECIFIED, PoolingNone: C.LLAMA_POOLING_TYPE_NONE, PoolingMean: C.LLAMA_POOLING_TYPE_MEAN,
		PoolingCLS: C.LLAMA_POOLING_TYPE_CLS, PoolingLast: C.LLAMA_POOLING_TYPE_LAST, PoolingRank: C.LLAMA_POOLING_TYPE_RANK}
	attentions   = [...]C.enum_llama_attention_type{AttentionDefault: C.LLAMA_ATTENTION_TYPE_UNSPECIFIED, AttentionCausal: C.LLAMA_ATTENTION_TYPE_CAUSAL, AttentionNonCausal: C.LLAMA_ATTENTION_TYPE_NON_CAUSAL}
	ropeScalings = [...]C.enum_llama_rope_scaling_type{RopeDefault: C.LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED, RopeNone: C.LLAMA_ROPE_SCALING_TYPE_NONE, RopeLinear: C.LLAMA_ROPE_SCALING_TYPE_LINEAR,
		RopeYaRN: C.LLAMA_ROPE_SCALING_TYPE_YARN, RopeLongRoPE: C.LLAMA_ROPE_SCALING_TYPE_LONGROPE}
	cacheTypes = map[string]C.enum_ggml_type{
		"": C.GGML_TYPE_F16, "f32": C.GGML_TYPE_F32, "f16": C.GGML_TYPE_F16, "bf16": C.GGML_TYPE_BF16, "q8_0": C.GGML_TYPE_Q8_0,
		"q4_0": C.GGML_TYPE_Q4_0, "q4_1": C.GGML_TYPE_Q4_1, "iq4_nl": C.GGML_TYPE_IQ4_NL, "q5_0": C.GGML_TYPE_Q5_0, "q5_1": C.GGML_TYPE_Q5_1,
	}
)
