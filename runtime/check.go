package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime/internal/values"
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
// source. Different results are an [ErrModesDiffer], NaN and infinity in them or in the weights an [ErrBadModel]. If
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
		if c.NotComputed == "" && (err == nil || errors.Is(err, ErrBadModel)) {
			err = cmp.Or(checkNumbers(ctx, file), err)
		}
	}
	if err != nil && ctx.Err() == nil {
		err = &LoadError{Path: file, Err: err}
	}
	return c, err
}

// checkNumbers checks the numbers of all weights that are not in a layout of a packed file: [Check] compares
// those with the source.
func checkNumbers(ctx context.Context, path string) error {
	index, err := openIndex(path)
	if err != nil {
		return err
	}
	defer index.Close()
	return values.Check(ctx, index, nil)
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
			if of, ok := w.index.Tensor(t.Name); ok {
				if err := values.Finite(w.index, of, src); err != nil {
					return err
				}
			}
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

// checkTokens is the number of tokens that [Check] computes in each way.
const checkTokens = 4

// ErrModesDiffer is returned by [Check] if two load modes with the same layout of the weights
// compute different numbers.
var ErrModesDiffer = errors.New("two modes compute different numbers")

// ModesError is the error of two load modes that compute different numbers.
type ModesError struct {
	Modes      [2]string
	Token      int     // the first token that differs, from 0
	Difference float64 // the largest difference of its numbers
}

func (e *ModesError) Error() string {
	return fmt.Sprintf("%v: %s and %s, by %g at token %d", ErrModesDiffer, e.Modes[0], e.Modes[1], e.Difference, e.Token)
}

// Is makes the error an ErrModesDiffer.
func (e *ModesError) Is(target error) bool { return target == ErrModesDiffer }

// checkedWay is a way to open a model for [Check]. All ways of one model have the same layout
// of the weights, and so the same results to the last bit.
type checkedWay struct {
	name, path string
	options    Options
}

// checkedWays returns the ways of a file: mapped, and stock or a copy. For a packed file the
// second is a copy of its source, which is "" if there is none.
func checkedWays(path, source string, packed, stock bool) []checkedWay {
	mapped := checkedWay{"mmap", path, Options{Load: LoadMMap, NoRepack: !packed, Packed: PackedOff}}
	switch {
	case packed && source == "":
		return []checkedWay{mapped}
	case packed:
		return []checkedWay{mapped, {"copy of the source", source, Options{Load: LoadCopy, Packed: PackedOff}}}
	}
	if !stock {
		return []checkedWay{mapped, {"copy", path, Options{Load: LoadCopy, NoRepack: true, Packed: PackedOff}}}
	}
	return []checkedWay{mapped, {"stock", path, Options{Load: LoadStock, NoRepack: true, Packed: PackedOff}}}
}

// compute computes tokens in all ways and compares the results.
func (c *Checked) compute(ctx context.Context, ways []checkedWay) error {
	if why, err := tooLarge(c.Bytes); err != nil || why != "" {
		c.NotComputed = why
		return err
	}
	var first [][]float32
	var load *LoadError
	for i, way := range ways {
		rows, err := way.compute(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrTask): // neither text nor embeddings
			c.NotComputed = err.Error()
			return nil
		case errors.Is(err, ErrInsufficientMemory):
			c.NotComputed = fmt.Sprintf("%s: %v", way.name, err)
			return nil
		case errors.As(err, &load): // it names the load mode
			return err
		case err != nil:
			return fmt.Errorf("%s: %w", way.name, err)
		}
		if i == 0 {
			first = rows
		} else if err := compareRows(first, rows); err != nil {
			err.Modes = [2]string{ways[0].name, way.name}
			return err
		}
		c.Modes = append(c.Modes, way.name)
	}
	return nil
}

// tooLarge says why weights of that many bytes are not read for a check, "" if they are.
func tooLarge(weights uint64) (string, error) {
	p, err := probe.Measure()
	if err != nil {
		return "", err
	}
	if left := min(p.RAMAvailable, p.CgroupLeft); weights > left {
		return fmt.Sprintf("the weights take %s, and %s of memory are available", words.Size(weights), words.Size(left)), nil
	}
	return "", nil
}

// compute opens the model and returns the logits of a few tokens, or for a model for embeddings
// the embedding of a text.
func (w checkedWay) compute(ctx context.Context) (rows [][]float32, err error) {
	o := w.options
	o.MaxMemory = MaxMemoryOff
	// Fixed: choices by the available memory could differ between two ways.
	o.Session = SessionOptions{Context: checkContext, FlashAttention: llama.FlashOff}
	m, err := openFile(ctx, w.path, "", o.config())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if m.info.CtxTrain > 0 {
		o.Session.Context = min(o.Session.Context, m.info.CtxTrain)
	}
	switch {
	case m.decodes() == nil:
		rows, err = m.checkText(ctx, o.Session)
	case m.embedsTexts() == nil:
		rows, err = m.checkEmbedding(ctx, o.Session)
	default:
		err = m.decodes()
	}
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		for _, x := range row {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 1) {
				return nil, fmt.Errorf("%w: the model computes %g at token %d", ErrBadModel, x, i)
			}
		}
	}
	return rows, nil
}

// checkPrompt precedes the computed tokens; checkContext has room for a token for each of its
// bytes and for the computed tokens.
const (
	checkPrompt  = "Hello world"
	checkContext = 32
)

// checkText generates a few tokens and returns their logits, or their ids for a model that
// encodes its prompt.
func (m *Model) checkText(ctx context.Context, o SessionOptions) (rows [][]float32, err error) {
	s, err := m.NewSession(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m.info.Encoder {
		g := GenerateOptions{MaxTokens: checkTokens, IgnoreEOG: true, Sampling: Sampling{Greedy: true}}
		for t, err := range s.Generate(ctx, checkPrompt, g) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, []float32{float32(t.ID)})
		}
		return rows, nil
	}
	tokens, err := m.Tokenize(checkPrompt, TokenizeOptions{})
	if err != nil || len(tokens) == 0 { // no tokenizer
		tokens = []int32{0}
	}
	for len(rows) < checkTokens {
		err := s.Evaluate(ctx, tokens, EvaluateOptions{From: len(tokens) - 1, Logits: func(_ int, logits []float32) error {
			rows = append(rows, slices.Clone(logits))
			tokens = []int32{int32(slices.Index(logits, slices.Max(logits)))}
			return nil
		}})
		if err != nil {
			return nil, err
		}
		if tokens[0] < 0 { // Index found no maximum: NaN
			break
		}
	}
	return rows, nil
}

// checkEmbedding returns the embedding of a text.
func (m *Model) checkEmbedding(ctx context.Context, o SessionOptions) (rows [][]float32, err error) {
	o.Embeddings = true
	s, err := m.NewSession(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Embed(ctx, checkPrompt)
}

// compareRows returns nil if all numbers are equal.
func compareRows(a, b [][]float32) *ModesError {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || len(a[i]) != len(b[i]) {
			return &ModesError{Token: i, Difference: math.Inf(1)}
		}
		e := &ModesError{Token: i}
		for j := range a[i] {
			if a[i][j] != b[i][j] { // two equal infinities have the difference NaN
				e.Difference = max(e.Difference, math.Abs(float64(a[i][j])-float64(b[i][j])))
			}
		}
		if e.Difference != 0 {
			return e
		}
	}
	return nil
}
