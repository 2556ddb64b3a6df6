package check

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// Adapter is [Engine.Adapter] for the engine that is compiled in.
func Adapter(ix, model *gguf.Index) error { return EngineBuiltin.Adapter(ix, model) }

// Adapter returns an error for a LoRA adapter that would make the engine abort, or read and write
// past its memory, when a graph of the model uses it: the engine compares the first two dimensions
// of its matrices with those of the model's tensors, but neither types nor the number of experts.
// Tensors that the model does not have are left to the engine.
func (e Engine) Adapter(ix, model *gguf.Index) error {
	if err := e.checkTypes(ix); err != nil {
		return err
	}
	for _, t := range ix.Tensors() {
		name, isA := strings.CutSuffix(t.Name, ".lora_a")
		name, isB := strings.CutSuffix(name, ".lora_b")
		of, ok := model.Tensor(name)
		if !ok || !isA && !isB {
			continue
		}
		if !multipliable(t.Type) {
			return ix.TensorError(t.Name, t.Type.String(), "the engine can't multiply by this type")
		}
		for i := 2; i < max(len(t.Shape), len(of.Shape)); i++ {
			if dim(t, i) != dim(of, i) {
				return ix.TensorError(t.Name, t.ShapeText(), fmt.Sprintf("does not fit the model's tensor, %s: a pair of matrices for each of its experts is needed", of.ShapeText()))
			}
		}
	}
	return nil
}
