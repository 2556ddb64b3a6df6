package models_test

import (
	"context"
	"testing"

	"github.com/seed7adf6694/infer/internal/fieldtest"
	"github.com/seed7adf6694/infer/models"
)

func TestNoFieldOfAnOptionBringsAnythingDown(t *testing.T) {
	t.Chdir(t.TempDir())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	shape := models.Shape{Layers: 1, Width: 64, Heads: 2, KVHeads: 1, FFN: 64, Vocab: 300, Context: 64}
	for _, base := range []models.Shape{shape, {Layers: 1, Width: 64, Heads: 2, FFN: 64, Vocab: 300, Experts: 4, ExpertsUsed: 2}} {
		fieldtest.Each(models.SynthesizeOptions{Shape: base, Type: "f16"}, func(name string, o models.SynthesizeOptions) {
			if err := models.Synthesize(gone, "made.gguf", o); err == nil {
				t.Errorf("%s: made although it was cancelled", name)
			}
		})
	}
	fieldtest.Each(models.SynthesizeOptions{Shape: shape, Type: "f32"}, func(name string, o models.SynthesizeOptions) {
		if o.Shape == shape {
			_ = models.Synthesize(t.Context(), "made.gguf", o)
		}
	})
	for _, name := range []string{"", "tiny", "no such model", "./x", "\x00"} {
		fieldtest.Each(models.ResolveOptions{}, func(_ string, o models.ResolveOptions) {
			_, _ = models.Resolve(name, o)
		})
	}
}
