//go:build cgo

package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// architectureModes are the ways in which every architecture computes. Modes with the same
// layout give the same text.
var architectureModes = []architectureMode{
	{"mmap", "plain", true, runtime.Options{Load: runtime.LoadMMap, Packed: runtime.PackedOff}},
	{"copy as it is", "plain", false, runtime.Options{Load: runtime.LoadCopy, NoRepack: true}},
	{"stock as it is", "plain", false, runtime.Options{Load: runtime.LoadStock, NoRepack: true}},
	{streamed, "plain", true, runtime.Options{Load: runtime.LoadMMap, Packed: runtime.PackedOff, MaxMemory: 1 << 40}},
	{"copy", "repacked", true, runtime.Options{Load: runtime.LoadCopy}},
	{"stock", "repacked", false, runtime.Options{Load: runtime.LoadStock}},
	{"packed", "repacked", true, runtime.Options{Packed: runtime.PackedRequire}},
}

type architectureMode struct {
	name, layout string
	own          bool // has memory, or a file, that no other mode has
	options      runtime.Options
}

// streamed is the mode with the smallest possible memory budget.
const streamed = "mmap with a budget"

// computed is the result of one architecture in one mode.
type computed struct {
	Name     string
	Start    bool      `json:",omitempty"` // the line that announces it
	Tokens   []int32   `json:",omitempty"` // generated
	Vector   []float32 `json:",omitempty"` // embedded
	Refuse   string    `json:",omitempty"` // why it was refused
	Streamed int       `json:",omitempty"` // layers
	Err      string    `json:",omitempty"`
}

// TestEveryArchitectureComputes opens a small model of each architecture in each mode, one
// after the other in child processes.
func TestEveryArchitectureComputes(t *testing.T) {
	memtest.WithoutRace(t)
	folder := t.TempDir()
	for name, b := range ggufcases.QuantisedWith(llama.Engine().ABI) {
		memtest.Need(t, os.WriteFile(filepath.Join(folder, name+".gguf"), b, 0o600))
	}
	modes := architectureModes
	if testing.Short() && goruntime.GOOS == "windows" { // the graphs are the same there, and memory is not
		modes = slices.DeleteFunc(slices.Clone(modes), func(m architectureMode) bool { return !m.own })
	}
	results := make([][]computed, len(modes))
	errs := make([]error, len(modes))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	turns := make(chan struct{}, goruntime.GOMAXPROCS(0))
	for i, mode := range modes {
		if mode.layout != "repacked" || llama.CanRepack() {
			wg.Go(func() { // one thread each, so that none spins
				turns <- struct{}{}
				results[i], errs[i] = computeAll(ctx, mode.name, folder)
				<-turns
			})
		}
	}
	wg.Wait()
	want := map[string]computed{} // by layout and name
	layers := 0
	for i, mode := range modes {
		if errs[i] != nil {
			t.Fatalf("%s: %v", mode.name, errs[i])
		}
		for _, got := range results[i] {
			layers += got.Streamed
			if got.Err != "" {
				t.Errorf("%s, %s: %s", got.Name, mode.name, got.Err)
				continue
			}
			if got.Refuse != "" && got.Tokens == nil {
				continue
			}
			key := mode.layout + " " + got.Name
			first, ok := want[key]
			if !ok {
				want[key] = got
				continue
			}
			if !slices.Equal(got.Tokens, first.Tokens) || !slices.Equal(got.Vector, first.Vector) {
				t.Errorf("%s, %s: %+v, in another mode %+v", got.Name, mode.name, got, first)
			}
		}
	}
	if all := len(results[0]); layers < all { // a model has four
		t.Errorf("%d layers of %d models were streamed", layers, all)
	}
}

// computeAll runs the models of a folder in a child process. After a crash, another child runs
// the remaining models.
func computeAll(ctx context.Context, mode, folder string) (all []computed, err error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.gguf"))
	for err == nil && len(paths) > 0 {
		res, err := memtest.Run(ctx, memtest.Child("architectures", append([]string{mode}, paths...)...), memtest.Limits{})
		if err != nil {
			return nil, err
		}
		done := 0
		last := computed{}
		for line := range bytes.Lines(res.Stdout) {
			last = computed{}
			if err := json.Unmarshal(line, &last); err != nil {
				return nil, fmt.Errorf("%w: %s", err, res)
			}
			if !last.Start {
				all, done = append(all, last), done+1
			}
		}
		if res.Code == 0 && done == len(paths) {
			break
		}
		if !last.Start {
			return nil, errors.New(res.String())
		}
		all = append(all, computed{Name: last.Name, Err: "the process ended: " + lastLines(res)})
		paths = paths[done+1:]
	}
	return all, err
}

