//go:build !cgo

package llama

import (
	"context"
	"fmt"
	"log/slog"
	"unsafe"
)

// Without cgo there is no engine: all constructors and methods return ErrNoEngine. The files of the
// cgo build have the documentation.

// hasEngine reports whether this build has the engine.
const hasEngine = false

// UseEngine returns [ErrNoEngine].
func UseEngine(string) error { return ErrNoEngine }

// Engine is the zero value.
func Engine() EngineInfo { return EngineInfo{} }

// Model has no constructor in this build.
type Model struct{ _ int }

// Context has no constructor in this build.
type Context struct{ _ int }

// Batch has no constructor in this build.
type Batch struct{ _ int }

// Sampler has no constructor in this build.
type Sampler struct{ _ int }

// Adapter has no constructor in this build.
type Adapter struct{ _ int }

// Mapped is not needed in this build: nothing computes.
type Mapped struct{ _ int }

// WatchMapped watches nothing.
func WatchMapped(unsafe.Pointer, uint64) *Mapped { return &Mapped{} }

// Lost is 0.
func (m *Mapped) Lost() uint64 { return 0 }

// Close does nothing.
func (m *Mapped) Close() error { return nil }

// LoadModel returns ErrNoEngine.
func LoadModel(context.Context, string, ModelParams) (*Model, error) { return nil, ErrNoEngine }

// NewBatch returns ErrNoEngine.
func NewBatch(int, int) (*Batch, error) { return nil, ErrNoEngine }

// Quantize returns ErrNoEngine.
func Quantize(context.Context, string, string, QuantizeParams) error { return ErrNoEngine }

// QuantizeRows returns ErrNoEngine.
func QuantizeRows(TensorType, []float32, int) ([]byte, error) { return nil, ErrNoEngine }

// ValidRows returns ErrNoEngine.
func ValidRows(TensorType, []byte) (bool, error) { return false, ErrNoEngine }

// ParseTensorType returns ErrNoEngine.
func ParseTensorType(string) (TensorType, error) { return 0, ErrNoEngine }

// String is the type's number: the engine has the names.
func (t TensorType) String() string { return fmt.Sprintf("TensorType(%d)", uint32(t)) }

// ApplyChatTemplate returns ErrNoEngine.
func ApplyChatTemplate(string, []ChatMessage, bool) (string, error) { return "", ErrNoEngine }

// BuiltinChatTemplates lists none.
func BuiltinChatTemplates() []string { return nil }

// Devices returns ErrNoEngine.
func Devices() ([]Device, error) { return nil, ErrNoEngine }

// LoadBackends returns ErrNoEngine.
func LoadBackends(string) error { return ErrNoEngine }

// SetLogger does nothing: there is no engine to log.
func SetLogger(*slog.Logger) {}

// SystemInfo is empty.
func SystemInfo() string { return "" }

// CompiledFeatures lists none.
func CompiledFeatures() []string { return nil }

// MaxDevices is 0.
func MaxDevices() int { return 0 }

// SupportsGPU is false.
func SupportsGPU() bool { return false }

// SupportsMMap is false.
func SupportsMMap() bool { return false }

// SupportsMLock is false.
func SupportsMLock() bool { return false }

// CanRepack is false.
func CanRepack() bool { return false }

// Repacks returns nil.
func Repacks() []string { return nil }

// Kernels returns "".
func Kernels() string { return "" }

// Optimized is true: there is no native code.
func Optimized() bool { return true }

// Models.

// Close does nothing.
func (m *Model) Close() error { return nil }

// Info returns ErrNoEngine.
func (m *Model) Info() (ModelInfo, error) { return ModelInfo{}, ErrNoEngine }

// Metadata returns ErrNoEngine.
func (m *Model) Metadata(string) (string, bool, error) { return "", false, ErrNoEngine }

// AllMetadata returns ErrNoEngine.
func (m *Model) AllMetadata() (map[string]string, error) { return nil, ErrNoEngine }

// ChatTemplate returns ErrNoEngine.
func (m *Model) ChatTemplate(string) (string, error) { return "", ErrNoEngine }

// ClassLabels returns ErrNoEngine.
func (m *Model) ClassLabels() ([]string, error) { return nil, ErrNoEngine }

// Weights returns ErrNoEngine.
func (m *Model) Weights() ([]Weight, error) { return nil, ErrNoEngine }

