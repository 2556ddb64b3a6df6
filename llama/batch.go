//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"cmp"
	"runtime"
	"unsafe"
)

// maxSeqs is the engine's limit of sequences: LLAMA_MAX_SEQ.
const maxSeqs = 256

// Batch is the input of [Context.Decode]: tokens with their positions and sequences. Except for
// Close it is not safe for concurrent use.
type Batch struct {
	s *batchState
}

type batchState struct {
	life lifetime
	c    C.llama_batch
	cap  int
	seq  int // maximum number of sequences per token
}

// NewBatch returns a batch with room for tokens tokens, each in at most seqs sequences (0: 1).
func NewBatch(tokens, seqs int) (*Batch, error) {
	if err := start(); err != nil {
		return nil, err
	}
	seqs = max(seqs, 1)
	if err := cmp.Or(integer("tokens of the batch", tokens, 1, 1<<24), integer("sequences of the batch", seqs, 1, maxSeqs)); err != nil {
		return nil, err
	}
	s := &batchState{c: C.infer_llama_batch_init(C.int32_t(tokens), 0, C.int32_t(seqs)), cap: tokens, seq: seqs}
	s.life.free = func() { C.infer_llama_batch_free(s.c) }
	b := &Batch{s: s}
	runtime.AddCleanup(b, func(s *batchState) { s.life.close() }, s)
	return b, nil
}

// Close frees the batch, after a running Decode that reads it has returned. Closing twice is safe.
func (b *Batch) Close() error {
	b.s.life.close()
	runtime.KeepAlive(b)
	return nil
}

// Len returns the number of tokens added since the last Clear.
func (b *Batch) Len() int { return int(b.s.c.n_tokens) }

// Cap returns the number of tokens that fit.
func (b *Batch) Cap() int { return b.s.cap }

// Clear empties the batch.
func (b *Batch) Clear() { b.s.c.n_tokens = 0 }

// Add appends a token at a position of one or more sequences (none: sequence 0). If output is true,
// the token's logits or embedding can be read after Decode.
func (b *Batch) Add(t Token, pos Pos, output bool, seqs ...SeqID) error {
	s := b.s
	if err := s.life.acquire(); err != nil {
		return err
	}
	defer s.life.release()
	i := int(s.c.n_tokens)
	switch {
	case i >= s.cap:
		return argument("the batch is full: it was made for %d tokens", s.cap)
	case len(seqs) > s.seq:
		return argument("a token in %d sequences: the batch was made for at most %d per token", len(seqs), s.seq)
	case pos < 0:
		return invalid("position", pos, "out of range: use 0 or more")
	}
	unsafe.Slice(s.c.token, s.cap)[i] = C.llama_token(t)
	unsafe.Slice(s.c.pos, s.cap)[i] = C.llama_pos(pos)
	ids := unsafe.Slice(unsafe.Slice(s.c.seq_id, s.cap)[i], s.seq)
	ids[0] = 0
	for j, id := range seqs {
		ids[j] = C.llama_seq_id(id)
	}
	unsafe.Slice(s.c.n_seq_id, s.cap)[i] = C.int32_t(max(len(seqs), 1))
	var o C.int8_t
	if output {
		o = 1
	}
	unsafe.Slice(s.c.logits, s.cap)[i] = o
	s.c.n_tokens++
	return nil
}
