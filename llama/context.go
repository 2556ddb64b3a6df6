//go:build cgo

package llama

// #include "shim_lora.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Context is the state of the sequences that a model evaluates: KV cache, compute
// buffers, logits. Its methods may be called from any goroutine; they run one at a
// time. Close stops a running Decode.
type Context struct {
	s *contextState
}

type contextState struct {
	mu      sync.Mutex // held while the engine works on the context
	ctx     *C.struct_llama_context
	mem     C.llama_memory_t
	model   *modelState
	home    *home
	layers  *layerWatch
	threads threads
	rebound int64  // of the model, when the engine last made a graph
	abort   *int32 // C memory, read by the engine between operations
	watch   abortWatch
	failed  C.infer_error // of the call that runs: on the heap once, rather than for each token
	closing atomic.Bool
	stop    sync.Mutex // held while Close raises or frees the flag: closing twice at once
	broken  bool

	vocab, embd, seqs, ctxLen, batch, ubatch, classes int
	mostThreads                                       int
	positions                                         int // of a table; 0: no table
	pooling                                           C.enum_llama_pooling_type
	causal, embeddings                                bool
	encoder                                           bool   // the model has one
	recurrent, hybrid                                 bool   // the model is
	unified                                           bool   // sequences share a buffer
	outputs                                           []int8 // of the last batch
	outputCount                                       int
	restored                                          bool       // outputs are those of a restored state
	loras                                             []*Adapter // kept alive while applied
}

// NewContext creates a context: llama_init_from_model.
func (m *Model) NewContext(p ContextParams) (*Context, error) {
	if err := m.s.life.acquire(); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	made := false
	defer func() {
		if !made {
			m.s.life.release()
		}
	}()
	c, err := m.s.newContext(p)
	made = err == nil
	return c, err
}

func (ms *modelState) newContext(p ContextParams) (*Context, error) {
	if err := ms.complete(); err != nil {
		return nil, err
	}
	if ms.vocabOnly {
		return nil, argument("the model was loaded without its weights, VocabOnly")
	}
	params, err := p.native(ms)
	if err != nil {
		return nil, err
	}
	layers, err := newLayerWatch(p.Layers, ms)
	if err != nil {
		return nil, err
	}
	s := &contextState{model: ms, home: newHome(p.Blocks), layers: layers, abort: (*int32)(C.calloc(1, 4))}
	s.layers.set(&params)
	params.abort_callback = (C.ggml_abort_callback)(C.infer_abort_requested)
	params.abort_callback_data = unsafe.Pointer(s.abort)

	var e C.infer_error
	s.ctx = C.infer_context_new(ms.model, params, s.home.scope(C.INFER_PURPOSE_OUTPUT), &e)
	if s.ctx == nil {
		err := failure("llama_init_from_model", &e, s.home)
		if !broken(err) {
			C.free(unsafe.Pointer(s.abort))
			s.home.close()
			s.layers.close()
		}
		return nil, err
	}
	vocab := C.llama_model_get_vocab(ms.model)
	s.mem = C.llama_get_memory(s.ctx)
	s.vocab = int(C.llama_vocab_n_tokens(vocab))
	s.embd = int(C.llama_model_n_embd(ms.model))
	s.classes = int(C.llama_model_n_cls_out(ms.model))
	s.positions = tensorRows(ms.model, "position_embd.weight")
	s.seqs = int(C.llama_n_seq_max(s.ctx))
	s.ctxLen = int(C.llama_n_ctx(s.ctx))
	s.batch = int(C.llama_n_batch(s.ctx))
	s.ubatch = int(C.llama_n_ubatch(s.ctx))
	s.pooling = C.llama_pooling_type(s.ctx)
	s.embeddings = p.Embeddings
	s.encoder = bool(C.llama_model_has_encoder(ms.model))
	s.recurrent, s.hybrid = bool(C.llama_model_is_recurrent(ms.model)), bool(C.llama_model_is_hybrid(ms.model))
	s.unified = p.KVUnified || s.seqs == 1
	s.causal = s.mem != nil && p.Attention != AttentionNonCausal
	s.mostThreads = ms.mostThreads()
	s.setThreads(int(params.n_threads), int(params.n_threads_batch))

	c := &Context{s: s}
	runtime.AddCleanup(c, (*contextState).close, s)
	return c, nil
}