// lastLines describes how a child ended and the beginning of its output.
func lastLines(r memtest.Result) string {
	r.Stdout = nil
	r.Stderr = r.Stderr[:min(len(r.Stderr), 1000)]
	return r.String()
}

func childArchitectures(args []string) int {
	out := json.NewEncoder(os.Stdout)
	for _, mode := range architectureModes {
		if mode.name != args[0] {
			continue
		}
		for _, path := range args[1:] {
			c := computed{Name: strings.TrimSuffix(filepath.Base(path), ".gguf")}
			out.Encode(computed{Name: c.Name, Start: true})
			if err := c.compute(path, mode); err != nil {
				c.Err = err.Error()
			}
			out.Encode(c)
		}
	}
	return 0
}

// compute computes with the weights, and where they are in memory of the mode's own once more.
func (c *computed) compute(path string, mode architectureMode) error {
	stream, o := mode.name == streamed, mode.options
	// Fixed: choices by the available memory would differ with a budget.
	o.Session = runtime.SessionOptions{Context: 256, Threads: 1, FlashAttention: llama.FlashOff, Embeddings: embeds(c.Name)}
	m, err := runtime.Open(background, path, o)
	if err != nil && (notText(c.Name) || errors.Is(err, runtime.ErrNothingToPack) && strings.HasPrefix(c.Name, "qwen3 ") || stream && strings.HasPrefix(c.Name, "t5")) {
		// Nothing is repacked, or layers are not used one after the other.
		c.Refuse = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	defer m.Close()
	if stream {
		var least *memory.Error
		if err := m.SetMaxMemory(background, 1); !errors.As(err, &least) {
			return fmt.Errorf("a budget of a byte: %w", err)
		}
		if err := m.SetMaxMemory(background, least.Requested); err != nil {
			return err
		}
		c.Streamed = m.Report().Residency.Streamed
	}
	if err := c.once(m, o.Session); err != nil || !mode.own {
		return err
	}
	again := computed{Name: c.Name}
	if err := again.once(m, o.Session); err != nil {
		return err
	}
	if !slices.Equal(c.Tokens, again.Tokens) || !slices.Equal(c.Vector, again.Vector) {
		return fmt.Errorf("%+v, then %+v", c, again)
	}
	return nil
}

func (c *computed) once(m *runtime.Model, so runtime.SessionOptions) error {
	text := "Hello world"
	if embeds(c.Name) {
		s, err := m.NewSession(background, so)
		if err != nil {
			return err
		}
		defer s.Close()
		v, err := s.Embed(background, text)
		if err != nil {
			return err
		}
		c.Vector = v[0]
		return finite(c.Vector)
	}
	tokens, err := m.Tokenize(text, runtime.TokenizeOptions{})
	for err == nil && len(tokens) < 230 {
		text += " Hello world"
		tokens, err = m.Tokenize(text, runtime.TokenizeOptions{})
	}
	if err != nil {
		return err
	}
	s, err := m.NewSession(background, so)
	if err != nil {
		return err
	}
	defer s.Close()
	if !notText(c.Name) && !strings.HasPrefix(c.Name, "t5") { // evaluated only in a generation
		err := s.Evaluate(background, tokens[:8], runtime.EvaluateOptions{Logits: func(_ int, l []float32) error {
			return finite(l)
		}})
		if err != nil {
			return err
		}
	}
	c.Tokens, c.Refuse = nil, ""
	o := runtime.GenerateOptions{MaxTokens: 40, IgnoreEOG: true, Overflow: runtime.OverflowShift, Sampling: runtime.Sampling{Greedy: true}}
	for tok, err := range s.Generate(background, text, o) {
		if errors.Is(err, runtime.ErrContextFull) && len(c.Tokens) > 0 || errors.Is(err, runtime.ErrTask) && notText(c.Name) {
			c.Refuse = err.Error()
			return nil
		}
		if err != nil {
			return err
		}
		c.Tokens = append(c.Tokens, tok.ID)
	}
	if len(c.Tokens) != o.MaxTokens {
		return fmt.Errorf("%d tokens", len(c.Tokens))
	}
	return nil
}

// embeds tells whether a model is for embeddings.
func embeds(name string) bool {
	return strings.Contains(name, "bert") || name == "t5encoder" || name == "gemma-embedding" || name == "llama-embed"
}

// notText tells whether a model generates no text token by token.
func notText(name string) bool {
	name, _, _ = strings.Cut(name, " ")
	return slices.Contains([]string{"dream", "llada", "llada-moe", "rnd1", "wavtokenizer-dec", "pockettts", "qwen3tts"}, name)
}

// finite fails for NaN and infinity, and if all numbers are equal.
func finite(v []float32) error {
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("number %d of %d is %g", i, len(v), x)
		}
	}
	if slices.Min(v) == slices.Max(v) && len(v) > 1 {
		return errors.New("all numbers are the same")
	}
	return nil
}
