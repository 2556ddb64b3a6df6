package runtime

import (
	"unsafe"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
)

// blocks gives the engine its memory from an arena.
type blocks struct{ arena *memory.Arena }

func (b blocks) AllocBlock(p llama.Purpose, size uintptr) (unsafe.Pointer, error) {
	return b.arena.AllocBlock(purposeOf(p), size)
}

func (b blocks) TagBlock(block unsafe.Pointer, p llama.Purpose) {
	_ = b.arena.TagBlock(block, purposeOf(p)) // purposeOf knows all
}

func (b blocks) FreeBlock(block unsafe.Pointer) { b.arena.FreeBlock(block) }

func (b blocks) BlockSize() uintptr { return b.arena.BlockSize() }

// purposeOf is the ledger's word for a purpose of the engine's; none for one that it lacks.
func purposeOf(p llama.Purpose) memory.Purpose {
	switch p {
	case llama.PurposeWeights:
		return memory.PurposeWeights
	case llama.PurposeKV:
		return memory.PurposeKV
	case llama.PurposeCompute:
		return memory.PurposeCompute
	case llama.PurposeOutput:
		return memory.PurposeOutput
	}
	return 0
}
