//go:build cgo

package llama

// #include "engine_table.h"
import "C"

// The memory of a context's sequences: KV cache, recurrent state. Ranges are
// [from, to); a negative from is 0, a negative to the end.

// Remembers reports whether the context has a memory of sequences. Encoders and diffusion models
// have none: they compute each batch independently.
func (c *Context) Remembers() bool { return c.s.mem != nil }

// Clear removes all sequences. Without a memory it does nothing.
func (c *Context) Clear() error {
	return c.locked(func(*C.struct_llama_context) error {
		if c.s.mem != nil {
			C.infer_llama_memory_clear(c.s.mem, false)
		}
		return nil
	})
}

// RemoveSeq removes a range of a sequence (negative: of all sequences). It returns false if the
// memory cannot remove a part of a sequence, as with recurrent state.
func (c *Context) RemoveSeq(seq SeqID, from, to Pos) (ok bool, err error) {
	check := []SeqID{seq}
	if seq < 0 {
		seq, check = -1, nil
	}
	err = c.memory(check, func(m C.llama_memory_t) error {
		if seq >= 0 && (c.s.recurrent || c.s.hybrid) { // the engine reports success for ranges in the middle, but removes nothing
			last := Pos(C.infer_llama_memory_seq_pos_max(m, C.llama_seq_id(seq)))
			if part := from > 0 || to >= 0 && to <= last; part && from <= last && (to < 0 || max(from, 0) < to) {
				return nil
			}
		}
		ok = bool(C.infer_llama_memory_seq_rm(m, C.llama_seq_id(seq), C.llama_pos(from), C.llama_pos(to)))
		return nil
	})
	return ok, err
}

// CopySeq adds a range of sequence src to sequence dst. If sequences have separate buffers (without
// [ContextParams].KVUnified), only whole sequences can be copied, and dst's content is replaced.
func (c *Context) CopySeq(src, dst SeqID, from, to Pos) error {
	return c.memory([]SeqID{src, dst}, func(m C.llama_memory_t) error {
		if c.s.separate() && src != dst {
			first, last := Pos(C.infer_llama_memory_seq_pos_min(m, C.llama_seq_id(src))), Pos(C.infer_llama_memory_seq_pos_max(m, C.llama_seq_id(src)))
			if from > max(first, 0) || to >= 0 && to <= last {
				return argument("copying a part of a sequence needs one buffer for all sequences: set ContextParams.KVUnified")
			}
			from, to = -1, -1
		}
		C.infer_llama_memory_seq_cp(m, C.llama_seq_id(src), C.llama_seq_id(dst), C.llama_pos(from), C.llama_pos(to))
		return nil
	})
}

// KeepSeq removes all sequences except one.
func (c *Context) KeepSeq(seq SeqID) error {
	return c.memory([]SeqID{seq}, func(m C.llama_memory_t) error {
		if c.s.separate() { // the engine's function ignores other buffers
			for other := range SeqID(c.s.seqs) {
				if other != seq {
					C.infer_llama_memory_seq_rm(m, C.llama_seq_id(other), -1, -1)
				}
			}
			return nil
		}
		C.infer_llama_memory_seq_keep(m, C.llama_seq_id(seq))
		return nil
	})
}

// ShiftSeq adds delta to the positions of a range; see [Context.CanShift].
func (c *Context) ShiftSeq(seq SeqID, from, to, delta Pos) error {
	return c.memory([]SeqID{seq}, func(m C.llama_memory_t) error {
		if !c.canShift(m) {
			return argument("the positions of this model's sequences cannot be changed: see Context.CanShift")
		}
		C.infer_llama_memory_seq_add(m, C.llama_seq_id(seq), C.llama_pos(from), C.llama_pos(to), C.llama_pos(delta))
		return nil
	})
}

// DivideSeq divides the positions of a range by d, at least 1; see [Context.CanShift].
func (c *Context) DivideSeq(seq SeqID, from, to Pos, d int) error {
	if d < 1 {
		return invalid("divisor", d, "out of range: use 1 or more")
	}
	return c.memory([]SeqID{seq}, func(m C.llama_memory_t) error {
		if !c.canShift(m) {
			return argument("the positions of this model's sequences cannot be changed: see Context.CanShift")
		}
		C.infer_llama_memory_seq_div(m, C.llama_seq_id(seq), C.llama_pos(from), C.llama_pos(to), C.int(d))
		return nil
	})
}

// CanShift reports whether positions can be changed.
func (c *Context) CanShift() (ok bool, err error) {
	err = c.memory(nil, func(m C.llama_memory_t) error {
		ok = c.canShift(m)
		return nil
	})
	return ok, err
}

// PosMin returns the smallest position in a sequence, -1 if the sequence is empty.
func (c *Context) PosMin(seq SeqID) (p Pos, err error) {
	err = c.memory([]SeqID{seq}, func(m C.llama_memory_t) error {
		p = Pos(C.infer_llama_memory_seq_pos_min(m, C.llama_seq_id(seq)))
		return nil
	})
	return p, err
}

// PosMax returns the largest position in a sequence, -1 if the sequence is empty.
func (c *Context) PosMax(seq SeqID) (p Pos, err error) {
	err = c.memory([]SeqID{seq}, func(m C.llama_memory_t) error {
		p = Pos(C.infer_llama_memory_seq_pos_max(m, C.llama_seq_id(seq)))
		return nil
	})
	return p, err
}

// canShift extends llama_memory_can_shift, which wrongly allows models with several positions per
// token, memories that cannot remove a part of a sequence, and models whose cached values depend on
// absolute positions.
func (c *Context) canShift(m C.llama_memory_t) bool {
	if c.s.recurrent || c.s.hybrid || c.s.positions > 0 {
		return false
	}
	rope := C.infer_llama_model_rope_type(c.s.model.model)
	return bool(C.infer_llama_memory_can_shift(m)) && rope != C.LLAMA_ROPE_TYPE_MROPE && rope != C.LLAMA_ROPE_TYPE_IMROPE
}

// memory checks the sequences, with which the engine indexes arrays, and runs f on the context's
// memory.
func (c *Context) memory(seqs []SeqID, f func(C.llama_memory_t) error) error {
	return c.locked(func(*C.struct_llama_context) error {
		if c.s.mem == nil {
			return argument("the model has no memory of sequences: see Context.Remembers")
		}
		for _, seq := range seqs {
			if seq < 0 || int(seq) >= c.s.seqs {
				return noSequence(seq, c.s.seqs)
			}
		}
		return f(c.s.mem)
	})
}