// native checks what the engine would not survive.
func (p ContextParams) native(ms *modelState) (C.struct_llama_context_params, error) {
	n := C.llama_context_default_params()
	if err := p.Check(); err != nil {
		return n, err
	}
	switch {
	case p.SeqMax < 0 || p.SeqMax > int(C.llama_max_parallel_sequences()):
		return n, argument("%d sequences, the engine's limit is %d", p.SeqMax, int(C.llama_max_parallel_sequences()))
	case p.Threads < 0 || p.Threads > C.GGML_MAX_N_THREADS || p.BatchThreads < 0 || p.BatchThreads > C.GGML_MAX_N_THREADS:
		return n, argument("%d and %d threads, the engine's limit is %d", p.Threads, p.BatchThreads, C.GGML_MAX_N_THREADS)
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
		return n, argument("a context of %d tokens for %d sequences", p.Ctx, p.SeqMax)
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
	if C.llama_model_n_layer(ms.model) > 0 {
		for _, c := range []struct {
			which, name string
			typ         C.enum_ggml_type
			head        int
		}{{"K", p.CacheTypeK, n.type_k, headLength(ms.model, "key")}, {"V", p.CacheTypeV, n.type_v, headLength(ms.model, "value")}} {
			if block := int(C.ggml_blck_size(c.typ)); c.head%block != 0 { // else the engine cuts blocks in two
				return n, argument("a %s cache of type %s for heads of %d: its blocks are of %d, which do not divide them", c.which, c.name, c.head, block)
			}
		}
	}
	n.embeddings = C.bool(p.Embeddings)
	n.offload_kqv = C.bool(!p.NoOffloadKQV)
	n.swa_full = C.bool(p.SWAFull)
	n.kv_unified = C.bool(p.KVUnified)
	n.no_perf = true
	return n, nil
}

// The engine's values of enumerations that have been checked.
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

func (s *contextState) close() {
	s.closing.Store(true)
	s.stop.Lock()
	if s.abort != nil {
		atomic.StoreInt32(s.abort, 1)
	}
	s.stop.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		return
	}
	s.unwatch()
	if !s.broken {
		C.infer_context_free(s.ctx)
		s.home.close()
		s.layers.close()
		s.threads.free()
		s.stop.Lock()
		C.free(unsafe.Pointer(s.abort))
		s.abort = nil
		s.stop.Unlock()
	}
	s.ctx = nil
	for _, a := range s.loras {
		a.s.life.release()
	}
	s.loras = nil
	s.model.life.release()
}

// Close stops what is running on the context and frees it.
func (c *Context) Close() error {
	c.s.close()
	runtime.KeepAlive(c)
	return nil
}

// lock gives the engine the context for one call.
func (s *contextState) lock() error {
	s.mu.Lock()
	switch {
	case s.ctx == nil || s.closing.Load():
		s.mu.Unlock()
		return ErrClosed
	case s.broken:
		s.mu.Unlock()
		return ErrBroken
	}
	return nil
}

// locked runs f on the context.
func (c *Context) locked(f func(*C.struct_llama_context) error) error {
	if err := c.s.lock(); err != nil {
		return err
	}
	defer c.s.mu.Unlock()
	err := f(c.s.ctx)
	c.s.broken = c.s.broken || broken(err)
	runtime.KeepAlive(c)
	return err
}

// Ctx is the number of tokens that the context holds.
func (c *Context) Ctx() int { return c.s.ctxLen }

// Batch is the number of tokens that one Decode call takes.
func (c *Context) Batch() int { return c.s.batch }

// UBatch is the number of tokens that are computed at once.
func (c *Context) UBatch() int { return c.s.ubatch }

// SeqMax is the number of sequences.
func (c *Context) SeqMax() int { return c.s.seqs }

// Vocab is the number of logits of a token.
func (c *Context) Vocab() int { return c.s.vocab }

// SetEmbeddings switches the computation of embeddings: llama_set_embeddings.
func (c *Context) SetEmbeddings(on bool) error {
	return c.locked(func(p *C.struct_llama_context) error {
		C.llama_set_embeddings(p, C.bool(on))
		c.s.embeddings = on
		return nil
	})
}

// SetCausal switches causal attention: llama_set_causal_attn.
func (c *Context) SetCausal(on bool) error {
	return c.locked(func(p *C.struct_llama_context) error {
		C.llama_set_causal_attn(p, C.bool(on))
		c.s.causal = on
		return nil
	})
}

