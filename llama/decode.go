//go:build cgo

package llama

// #include "shim_context.h"
// #include "shim_lora.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Decode evaluates a batch: llama_decode. If ctx is cancelled, it stops between two operations and
// returns ctx's error; tokens that were evaluated before stay in the sequences (see
// [Context.PosMax]).
//
// [ErrNoSlot] means that the batch does not fit into the context, which is unchanged then.
//
// In a context that pools embeddings all tokens of a sequence must be in one batch, of at most
// UBatch tokens, with output set.
func (c *Context) Decode(ctx context.Context, b *Batch) error {
	return c.evaluate(ctx, b, true)
}

// Encode evaluates a batch with the encoder: llama_encode. It returns the same errors as Decode,
// and [ErrArgument] for models without an encoder.
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
		if n := s.model.rebound.Load(); n != s.rebound { // a graph contains the addresses of weights: build it again
			C.infer_forget_graph(p)
			s.rebound = n
		}
		s.layers.begin()
		defer s.layers.begin()
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
			return fmt.Errorf("%w: the batch has %d tokens, the context %d in all: remove tokens from it or use a larger one", ErrNoSlot, b.Len(), s.ctxLen)
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

// check refuses batches that would fail an assertion of the engine or that it does not validate.
func (s *contextState) check(b *Batch, decode bool) error {
	n := b.Len()
	limit, option := s.batch, "Batch"
	if !decode || s.mem == nil || !s.causal || s.pools() {
		limit, option = min(s.batch, s.ubatch), "UBatch" // without causal attention, and for pooling, all tokens must be in one micro-batch
	}
	switch {
	case !decode && s.mem != nil && !s.encoder:
		return argument("the model has no encoder")
	case n == 0:
		return argument("the batch is empty: add a token")
	case n > limit:
		return argument("batch of %d tokens: the context takes at most %d at once (ContextParams.%s)", n, limit, option)
	}
	tokens := unsafe.Slice(b.s.c.token, n)
	counts := unsafe.Slice(b.s.c.n_seq_id, n)
	ids := unsafe.Slice(b.s.c.seq_id, n)
	positions := unsafe.Slice(b.s.c.pos, n)
	for i := range n {
		if p := int(positions[i]); s.positions > 0 && p >= s.positions {
			return invalid("position", p, "out of range: the model has positions 0 to %d", s.positions-1)
		}
		if t := tokens[i]; t < 0 || int(t) >= s.vocab {
			return noToken(Token(t), s.vocab)
		}
		for _, id := range unsafe.Slice(ids[i], counts[i]) {
			if id < 0 || int(id) >= s.seqs {
				return noSequence(SeqID(id), s.seqs)
			}
		}
		if counts[i] > 1 && s.separate() {
			return argument("a token in %d sequences needs one buffer for all sequences: set ContextParams.KVUnified", counts[i])
		}
	}
	if s.pools() && decode && s.mem != nil {
		return s.checkPools(b)
	}
	return nil
}

// noToken returns the error for a token outside a vocabulary of n.
func noToken(t Token, n int) error {
	return invalid("token", t, "out of range: the vocabulary has tokens 0 to %d", n-1)
}

// noSequence returns the error for a sequence outside a context of n.
func noSequence(s SeqID, n int) error {
	return invalid("sequence", s, "out of range: the context has sequences 0 to %d (ContextParams.SeqMax)", n-1)
}

// pools reports whether embeddings are pooled over whole sequences.
func (s *contextState) pools() bool { return s.embeddings && s.pooling != C.LLAMA_POOLING_TYPE_NONE }

// separate reports whether each sequence has its own buffer.
func (s *contextState) separate() bool { return !s.unified && !s.recurrent }

// checkPools refuses batches for which the engine would pool only a part of a sequence's tokens, or
// access memory out of bounds. The engine pools the tokens with output set within one micro-batch,
// and splits sequences of different lengths into several micro-batches if they have separate
// buffers or recurrent state.
func (s *contextState) checkPools(b *Batch) error {
	n := b.Len()
	lengths := map[C.llama_seq_id]int{}
	ids := unsafe.Slice(b.s.c.seq_id, n)
	for i, o := range unsafe.Slice(b.s.c.logits, n) {
		if o == 0 {
			return argument("token %d of the batch has no output set: pooled embeddings need it for all tokens", i)
		}
		lengths[*ids[i]]++
	}
	if s.unified && !s.recurrent && !s.hybrid {
		return nil
	}
	for _, l := range lengths {
		if l*len(lengths) != n {
			return argument("pooled sequences of different lengths in one batch: use one call for each, or KVUnified if the model has no recurrent state")
		}
	}
	return nil
}
