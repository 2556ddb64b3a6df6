package runtime

import (
	"fmt"

	"github.com/seed7adf6694/infer/loader"
)

// addAdapters loads the configuration's adapters.
func (w *weights) addAdapters(tied bool) error {
	for _, a := range w.config.adapters {
		if err := w.addAdapter(a, tied); err != nil {
			return err
		}
	}
	return nil
}

// addAdapter loads a LoRA adapter, whose file is validated as the model's was.
func (w *weights) addAdapter(a Adapter, tied bool) error {
	index, err := loader.OpenWith(a.Path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return err
	}
	defer index.Close()
	if v, ok := index.Lookup("general.type"); ok {
		if s, _ := v.Str(); s != "adapter" {
			return fmt.Errorf("%s: %w: general.type is %q, an adapter's is \"adapter\"", a.Path, ErrBadModel, s)
		}
	}
	if _, ok := index.Tensor("token_embd.weight.lora_a"); ok && tied {
		return fmt.Errorf("adapter %s: %w: it changes token_embd.weight, which this model uses for its output too, where the engine can't apply it: merge it into the model", a.Path, ErrBadModel)
	}
	native, err := w.native.LoadAdapter(a.Path)
	if err != nil {
		return fmt.Errorf("adapter %s: %w", a.Path, err)
	}
	w.adapters = append(w.adapters, appliedAdapter{native, a.Scale})
	return nil
}
