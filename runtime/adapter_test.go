//go:build cgo

package runtime_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/runtime"
)

// The engine transposes an adapter of the embeddings, and fails an assertion where the same
// matrix is the output.
func TestAdaptersOfEmbeddingsThatAreTheOutputAreRefused(t *testing.T) {
	ix, err := loader.Open(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	embeddings, _ := ix.Tensor("token_embd.weight")
	ix.Close()
	path := adapterOf(t, "token_embd.weight", [2]uint64{1, embeddings.Shape[1]}, [2]uint64{1, embeddings.Shape[0]})
	for _, load := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy, runtime.LoadStock} {
		_, err := runtime.Open(t.Context(), tinyF16, runtime.Options{Load: load, Adapters: []runtime.Adapter{{Path: path}}})
		if !errors.Is(err, runtime.ErrBadModel) || !strings.Contains(err.Error(), "merge it into the model") {
			t.Errorf("%v: %v", load, err)
		}
	}
}
