//go:build cgo

package llama

// #include "engine_table.h"
// #include "shim_context.h"
import "C"

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"unsafe"
)

// A state ends with the number of the engine's bytes before and their CRC-32C. Engines believe lengths in
// damaged states, and allocate what those say.
const stateEnd = "llama state\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sealState(dst []byte, at int) []byte {
	engine := dst[at:]
	return appendSeal(dst, int64(len(engine)), crc32.Checksum(engine, castagnoli))
}

func appendSeal(dst []byte, size int64, sum uint32) []byte {
	dst = append(dst, stateEnd...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(size))
	return binary.LittleEndian.AppendUint32(dst, sum)
}

// unsealState returns the engine's bytes of a state.
func unsealState(src []byte) ([]byte, error) {
	n := len(src) - len(stateEnd) - 12
	if n < 1 || string(src[n:n+len(stateEnd)]) != stateEnd {
		return nil, argument("%d bytes are no state, or a part of one: use what State or SeqState returned", len(src))
	}
	figures := src[n+len(stateEnd):]
	if binary.LittleEndian.Uint64(figures) != uint64(n) || binary.LittleEndian.Uint32(figures[8:]) != crc32.Checksum(src[:n], castagnoli) {
		return nil, argument("the state of %d bytes is damaged: use what State or SeqState returned", len(src))
	}
	return src[:n], nil
}

// State appends the state of all sequences to dst: llama_state_get_data, and a checksum. The state of the
// compiled-in engine has logits and embeddings, too.
func (c *Context) State(dst []byte) ([]byte, error) { return c.state(-1, dst) }

// SeqState appends the state of one sequence to dst: llama_state_seq_get_data.
func (c *Context) SeqState(seq SeqID, dst []byte) ([]byte, error) {
	if seq < 0 || int(seq) >= c.s.seqs {
		return dst, noSequence(seq, c.s.seqs)
	}
	return c.state(seq, dst)
}

func (c *Context) state(seq SeqID, dst []byte) ([]byte, error) {
	err := c.locked(func(p *C.struct_llama_context) error {
		if err := c.settle(p); err != nil {
			return err
		}
		var e C.infer_error
		size := int(C.infer_state_size(p, C.llama_seq_id(seq), 0, &e))
		if size == 0 {
			return failure("llama_state_get_size", &e, c.s.home)
		}
		at := len(dst)
		dst = append(dst, make([]byte, size)...)
		n := int(C.infer_state_get(p, C.llama_seq_id(seq), 0, (*C.uint8_t)(unsafe.Pointer(&dst[at])), C.size_t(size), &e))
		if n == 0 {
			return failure("llama_state_get_data", &e, c.s.home)
		}
		dst = sealState(dst[:at+n], at)
		return nil
	})
	return dst, err
}

// SetState restores a state of [Context.State] in a context with the same model and parameters. If
// the state does not fit, it returns an error and all sequences are empty. A damaged state changes nothing:
// the error wraps [ErrArgument].
func (c *Context) SetState(src []byte) error { return c.setState(-1, src) }

// SetSeqState restores what [Context.SeqState] returned as sequence seq.
func (c *Context) SetSeqState(seq SeqID, src []byte) error {
	if seq < 0 || int(seq) >= c.s.seqs {
		return noSequence(seq, c.s.seqs)
	}
	return c.setState(seq, src)
}

func (c *Context) setState(seq SeqID, src []byte) error {
	return c.locked(func(p *C.struct_llama_context) error {
		src, err := unsealState(src)
		if err != nil {
			return err
		}
		if err := c.settle(p); err != nil {
			return err
		}
		var e C.infer_error
		n := C.infer_state_set(p, C.llama_seq_id(seq), 0, (*C.uint8_t)(unsafe.Pointer(&src[0])), C.size_t(len(src)), c.s.home.scope(C.INFER_PURPOSE_OUTPUT), &e)
		if n == 0 {
			return failure("llama_state_set_data", &e, c.s.home)
		}
		c.s.restored = c.s.restored || seq < 0
		return nil
	})
}

// settle carries out the operations of CopySeq, ShiftSeq and DivideSeq that the engine defers to
// the next Decode: otherwise a saved state would lack them, and a restored state would be changed
// by them.
func (c *Context) settle(p *C.struct_llama_context) error {
	var e C.infer_error
	c.s.threads.wake()
	C.infer_memory_settle(p, c.s.home.scope(C.INFER_PURPOSE_OUTPUT), &e)
	if e.kind != C.INFER_OK || e.log[0] != 0 {
		return failure("llama_context::memory_update", &e, c.s.home)
	}
	return nil
}

