//go:build !cgo

package llama

import (
	"context"
	"os"
)

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

// CheckpointSize returns ErrNoEngine.
func (c *Context) CheckpointSize(SeqID) (int, error) { return 0, ErrNoEngine }

// Checkpoint returns ErrNoEngine.
func (c *Context) Checkpoint(SeqID, []byte) error { return ErrNoEngine }

// RestoreCheckpoint returns ErrNoEngine.
func (c *Context) RestoreCheckpoint(SeqID, []byte, Pos) error { return ErrNoEngine }

// SaveSeq returns ErrNoEngine.
func (c *Context) SaveSeq(SeqID, *os.File, []Token) (int64, error) { return 0, ErrNoEngine }

// LoadSeq returns ErrNoEngine.
func (c *Context) LoadSeq(SeqID, *os.File, int64, int) ([]Token, error) { return nil, ErrNoEngine }

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

// Close does nothing.
func (x *Sampler) Close() error { return nil }

// Sample returns ErrNoEngine.
func (x *Sampler) Sample(*Context, int) (Token, error) { return NullToken, ErrNoEngine }

// Choose returns ErrNoEngine.
func (x *Sampler) Choose([]float32) (Token, error) { return NullToken, ErrNoEngine }

// Accept returns ErrNoEngine.
func (x *Sampler) Accept(Token) error { return ErrNoEngine }

// AcceptPrompt returns ErrNoEngine.
func (x *Sampler) AcceptPrompt(Token) error { return ErrNoEngine }

// Reset returns ErrNoEngine.
func (x *Sampler) Reset() error { return ErrNoEngine }

// Clone returns ErrNoEngine.
func (x *Sampler) Clone() (*Sampler, error) { return nil, ErrNoEngine }

// Names returns ErrNoEngine.
func (x *Sampler) Names() ([]string, error) { return nil, ErrNoEngine }

// Seed returns ErrNoEngine.
func (x *Sampler) Seed() (uint32, bool, error) { return 0, false, ErrNoEngine }

// AddGreedy returns ErrNoEngine.
func (x *Sampler) AddGreedy() error { return ErrNoEngine }

// AddDist returns ErrNoEngine.
func (x *Sampler) AddDist(uint32) error { return ErrNoEngine }

// AddMirostat returns ErrNoEngine.
func (x *Sampler) AddMirostat(uint32, float32, float32, int) error { return ErrNoEngine }

// AddMirostatV2 returns ErrNoEngine.
func (x *Sampler) AddMirostatV2(uint32, float32, float32) error { return ErrNoEngine }

// AddTopK returns ErrNoEngine.
func (x *Sampler) AddTopK(int) error { return ErrNoEngine }

// AddTopP returns ErrNoEngine.
func (x *Sampler) AddTopP(float32, int) error { return ErrNoEngine }

// AddMinP returns ErrNoEngine.
func (x *Sampler) AddMinP(float32, int) error { return ErrNoEngine }

// AddTypical returns ErrNoEngine.
func (x *Sampler) AddTypical(float32, int) error { return ErrNoEngine }

// AddTopNSigma returns ErrNoEngine.
func (x *Sampler) AddTopNSigma(float32) error { return ErrNoEngine }

// AddXTC returns ErrNoEngine.
func (x *Sampler) AddXTC(float32, float32, int, uint32) error { return ErrNoEngine }

// AddTemperature returns ErrNoEngine.
func (x *Sampler) AddTemperature(float32) error { return ErrNoEngine }

// AddDynamicTemperature returns ErrNoEngine.
func (x *Sampler) AddDynamicTemperature(float32, float32, float32) error { return ErrNoEngine }

// AddPenalties returns ErrNoEngine.
func (x *Sampler) AddPenalties(int, float32, float32, float32) error { return ErrNoEngine }

// AddDRY returns ErrNoEngine.
func (x *Sampler) AddDRY(DRYParams) error { return ErrNoEngine }

// AddLogitBias returns ErrNoEngine.
func (x *Sampler) AddLogitBias(map[Token]float32) error { return ErrNoEngine }

// AddInfill returns ErrNoEngine.
func (x *Sampler) AddInfill() error { return ErrNoEngine }

// AddGrammar returns ErrNoEngine.
func (x *Sampler) AddGrammar(string, string) error { return ErrNoEngine }

// AddLazyGrammar returns ErrNoEngine.
func (x *Sampler) AddLazyGrammar(string, string, []string, []Token) error { return ErrNoEngine }
