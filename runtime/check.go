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
	// Progress is called with the bytes read of a packed file.
	Progress func(done, total uint64)
	// NoCompute does not compute tokens, which would read all weights.
	NoCompute bool
}

// Checked is the result of [Check].
type Checked struct {
	Path         string
	Architecture string
	Description  string
	Tensors      int
	Bytes        uint64 // of weights
	Packed       int    // tensors in the layout of a packed file; 0 for other files
	// Source says why the packed tensors were not compared with the source; "" if they
	// were.
	Source string
	// Modes are the ways in which a few tokens were computed, with equal results; nil if
	// none were computed. For a packed file without its source it is one way.
	Modes []string
	// NotStock is the text of the [StockError] of a file that [LoadStock] can't load; "" if
	// it can.
	NotStock string
	// NotComputed says why a way was not computed; "" if all were, or with NoCompute.
	NotComputed string
	// Warnings are as in [Report].
	Warnings []string
}

// Check checks that a model can be loaded: it validates the file, and lets the engine read the
// header. It reads all of a packed file: it compares each tensor with its checksum and with
// the repacked bytes of the source, and the source with its checksum. A source that has changed
// is an error that wraps loader.ErrFileChanged; a missing source is noted in the result. Tensors
// that are zero up to the end of a file, as left by a stopped download, are an [ErrBadModel];
// other matrices of zeros are a warning.
//
// Then it computes a few tokens in two ways: with mapped weights and with [LoadStock], or with
// a copy if LoadStock can't load the file. For a packed file the second way is a copy of the
// source. Different results are an [ErrModesDiffer], NaN and infinity an [ErrBadModel]. If
// there is not enough memory for the weights, or the model makes neither text nor embeddings,
// the result says so in NotComputed.
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

// checkFile does all checks except computing, and returns the ways to compute.
func checkFile(ctx context.Context, path string, o CheckOptions) (c Checked, ways []checkedWay, err error) {
	c.Path = path
	src, err := openSource(path, "", Options{}.config(), 0)
	if err != nil {
		return c, nil, err
	}
	defer src.close()
	zero, err := src.index.CheckZeros(ctx)
	if err != nil {
		return c, nil, err
	}
	w, err := loadHeader(ctx, Options{}.config(), src, LoadMMap)
	if err != nil {
		return c, nil, err
	}
	defer w.unload()
	info, err := w.native.Info()
	if err != nil {
		return c, nil, err
	}
	c.Architecture, c.Description = info.Architecture, info.Description
	c.Tensors, c.Bytes, c.Warnings = len(src.index.Tensors()), src.index.Bytes(), append(src.index.Warnings(), zeroWarning(zero)...)
	if src.packed == nil {
		var stock *StockError
		if err := w.stockBegin(); errors.As(err, &stock) {
			c.NotStock = stock.Error()
		} else if err != nil {
			return c, nil, err
		}
		return c, checkedWays(path, "", false, c.NotStock == ""), nil
	}
	c.Packed = len(src.packed)
	if c.Source, err = w.checkAllPacked(ctx, o); err != nil {
		return c, nil, err
	}
	source := ""
	if c.Source == "" {
		source = src.index.Packed().Source[0].Path
	}
	return c, checkedWays(path, source, true, false), nil
}

// zeroWarning returns the warning about matrices of zeros.
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

// checkAllPacked compares all tensors of a packed file. It returns why they were not compared
// with the source, "" if they were.
func (w *weights) checkAllPacked(ctx context.Context, o CheckOptions) (string, error) {
	ws, err := w.native.Weights()
	if err != nil {
		return "", err
	}
	if err := w.matchPacked(ws); err != nil {
		return "", err
	}
	numbers, groups := map[string]int{}, map[string]int{}
	for i, x := range ws {
		if t, ok := w.packed[x.Name]; ok && w.placeOf(x) == t.Name {
			layout, err := w.native.Layout(i)
			if err != nil {
				return "", err
			}
			numbers[t.Name], groups[t.Name] = i, layout.Group
		}
	}
	source, missing := packed.OpenSource(w.index.Packed())
	if missing == nil {
		defer source.Close()
	}
	err = packed.Check(ctx, w.index, source,
		func(t gguf.PackedTensor) int { return groups[t.Name] },
		func(t gguf.PackedTensor, dst, src []byte) error {
			return w.native.RepackRows(numbers[t.Name], dst, src)
		}, o.Progress)
	switch {
	case err != nil:
		return "", err
	case errors.Is(missing, fs.ErrNotExist):
		return fmt.Sprintf("%s does not exist any more", w.index.Packed().Source[0].Path), nil
	case errors.Is(missing, loader.ErrFileChanged):
		return "", missing
	case missing != nil:
		return missing.Error(), nil
	}
	return "", nil
}
