//go:build !cgo

package llama

import "context"

// Close does nothing.
func (c *Context) Close() error { return nil }

// Ctx is 0.
func (c *Context) Ctx() int { return 0 }

// Batch is 0.
func (c *Context) Batch() int { return 0 }

// UBatch is 0.
func (c *Context) UBatch() int { return 0 }

// SeqMax is 0.
func (c *Context) SeqMax() int { return 0 }

// Vocab is 0.
func (c *Context) Vocab() int { return 0 }

// Pooled is false.
func (c *Context) Pooled() bool { return false }

// Decode returns ErrNoEngine.
func (c *Context) Decode(context.Context, *Batch) error { return ErrNoEngine }

// Encode returns ErrNoEngine.
func (c *Context) Encode(context.Context, *Batch) error { return ErrNoEngine }

// Logits returns ErrNoEngine.
func (c *Context) Logits(_ int, dst []float32) ([]float32, error) { return dst, ErrNoEngine }

// Embedding returns ErrNoEngine.
func (c *Context) Embedding(_ int, dst []float32) ([]float32, error) { return dst, ErrNoEngine }

// SequenceEmbedding returns ErrNoEngine.
func (c *Context) SequenceEmbedding(_ SeqID, dst []float32) ([]float32, error) {
	return dst, ErrNoEngine
}

// SetThreads returns ErrNoEngine.
func (c *Context) SetThreads(int, int) error { return ErrNoEngine }

// RestThreads returns ErrNoEngine.
func (c *Context) RestThreads() error { return ErrNoEngine }

// SetEmbeddings returns ErrNoEngine.
func (c *Context) SetEmbeddings(bool) error { return ErrNoEngine }

// SetCausal returns ErrNoEngine.
func (c *Context) SetCausal(bool) error { return ErrNoEngine }

// Clear returns ErrNoEngine.
func (c *Context) Clear() error { return ErrNoEngine }

// Remembers returns false.
func (c *Context) Remembers() bool { return false }

// RemoveSeq returns ErrNoEngine.
func (c *Context) RemoveSeq(SeqID, Pos, Pos) (bool, error) { return false, ErrNoEngine }

// CopySeq returns ErrNoEngine.
func (c *Context) CopySeq(SeqID, SeqID, Pos, Pos) error { return ErrNoEngine }

// KeepSeq returns ErrNoEngine.
func (c *Context) KeepSeq(SeqID) error { return ErrNoEngine }

// ShiftSeq returns ErrNoEngine.
func (c *Context) ShiftSeq(SeqID, Pos, Pos, Pos) error { return ErrNoEngine }

// DivideSeq returns ErrNoEngine.
func (c *Context) DivideSeq(SeqID, Pos, Pos, int) error { return ErrNoEngine }

// PosMin returns ErrNoEngine.
func (c *Context) PosMin(SeqID) (Pos, error) { return 0, ErrNoEngine }

// PosMax returns ErrNoEngine.
func (c *Context) PosMax(SeqID) (Pos, error) { return 0, ErrNoEngine }

// CanShift returns ErrNoEngine.
func (c *Context) CanShift() (bool, error) { return false, ErrNoEngine }

// State returns ErrNoEngine.
func (c *Context) State(dst []byte) ([]byte, error) { return dst, ErrNoEngine }

// SeqState returns ErrNoEngine.
func (c *Context) SeqState(_ SeqID, dst []byte) ([]byte, error) { return dst, ErrNoEngine }

// SetState returns ErrNoEngine.
func (c *Context) SetState([]byte) error { return ErrNoEngine }

// SetSeqState returns ErrNoEngine.
func (c *Context) SetSeqState(SeqID, []byte) error { return ErrNoEngine }

// ApplyAdapter returns ErrNoEngine.
func (c *Context) ApplyAdapter(*Adapter, float32) error { return ErrNoEngine }

// RemoveAdapter returns ErrNoEngine.
func (c *Context) RemoveAdapter(*Adapter) (bool, error) { return false, ErrNoEngine }

// ClearAdapters returns ErrNoEngine.
func (c *Context) ClearAdapters() error { return ErrNoEngine }

// ApplyControlVector returns ErrNoEngine.
func (c *Context) ApplyControlVector([]float32, int, int) error { return ErrNoEngine }
