package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/models"
)

// CheckOptions are the options of [Check].
type CheckOptions struct {
	// Progress is called with the bytes read, of packed files.
	Progress func(done, total uint64)
	// NoCompute leaves out computing, which reads all weights.
	NoCompute bool
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
	// Modes are the ways in which a few tokens were computed, with the same numbers; nil
	// where none were. Of a packed file whose source is gone there is one.
	Modes []string
	// NotStock says why llama.cpp's own load does not take the file, as a [StockError] does;
	// "" where it does.
	NotStock string
	// NotComputed says why there are no more; "" where that was not asked for.
	NotComputed string
	// Warnings are as in [Report].
	Warnings []string
}

// Check looks whether a model can be loaded: its file is validated, and the engine reads
// the header. Of a packed file it reads all: each tensor is compared with the sum that was
// written, and with what the engine makes of the source's bytes, and the source with its
// sum. A source that has changed is an error that wraps loader.ErrFileChanged; one that is not there
// any more is told in the result. Tensors that are zero to the end of a file, as a stopped
// download leaves them, are an [ErrBadModel]; other matrices of zeros are a warning.
//
// Then it computes a few tokens twice: with the file mapped, and as the engine loads it by
// itself, or of a packed file with a copy of the source; a file that the engine does not load
// by itself is copied. Numbers that differ are an
// [ErrModesDiffer], ones that are none an [ErrBadModel]. Where there is not enough memory
// for the weights, or the model makes no text and no embeddings, the result says so.
func Check(ctx context.Context, path string, o CheckOptions) (Checked, error) {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return Checked{}, err
	}
	c, ways, err := checkFile(ctx, file, o)
	if err == nil && !o.NoCompute {
		err = c.compute(ctx, ways)
	}
	if err != nil && ctx.Err() == nil {
		err = &LoadError{Path: file, Err: err}
	}
	return c, err
}

// checkFile looks at all but what is computed, and returns in which ways that is to be.
func checkFile(ctx context.Context, path string, o CheckOptions) (c Checked, ways []checkedWay, err error) {
	c.Path = path
	index, err := loader.Open(path)
	if err != nil {
		return c, nil, err
	}
	defer index.Close()
	if !index.HasTensors() {
		return c, nil, errNoWeights()
	}
	if err := checkPacked(index, Options{}); err != nil {
		return c, nil, err
	}
	zero, err := index.CheckZeros(ctx)
	if err != nil {
		return c, nil, err
	}
	plan, err := loader.NewPlan(index, loader.PlanOptions{})
	if err != nil {
		return c, nil, err
	}
	m := newModel(path, index, plan, LoadMMap, "", Options{})
	defer func() {
		m.index = nil // closed above
		m.free()
	}()
	if err := m.loadUnbound(ctx, Options{}); err != nil {
		return c, nil, err
	}
	if err := m.describe(); err != nil {
		return c, nil, err
	}
	c.Architecture, c.Description = m.info.Architecture, m.info.Description
	c.Tensors, c.Bytes, c.Warnings = len(index.Tensors()), index.Bytes(), append(index.Warnings(), zeroWarning(zero)...)
	if m.packed == nil {
		var stock *StockError
		if err := m.stockBegin(); errors.As(err, &stock) {
			c.NotStock = stock.Error()
		} else if err != nil {
			return c, nil, err
		}
		return c, checkedWays(path, "", false, c.NotStock == ""), nil
	}
	c.Packed = len(m.packed)
	if c.Source, err = m.checkAllPacked(ctx, o); err != nil {
		return c, nil, err
	}
	source := ""
	if c.Source == "" {
		source = index.Packed().Source[0].Path
	}
	return c, checkedWays(path, source, true, false), nil
}

// zeroWarning is the warning of matrices without any weight, which are not at the end.
func zeroWarning(names []string) []string {
	const most = 5
	switch n := len(names); {
	case n == 0:
		return nil
	case n > most:
		return []string{fmt.Sprintf("%d tensors hold nothing but zeros: %s, … and %d more", n, strings.Join(names[:most], ", "), n-most)}
	case n > 1:
		return []string{fmt.Sprintf("%d tensors hold nothing but zeros: %s", n, strings.Join(names, ", "))}
	}
	return []string{fmt.Sprintf("tensor %s holds nothing but zeros", names[0])}
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
	source, missing := packed.OpenSource(m.index.Packed())
	if missing == nil {
		defer source.Close()
	}
	err = packed.Check(ctx, m.index, source,
		func(t gguf.PackedTensor) int { return groups[t.Name] },
		func(t gguf.PackedTensor, dst, src []byte) error {
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
