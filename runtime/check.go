package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/models"
)

// CheckOptions are the options of [Check].
type CheckOptions struct {
	// Progress is called with the bytes read, of packed files.
	Progress func(done, total uint64)
}

// Checked is what [Check] looked at.
type Checked struct {
	Path         string
	Architecture string
	Description  string
	Tensors      int
	Bytes        uint64 // of weights
	Packed       int    // tensors of a packed file in a layout of their own; 0 for other files
	// Source says why the packed tensors were not compared with the source; "" where they
	// were.
	Source string
}

// Check looks whether a model can be loaded: its file is validated, and the engine reads
// the header. Of a packed file it reads all: each tensor is compared with the sum that was
// written, and with what the engine makes of the source's bytes, and the source with its
// sum. A source that has changed is an error that wraps loader.ErrFileChanged; one that is not there
// any more is told in the result.
func Check(ctx context.Context, path string, o CheckOptions) (Checked, error) {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return Checked{}, err
	}
	c, err := checkFile(ctx, file, o)
	if err != nil && ctx.Err() == nil {
		err = &LoadError{Path: file, Err: err}
	}
	return c, err
}

func checkFile(ctx context.Context, path string, o CheckOptions) (Checked, error) {
	c := Checked{Path: path}
	index, err := loader.Open(path)
	if err != nil {
		return c, err
	}
	defer index.Close()
	if !index.HasTensors() {
		return c, errNoWeights()
	}
	if err := checkPacked(index, Options{}); err != nil {
		return c, err
	}
	plan, err := index.Plan(loader.PlanOptions{})
	if err != nil {
		return c, err
	}
	m := newModel(path, index, plan, LoadMMap, "", Options{})
	defer func() {
		m.index = nil // closed above
		m.free()
	}()
	if err := m.loadUnbound(ctx, Options{}); err != nil {
		return c, err
	}
	if err := m.describe(); err != nil {
		return c, err
	}
	c.Architecture, c.Description = m.info.Architecture, m.info.Description
	c.Tensors, c.Bytes = len(index.Tensors()), index.Bytes()
	if m.packed == nil {
		return c, nil
	}
	c.Packed = len(m.packed)
	c.Source, err = m.checkAllPacked(ctx, o)
	return c, err
}

// checkAllPacked compares all of a packed file. It returns why not with the source.
func (m *Model) checkAllPacked(ctx context.Context, o CheckOptions) (string, error) {
	ws, err := m.native.Weights()
	if err != nil {
		return "", err
	}
	if err := m.matchPacked(ws); err != nil {
		return "", err
	}
	numbers, groups := map[string]int{}, map[string]int{}
	for i, w := range ws {
		if t, ok := m.packed[w.Name]; ok && m.placeOf(w) == t.Name {
			layout, err := m.native.Layout(i)
			if err != nil {
				return "", err
			}
			numbers[t.Name], groups[t.Name] = i, layout.Group
		}
	}
	source, missing := m.index.Packed().OpenSource()
	if missing == nil {
		defer source.Close()
	}
	err = m.index.CheckPacked(ctx, source,
		func(t loader.PackedTensor) int { return groups[t.Name] },
		func(t loader.PackedTensor, dst, src []byte) error {
			return m.native.RepackRows(numbers[t.Name], dst, src)
		}, o.Progress)
	switch {
	case err != nil:
		return "", err
	case errors.Is(missing, fs.ErrNotExist):
		return fmt.Sprintf("%s is not there any more", m.index.Packed().Source[0].Path), nil
	case errors.Is(missing, loader.ErrFileChanged):
		return "", missing
	case missing != nil:
		return missing.Error(), nil
	}
	return "", nil
}