// Decode evaluates a batch: llama_decode. A cancelled ctx stops it between two
// operations and returns the context's error; what had been evaluated by then stays
// in the sequences (see [Context.PosMax]).
//
// [ErrNoSlot] means that the batch does not fit; nothing has changed then.
//
// A context that pools embeddings takes the tokens of a sequence in one batch of at most
// UBatch tokens, all with output set.
func (c *Context) Decode(ctx context.Context, b *Batch) error {
	return c.evaluate(ctx, b, true)
}

// Encode evaluates a batch with the encoder: llama_encode. Errors are Decode's; models
// that have no encoder are refused with [ErrArgument].
func (c *Context) Encode(ctx context.Context, b *Batch) error {
	return c.evaluate(ctx, b, false)
}

func (c *Context) evaluate(ctx context.Context, b *Batch, decode bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.s.life.acquire(); err != nil {
		return err
	}
	defer b.s.life.release()
	s := c.s
	err := c.locked(func(p *C.struct_llama_context) error {
		if err := s.check(b, decode); err != nil {
			return err
		}
		s.abortOn(ctx)
		s.outputs, s.outputCount, s.restored = s.outputs[:0], 0, false
		e := &s.failed
		var status C.int32_t
		s.threads.wake()
		if n := s.model.rebound.Load(); n != s.rebound { // the graph has addresses of weights
			C.infer_forget_graph(p)
			s.rebound = n
		}
		s.layers.begin()
		call := "llama_decode"
		if scope := s.home.scope(C.INFER_PURPOSE_OUTPUT); decode {
			status = C.infer_decode(p, b.s.c, scope, e)
		} else {
			call = "llama_encode"
			status = C.infer_encode(p, b.s.c, scope, e)
		}
		switch status {
		case 0:
			s.home.takeError()
			s.threads.freeRetired()
			s.keepOutputs(b)
			return nil
		case 1:
			return fmt.Errorf("%w: batch of %d tokens, context of %d", ErrNoSlot, b.Len(), s.ctxLen)
		case 2:
			if s.closing.Load() {
				return ErrClosed
			}
			if err := context.Cause(ctx); err != nil {
				return ctx.Err()
			}
			return errors.New("llama: computation aborted")
		}
		return failure(call, e, s.home)
	})
	runtime.KeepAlive(b)
	return err
}

// check refuses batches on which the engine has asserts or no checks.
func (s *contextState) check(b *Batch, decode bool) error {
	n := b.Len()
	limit := s.batch
	if !decode || s.mem == nil || !s.causal || s.pools() {
		limit = min(s.batch, s.ubatch) // without causal attention all tokens see each other, and a pool is of one micro-batch
	}
	switch {
	case !decode && s.mem != nil && !s.encoder:
		return argument("the model has no encoder")
	case n == 0:
		return argument("empty batch")
	case n > limit:
		return argument("batch of %d tokens, the context takes %d", n, limit)
	}
	tokens := unsafe.Slice(b.s.c.token, n)
	counts := unsafe.Slice(b.s.c.n_seq_id, n)
	ids := unsafe.Slice(b.s.c.seq_id, n)
	places := unsafe.Slice(b.s.c.pos, n)
	for i := range n {
		if p := int(places[i]); s.positions > 0 && p >= s.positions {
			return argument("position %d, the model has %d", p, s.positions)
		}
		if t := tokens[i]; t < 0 || int(t) >= s.vocab {
			return argument("token %d, the vocabulary has %d", t, s.vocab)
		}
		for _, id := range unsafe.Slice(ids[i], counts[i]) {
			if id < 0 || int(id) >= s.seqs {
				return argument("sequence %d, the context has %d", id, s.seqs)
			}
		}
		if counts[i] > 1 && s.separate() {
			return argument("a token in %d sequences needs a context with one buffer for all, KVUnified", counts[i])
		}
	}
	if s.pools() && decode && s.mem != nil {
		return s.checkPools(b)
	}
	return nil
}

// pools tells whether a batch's embeddings are computed of whole sequences.
func (s *contextState) pools() bool { return s.embeddings && s.pooling != C.LLAMA_POOLING_TYPE_NONE }

// separate tells whether each sequence has a buffer of its own.
func (s *contextState) separate() bool { return !s.unified && !s.recurrent }

