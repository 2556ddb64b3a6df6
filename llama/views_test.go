//go:build cgo

package llama_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// The graph of an RWKV makes views of weights, which must not be recorded as loaded weights.
func TestViewsOfWeightsAreNotRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	for _, b := range ggufcases.ComputingWith(llama.Engine().ABI, "rwkv7") {
		memtest.Need(t, os.WriteFile(path, b, 0o600))
	}
	prompt := []llama.Token{1, 40, 41, 42, 43}
	params := llama.ContextParams{Ctx: 256, Threads: 1}
	want := decode(t, newContext(t, load(t, path, llama.ModelParams{}), params), prompt)

	h := newHeap(1 << 20)
	m, ws, read := unbound(t, path, h)
	bindAll(t, h, m, ws, read)
	for range 2 {
		if got := decode(t, newContext(t, m, params), prompt); !slices.Equal(got, want) {
			t.Errorf("logits differ by %g from those of the engine's own load", distance(got, want))
		}
	}
	other, ws, read := unbound(t, path, h)
	bindAll(t, h, other, ws, read)
	if err := m.Rebind(other); err != nil { // goes through all that was recorded
		t.Fatal(err)
	}
	if got := decode(t, newContext(t, m, params), prompt); !slices.Equal(got, want) {
		t.Errorf("logits differ by %g with another model's weights", distance(got, want))
	}
}

func init() { children["heads"] = childHeads }

// childHeads computes with one thread and with more threads than an RWKV has heads: two.
func childHeads(args []string) int {
	logits := func(threads int) ([]float32, error) {
		m, err := llama.LoadModel(context.Background(), args[0], llama.ModelParams{MMap: true})
		if err != nil {
			return nil, err
		}
		defer m.Close()
		c, err := m.NewContext(llama.ContextParams{Ctx: 256, Threads: threads})
		if err != nil {
			return nil, err
		}
		defer c.Close()
		b, err := llama.NewBatch(1, 1)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		if err := errors.Join(c.SetThreads(threads, threads), b.Add(40, 0, true), c.Decode(context.Background(), b)); err != nil {
			return nil, err
		}
		return c.Logits(-1, nil)
	}
	one, err := logits(1)
	if err == nil {
		var many []float32
		if many, err = logits(3); err == nil && !slices.Equal(one, many) {
			err = errors.New("three threads compute something else than one")
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestMoreThreadsThanHeads(t *testing.T) {
	memtest.WithoutRace(t)
	names := []string{"rwkv6", "rwkv7", "rwkv6qwen2", "arwkv7"}
	if testing.Short() && runtime.GOOS == "windows" {
		t.Skip("the operations are the same on each system, and under wine, threads that are more than processors spin for minutes")
	}
	if testing.Short() {
		names = names[:2] // the others have the same operations
	}
	for _, name := range names {
		path := filepath.Join(t.TempDir(), "model.gguf")
		for _, b := range ggufcases.ComputingWith(llama.Engine().ABI, name) {
			memtest.Need(t, os.WriteFile(path, b, 0o600))
		}
		res, err := memtest.Run(t.Context(), memtest.Child("heads", path), memtest.Limits{})
		if err != nil || res.Code != 0 {
			t.Errorf("%s: %v, %s", name, err, res)
		}
	}
}
