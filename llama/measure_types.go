package llama

import "unsafe"

// ContextMemory is the host memory that a context takes when it is made.
type ContextMemory struct {
	Ctx, Batch, UBatch int // tokens, as the engine rounded them
	Blocks             []MeasuredBlock
	// Work is what the threads convert operands into, beside the blocks; taken at the
	// first evaluation, and by the most threads that p names. 0 on macOS.
	Work uint64 // bytes
}

// MeasuredBlock is a block that [Blocks] would be asked for.
type MeasuredBlock struct {
	Purpose string // "kv", "compute" or "output"
	Size    uint64 // bytes
	// Used is what of it is written: of a compute buffer by a micro-batch at the end of a
	// full context of which the last token has a result. Size where that is not known, as
	// on macOS.
	Used uint64 // bytes
	// First and Last are the engine's names of the first and last tensor put into it,
	// such as cache_k_l0 or result_output; "" where it does not say.
	First, Last string
}

// measuring is the Blocks of a context that is only measured.
type measuring struct{ size uintptr }

func (m measuring) BlockSize() uintptr                               { return m.size }
func (measuring) AllocBlock(string, uintptr) (unsafe.Pointer, error) { return nil, ErrNoMemory }
func (measuring) TagBlock(unsafe.Pointer, string)                    {}
func (measuring) FreeBlock(unsafe.Pointer)                           {}