// checkPools refuses batches whose pools the engine would compute of a part of their
// tokens, or outside its memory: it pools what has output set, within a micro-batch, and
// sequences that are not of one length go to several where they have separate buffers
// or recurrent state.
func (s *contextState) checkPools(b *Batch) error {
	n := b.Len()
	lengths := map[C.llama_seq_id]int{}
	ids := unsafe.Slice(b.s.c.seq_id, n)
	for i, o := range unsafe.Slice(b.s.c.logits, n) {
		if o == 0 {
			return argument("token %d of the batch has no output set, which pooled embeddings need of all", i)
		}
		lengths[*ids[i]]++
	}
	if s.unified && !s.recurrent && !s.hybrid {
		return nil
	}
	for _, l := range lengths {
		if l*len(lengths) != n {
			return argument("pooled sequences of different lengths in a batch: one call each, or a context with one buffer for all (KVUnified), where the model has no recurrent state")
		}
	}
	return nil
}

// output refuses an index into the outputs of the last batch that the engine would
// end the process over: i counts the batch's tokens, negative from its last output
// backwards.
func (s *contextState) output(i int) error {
	if s.restored { // the outputs came with a state: only the engine knows them
		return nil
	}
	if i < 0 {
		if -i <= s.outputCount {
			return nil
		}
	} else if i < len(s.outputs) && s.outputs[i] != 0 {
		return nil
	}
	return argument("no output at %d: the last batch had %d tokens, %d with output set", i, len(s.outputs), s.outputCount)
}

// keepOutputs remembers which tokens of a batch have outputs.
func (s *contextState) keepOutputs(b *Batch) {
	s.outputs = s.outputs[:0]
	s.outputCount = 0
	for _, o := range unsafe.Slice(b.s.c.logits, b.Len()) {
		s.outputs = append(s.outputs, int8(o))
		if o != 0 {
			s.outputCount++
		}
	}
}

// Logits appends the logits of the i-th token of the last batch, which must have had
// output set, to dst, one for each token of the vocabulary; a negative i counts from
// the last output backwards.
func (c *Context) Logits(i int, dst []float32) ([]float32, error) {
	err := c.locked(func(p *C.struct_llama_context) error {
		if err := c.s.output(i); err != nil {
			return err
		}
		l := C.infer_logits(p, clampInt32(i), &c.s.failed)
		if l == nil {
			return argument("no logits at %d", i)
		}
		dst = append(dst, unsafe.Slice((*float32)(l), c.s.vocab)...)
		return nil
	})
	return dst, err
}

// Embedding appends the embedding of the i-th token of the last batch to dst, for
// contexts without pooling; i is as for Logits.
func (c *Context) Embedding(i int, dst []float32) ([]float32, error) {
	err := c.locked(func(p *C.struct_llama_context) error {
		if c.s.pooling != C.LLAMA_POOLING_TYPE_NONE {
			return argument("a pooled context has embeddings of sequences only")
		}
		if !c.s.embeddings {
			return argument("the context computes no embeddings")
		}
		if err := c.s.output(i); err != nil {
			return err
		}
		v := C.infer_embedding(p, clampInt32(i), &c.s.failed)
		if v == nil {
			return argument("no embedding at %d", i)
		}
		dst = append(dst, unsafe.Slice((*float32)(v), c.s.embd)...)
		return nil
	})
	return dst, err
}

// SequenceEmbedding appends the pooled embedding of a sequence of the last batch to
// dst; with rank pooling, the classifier's outputs.
func (c *Context) SequenceEmbedding(seq SeqID, dst []float32) ([]float32, error) {
	err := c.locked(func(p *C.struct_llama_context) error {
		if c.s.pooling == C.LLAMA_POOLING_TYPE_NONE {
			return argument("a context without pooling has embeddings of tokens only")
		}
		v := C.infer_embedding_seq(p, C.llama_seq_id(seq), &c.s.failed)
		if v == nil {
			return argument("no embedding of sequence %d", seq)
		}
		n := c.s.embd
		if c.s.pooling == C.LLAMA_POOLING_TYPE_RANK {
			if seq > 0 && tensorRows(c.s.model.model, "cls.output.weight") == 0 { // the engine takes a further one's from the first
				return argument("score of sequence %d: a classifier without outputs of its own has that of sequence 0", seq)
			}
			n = c.s.classes
		}
		dst = append(dst, unsafe.Slice((*float32)(v), n)...)
		return nil
	})
	return dst, err
}

// Pooled tells whether embeddings are of sequences rather than tokens.
func (c *Context) Pooled() bool { return c.s.pooling != C.LLAMA_POOLING_TYPE_NONE }
