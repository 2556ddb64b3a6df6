//go:build unix

package loader_test

import (
	"testing"

	"github.com/seed7adf6694/infer/loader"
)

// It is called for each token.
func TestLookingForChangesDoesNotAllocate(t *testing.T) {
	ix, err := loader.Open("../models/tiny/tiny-stories-f16.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	if n := testing.AllocsPerRun(100, func() {
		if err := ix.Changed(); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%g allocations", n)
	}
}