// Stream returns ErrNoEngine.
func (m *Model) Stream(int, int, unsafe.Pointer) error { return ErrNoEngine }
func (m *Model) StreamExperts(int, int, unsafe.Pointer, uintptr, int) error {
	return ErrNoEngine
}

// Bind returns ErrNoEngine.
func (m *Model) Bind(int, unsafe.Pointer) error { return ErrNoEngine }

// Repack returns ErrNoEngine.
func (m *Model) Repack(int, unsafe.Pointer, unsafe.Pointer) error { return ErrNoEngine }

// Rebind returns ErrNoEngine.
func (m *Model) Rebind(*Model) error { return ErrNoEngine }

// BindPacked returns ErrNoEngine.
func (m *Model) BindPacked(int, unsafe.Pointer) error { return ErrNoEngine }

// Layout returns ErrNoEngine.
func (m *Model) Layout(int) (Layout, error) { return Layout{}, ErrNoEngine }

// RepackRows returns ErrNoEngine.
func (m *Model) RepackRows(int, []byte, []byte) error { return ErrNoEngine }

// Place returns ErrNoEngine.
func (m *Model) Place() error { return ErrNoEngine }

// Upload returns ErrNoEngine.
func (m *Model) Upload(int, unsafe.Pointer, uint64, uint64) error { return ErrNoEngine }

// NewContext returns ErrNoEngine.
func (m *Model) NewContext(ContextParams) (*Context, error) { return nil, ErrNoEngine }

// MeasureContext returns ErrNoEngine.
func (m *Model) MeasureContext(ContextParams, uintptr) (ContextMemory, error) {
	return ContextMemory{}, ErrNoEngine
}

// NewSampler returns ErrNoEngine.
func (m *Model) NewSampler() (*Sampler, error) { return nil, ErrNoEngine }

// LoadAdapter returns ErrNoEngine.
func (m *Model) LoadAdapter(string) (*Adapter, error) { return nil, ErrNoEngine }

// VocabSize returns ErrNoEngine.
func (m *Model) VocabSize() (int, error) { return 0, ErrNoEngine }

// VocabType returns ErrNoEngine.
func (m *Model) VocabType() (string, error) { return "", ErrNoEngine }

// ControlTokens returns ErrNoEngine.
func (m *Model) ControlTokens() ([]Token, error) { return nil, ErrNoEngine }

// SpecialTokens returns ErrNoEngine.
func (m *Model) SpecialTokens() (SpecialTokens, error) { return SpecialTokens{}, ErrNoEngine }

// EOGs returns ErrNoEngine.
func (m *Model) EOGs() ([]Token, error) { return nil, ErrNoEngine }

// TokenInfo returns ErrNoEngine.
func (m *Model) TokenInfo(Token) (TokenInfo, error) { return TokenInfo{}, ErrNoEngine }

// Tokenize returns ErrNoEngine.
func (m *Model) Tokenize(string, bool, bool) ([]Token, error) { return nil, ErrNoEngine }

// AppendPiece returns ErrNoEngine.
func (m *Model) AppendPiece(dst []byte, _ Token, _ bool) ([]byte, error) { return dst, ErrNoEngine }

// Detokenize returns ErrNoEngine.
func (m *Model) Detokenize([]Token, bool, bool) (string, error) { return "", ErrNoEngine }

// Batches.

// Close does nothing.
func (b *Batch) Close() error { return nil }

// Add returns ErrNoEngine.
func (b *Batch) Add(Token, Pos, bool, ...SeqID) error { return ErrNoEngine }

// Clear does nothing.
func (b *Batch) Clear() {}

// Len is 0.
func (b *Batch) Len() int { return 0 }

// Cap is 0.
func (b *Batch) Cap() int { return 0 }

// Adapters.

// Close does nothing.
func (a *Adapter) Close() error { return nil }

// Metadata returns ErrNoEngine.
func (a *Adapter) Metadata(string) (string, bool, error) { return "", false, ErrNoEngine }

// AllMetadata returns ErrNoEngine.
func (a *Adapter) AllMetadata() (map[string]string, error) { return nil, ErrNoEngine }

// InvocationTokens returns ErrNoEngine.
func (a *Adapter) InvocationTokens() ([]Token, error) { return nil, ErrNoEngine }
