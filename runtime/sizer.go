package runtime

import (
	"fmt"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// sizer tells what sessions of a model take and whether they fit. The model is open, or the
// engine has read only its header.
type sizer struct {
	config  *config
	weights *weights
	traits
	flashOn bool        // flash attention was chosen before because memory is short
	busy    func() bool // the model has open sessions
}

func newSizer(w *weights) (sizer, error) {
	t, err := readTraits(w)
	return sizer{config: w.config, weights: w, traits: t, busy: func() bool { return false }}, err
}

// maxRange returns the longest range of addresses, in bytes, that a block may take: the chunk
// size, or the largest tensor if that is larger, as the engine needs a tensor contiguous.
func (s *sizer) maxRange(p llama.ContextParams) uint64 {
	return max(s.weights.chunkSize, s.weights.largestTensor, s.kv.largest(p))
}

// contextParams checks a session's options and fills in defaults.
func (s *sizer) contextParams(o SessionOptions) (llama.ContextParams, error) {
	p := o.params()
	if err := o.check(); err != nil {
		return p, err
	}
	switch {
	case o.Context == trained && s.info.CtxTrain < 1:
		return p, optionError("context", "-1", "is not possible: the model's file names no trained context: set a number of tokens")
	case o.Context == trained:
		p.Ctx = s.info.CtxTrain
	case o.Context == 0 && o.slots > 0:
		p.Ctx = slotContext * min(max(o.slots, 2), 16)
		if s.info.Positions > 0 {
			p.Ctx = min(p.Ctx, s.info.Positions)
		}
	case o.Context == 0:
		p.Ctx = min(s.info.CtxTrain, defaultContext)
		if p.Ctx < 1 {
			p.Ctx = defaultContext
		}
	}
	for _, c := range []struct {
		which, name string
		head        int
	}{{"K", o.CacheTypeK, s.info.KeyLength}, {"V", o.CacheTypeV, s.info.ValueLength}} {
		if t, err := gguf.ParseType(cacheName(c.name)); err == nil && uint64(c.head)%t.BlockSize() != 0 {
			return p, optionError(c.which+" cache type", c.name, "needs a head size that is a multiple of %d, and this model's is %d: use f16", t.BlockSize(), c.head)
		}
	}
	if most := s.info.Positions; most > 0 && p.Ctx > most {
		return p, &PositionsError{Context: p.Ctx, Positions: most}
	}
	if p.Batch == 0 && o.Embeddings && o.Context != 0 {
		p.Batch = p.Ctx
	}
	if p.Batch == 0 {
		p.Batch = defaultBatch
	}
	p.Batch = min(p.Batch, p.Ctx)
	// The engine's default would start a thread for each processor in each session.
	p.Threads, p.BatchThreads = max(o.Threads, 1), max(o.BatchThreads, o.Threads, 1)
	if p.UBatch == 0 {
		p.UBatch = defaultUBatch
	}
	p.UBatch = min(p.UBatch, p.Batch)
	if o.slots > 0 {
		p.SeqMax, p.KVUnified, p.Outputs = o.slots, true, o.slots
	}
	if o.Embeddings { // all tokens of a text attend to each other, so they need one micro-batch
		p.UBatch = p.Batch
		if err := s.embeddingParams(&p); err != nil {
			return p, err
		}
	}
	return p, nil
}

// sessionError adds the requested context, micro-batch and cache types to an error.
func sessionError(err error, p llama.ContextParams) error {
	return fmt.Errorf("session with a context of %d tokens, micro-batch %d, cache %s/%s: %w", p.Ctx, p.UBatch, cacheName(p.CacheTypeK), cacheName(p.CacheTypeV), err)
}

func cacheName(t string) string {
	if t == "" {
		return "f16"
	}
	return t
}

// embeddingParams completes the parameters of a session for embeddings. Several texts are
// evaluated together if that takes no additional memory.
func (s *sizer) embeddingParams(p *llama.ContextParams) error {
	if err := s.embedsTexts(); err != nil {
		return err
	}
	ranks := p.Pooling == llama.PoolingRank || p.Pooling == llama.PoolingDefault && s.ranks()
	switch {
	case ranks && !s.classifier:
		return s.cannotRank()
	case s.info.Recurrent || s.info.Hybrid, ranks && !s.outputs:
		return nil
	}
	p.SeqMax, p.KVUnified = min(embedSequences, p.Ctx), true
	return nil
}
