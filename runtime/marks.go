package runtime

import (
	"slices"
	"unsafe"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Recurrent models and caches of sliding windows can't go back to a part of a text. So their states are
// kept where a prompt ends, which is where the next prompt of a conversation may differ: its text is
// then computed from there on.

// defaultCheckpoints and mostMarks bound the states that are kept of a context.
const (
	defaultCheckpoints = 64 << 20 // bytes
	mostMarks          = 8        // of one text, as llama.cpp's --ctx-checkpoints
	// worthMarking is the number of tokens after which a state is kept: fewer are computed again as fast.
	worthMarking = 32
)

// mark is a state of a text after its first n tokens.
type mark struct {
	n     int
	state []byte // of the arena
}

// marks are the states of one text, shortest first.
type marks struct{ list []mark }

// last returns how many tokens the longest state has.
func (m *marks) last() int {
	if len(m.list) == 0 {
		return 0
	}
	return m.list[len(m.list)-1].n
}

// bytes returns the size of all states.
func (m *marks) bytes() (n uint64) {
	for _, x := range m.list {
		n += uint64(len(x.state))
	}
	return n
}

// forgetful reports whether the model's memory needs marks.
func (t *traits) forgetful() bool { return t.info.Recurrent || t.info.Hybrid || t.info.SWA > 0 }

// markMemory is the memory for the states of a context, of which all texts take some.
type markMemory struct {
	arena *memory.Arena
	most  uint64
	taken uint64
}

// free frees the states of more than n tokens.
func (m *markMemory) free(of *marks, n int) {
	of.list = slices.DeleteFunc(of.list, func(x mark) bool {
		if x.n <= n {
			return false
		}
		m.drop(x)
		return true
	})
}

func (m *markMemory) drop(x mark) {
	m.taken -= uint64(len(x.state))
	m.arena.FreeBlock(unsafe.Pointer(unsafe.SliceData(x.state)))
}

// add keeps the state of a sequence, which has n tokens. If there is no memory for it, it does nothing:
// the text will be computed again.
func (m *markMemory) add(c *llama.Context, seq llama.SeqID, of *marks, n int) {
	if n < of.last()+worthMarking {
		return
	}
	size, err := c.CheckpointSize(seq)
	if err != nil || m.taken-of.bytes()+uint64(size) > m.most { // with what other texts have taken
		return
	}
	for len(of.list) > 0 && (len(of.list) >= mostMarks || m.taken+uint64(size) > m.most) {
		i := min(1, len(of.list)-1) // the shortest is the one of the system prompt
		m.drop(of.list[i])
		of.list = slices.Delete(of.list, i, i+1)
	}
	p, err := m.arena.AllocBlock(memory.PurposeKV, uintptr(size))
	if err != nil {
		return
	}
	x := mark{n, unsafe.Slice((*byte)(p), size)}
	m.taken += uint64(size)
	if err := c.Checkpoint(seq, x.state); err != nil {
		m.drop(x)
		return
	}
	of.list = append(of.list, x)
}

// back sets a sequence back to its first n tokens, or to the longest state before. It returns how many
// tokens it has then; with 0 it has to be removed.
func (m *markMemory) back(c *llama.Context, seq llama.SeqID, of *marks, n int) int {
	m.free(of, n)
	if len(of.list) == 0 {
		return 0
	}
	x := of.list[len(of.list)-1]
	if err := c.RestoreCheckpoint(seq, x.state, llama.Pos(x.n)); err != nil {
		return 0
	}
	return x.n
}
