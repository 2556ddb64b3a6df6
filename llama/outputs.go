//go:build cgo

package llama

// #include "shim_context.h"
import "C"

import "unsafe"

// output checks an index into the outputs of the last batch, since the engine ends the process on
// invalid ones: i counts the tokens of the batch; a negative i counts from the last output
// backwards.
func (s *contextState) output(i int) error {
	if s.restored { // the outputs were restored with a state: only the engine knows them
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

// keepOutputs records which tokens of a batch have outputs.
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

// Logits appends the logits of the i-th token of the last batch to dst, one for each token of the
// vocabulary. The token must have had output set. A negative i counts from the last output
// backwards.
func (c *Context) Logits(i int, dst []float32) ([]float32, error) {
	err := c.locked(func(p *C.struct_llama_context) error {
		if err := c.s.output(i); err != nil {
			return err
		}
		l := C.infer_logits(p, clampInt32(i), &c.s.failed)
		if l == nil {
			return argument("the last batch has no logits for index %d", i)
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
			return argument("a context with pooling has embeddings of sequences only: use SequenceEmbedding")
		}
		if !c.s.embeddings {
			return argument("the context computes no embeddings: set ContextParams.Embeddings")
		}
		if err := c.s.output(i); err != nil {
			return err
		}
		v := C.infer_embedding(p, clampInt32(i), &c.s.failed)
		if v == nil {
			return argument("the last batch has no embedding for index %d", i)
		}
		dst = append(dst, unsafe.Slice((*float32)(v), c.s.embd)...)
		return nil
	})
	return dst, err
}

// SequenceEmbedding appends the pooled embedding of a sequence of the last batch to dst, or, with
// rank pooling, the classifier's outputs.
func (c *Context) SequenceEmbedding(seq SeqID, dst []float32) ([]float32, error) {
	err := c.locked(func(p *C.struct_llama_context) error {
		if c.s.pooling == C.LLAMA_POOLING_TYPE_NONE {
			return argument("a context without pooling has embeddings of tokens only: use Embedding, or set ContextParams.Pooling")
		}
		v := C.infer_embedding_seq(p, C.llama_seq_id(seq), &c.s.failed)
		if v == nil {
			return argument("the last batch has no embedding of sequence %d", seq)
		}
		n := c.s.embd
		if c.s.pooling == C.LLAMA_POOLING_TYPE_RANK {
			if seq > 0 && tensorRows(c.s.model.model, "cls.output.weight") == 0 { // the engine would return that of the first sequence
				return argument("no score of sequence %d: this classifier scores only sequence 0", seq)
			}
			n = c.s.classes
		}
		dst = append(dst, unsafe.Slice((*float32)(v), n)...)
		return nil
	})
	return dst, err
}

// Pooled reports whether embeddings are pooled per sequence.
func (c *Context) Pooled() bool { return c.s.pooling != C.LLAMA_POOLING_TYPE_NONE }