// SaveSeq writes the state of one sequence and its tokens to the beginning of an empty file:
// llama_state_seq_save_file, and a checksum. It takes memory for one tensor of the state at a time.
// It returns the number of bytes.
func (c *Context) SaveSeq(seq SeqID, f *os.File, tokens []Token) (size int64, err error) {
	if seq < 0 || int(seq) >= c.s.seqs {
		return 0, noSequence(seq, c.s.seqs)
	}
	path, err := cPath(f.Name())
	if err != nil {
		return 0, err
	}
	defer C.free(unsafe.Pointer(path))
	err = c.locked(func(p *C.struct_llama_context) error {
		if err := c.settle(p); err != nil {
			return err
		}
		var e C.infer_error
		if C.infer_state_save(p, C.llama_seq_id(seq), path, (*C.llama_token)(unsafe.Pointer(unsafe.SliceData(tokens))), C.size_t(len(tokens)), &e) == 0 {
			return failure("llama_state_seq_save_file", &e, c.s.home)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	sum := crc32.New(castagnoli)
	if size, err = io.Copy(sum, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return 0, err
	}
	seal := appendSeal(nil, size, sum.Sum32())
	_, err = f.WriteAt(seal, size)
	return size + int64(len(seal)), err
}

// LoadSeq sets a sequence to the state in the first size bytes of a file that SaveSeq has written, and
// returns its tokens, at most most. A damaged state is refused with [ErrArgument]; then, or if it does
// not suit the context, the sequence is unchanged or empty.
func (c *Context) LoadSeq(seq SeqID, f *os.File, size int64, most int) ([]Token, error) {
	if seq < 0 || int(seq) >= c.s.seqs {
		return nil, noSequence(seq, c.s.seqs)
	}
	if err := checkSeal(f, size); err != nil {
		return nil, err
	}
	path, err := cPath(f.Name())
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(path))
	tokens := make([]Token, max(most, 1))
	err = c.locked(func(p *C.struct_llama_context) error {
		if err := c.settle(p); err != nil {
			return err
		}
		var e C.infer_error
		var n C.size_t
		if C.infer_state_load(p, C.llama_seq_id(seq), path, (*C.llama_token)(unsafe.Pointer(&tokens[0])), C.size_t(most), &n, c.s.home.scope(C.INFER_PURPOSE_OUTPUT), &e) == 0 {
			return failure("llama_state_seq_load_file", &e, c.s.home)
		}
		tokens = tokens[:n]
		return nil
	})
	return tokens, err
}

// checkSeal reads a state in a file, and compares it with its seal.
func checkSeal(f *os.File, size int64) error {
	const end = int64(len(stateEnd)) + 12
	n := size - end
	if n < 1 {
		return argument("a state of %d bytes is a part of one: use what SaveSeq has written", size)
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, n)); err != nil {
		return err
	}
	seal := make([]byte, end)
	if _, err := f.ReadAt(seal, n); err != nil {
		return err
	}
	if string(seal) != string(appendSeal(nil, n, sum.Sum32())) {
		return argument("the state of %d bytes is damaged: use what SaveSeq has written", size)
	}
	return nil
}

// A checkpoint is the part of a sequence's state that can't be cut to fewer tokens: recurrent state, and
// the cache of a sliding window. It is valid in its context while the sequence has the same tokens up to
// where it was taken.

// partialState is LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY.
const partialState = 1

// CheckpointSize returns the size of a checkpoint of a sequence as it is now, in bytes.
func (c *Context) CheckpointSize(seq SeqID) (size int, err error) {
	err = c.memory([]SeqID{seq}, func(C.llama_memory_t) error {
		var e C.infer_error
		if size = int(C.infer_state_size(c.s.ctx, C.llama_seq_id(seq), partialState, &e)); size == 0 {
			return failure("llama_state_seq_get_size_ext", &e, c.s.home)
		}
		return nil
	})
	return size, err
}

// Checkpoint writes a checkpoint of a sequence to dst, which has CheckpointSize bytes:
// llama_state_seq_get_data_ext.
func (c *Context) Checkpoint(seq SeqID, dst []byte) error {
	return c.memory([]SeqID{seq}, func(C.llama_memory_t) error {
		if err := c.settle(c.s.ctx); err != nil {
			return err
		}
		var e C.infer_error
		if int(C.infer_state_get(c.s.ctx, C.llama_seq_id(seq), partialState, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(dst))), C.size_t(len(dst)), &e)) != len(dst) {
			return failure("llama_state_seq_get_data_ext", &e, c.s.home)
		}
		return nil
	})
}

// RestoreCheckpoint sets a sequence back to where a checkpoint was taken, after its first tokens tokens: llama_state_seq_set_data_ext.
// After an error the sequence has to be removed.
func (c *Context) RestoreCheckpoint(seq SeqID, checkpoint []byte, tokens Pos) error {
	return c.memory([]SeqID{seq}, func(m C.llama_memory_t) error {
		if err := c.settle(c.s.ctx); err != nil {
			return err
		}
		var e C.infer_error
		n := int(C.infer_state_set(c.s.ctx, C.llama_seq_id(seq), partialState, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(checkpoint))), C.size_t(len(checkpoint)), c.s.home.scope(C.INFER_PURPOSE_OUTPUT), &e))
		if n != len(checkpoint) || !bool(C.infer_llama_memory_seq_rm(m, C.llama_seq_id(seq), C.llama_pos(tokens), -1)) {
			return failure("llama_state_seq_set_data_ext", &e, c.s.home)
		}
		return nil
	})
}
