package check

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// keyNextN is the number of layers that predict further tokens (NextN, MTP), the last ones.
const keyNextN = "nextn_predict_layers"

func (h *hyperparameters) checkNextN() error {
	if n := h.uint(keyNextN); h.rule.nextN && n >= uint32(h.layers) {
		return h.fail(keyNextN, "must be less than the block count of %d", h.layers)
	}
	return nil
}

// hasTrunk reports whether the layers that predict further tokens count. DeepSeek 4 takes them for
// others unless their tensors are there.
func hasTrunk(ix *gguf.Index, arch string, layers, n uint32) bool {
	if n == 0 || n >= layers {
		return false
	}
	_, there := ix.Tensor(fmt.Sprintf("blk.%d.nextn.eh_proj.weight", layers-n))
	return arch != "deepseek4" || there
}

// Skipped is [Engine.Skipped] for the engine that is compiled in.
func Skipped(ix *gguf.Index) func(name string) bool { return EngineBuiltin.Skipped(ix) }

// Skipped returns whether the engine leaves out a tensor, by name: it belongs to a layer that
// predicts further tokens. It is for a valid model and reads the metadata only; of a loaded model
// the engine itself tells.
func (e Engine) Skipped(ix *gguf.Index) func(name string) bool {
	h := hyperparameters{ix: ix, arch: ix.Architecture()}
	layers, n := h.uint("block_count"), h.uint(keyNextN)
	rule, _ := e.architecture(h.arch)
	if !hasTrunk(ix, h.arch, layers, n) || !rule.nextN && e < EngineV0_5 || rule.keepsNextN {
		return func(string) bool { return false }
	}
	skipped := map[string]bool{}
	for i := layers - n; i < layers; i++ {
		skipped[fmt.Sprint(i)] = true
	}
	return func(name string) bool {
		rest, ok := strings.CutPrefix(name, "blk.")
		layer, _, _ := strings.Cut(rest, ".")
		return ok && skipped[layer]
	}
}
