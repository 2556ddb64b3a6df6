package llama

import "unsafe"

// ContextMemory is the host memory that a context takes when it is made.
type ContextMemory struct {
	Ctx, Batch, UBatch int // tokens, as the engine rounded them
	Blocks             []MeasuredBlock
}

// MeasuredBlock is a block that [Blocks] would be asked for.
type MeasuredBlock struct {
	Purpose string // "kv", "compute" or "output"
	Size    uint64 // bytes
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
