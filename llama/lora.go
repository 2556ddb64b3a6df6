//go:build cgo

package llama

// Adapter is a LoRA adapter of a model.
type Adapter struct{ s *adapterState }

type adapterState struct {
	life lifetime
}
