//go:build cgo

package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

func Example() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, "tiny", runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(ctx, runtime.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	o := runtime.GenerateOptions{MaxTokens: 9, Sampling: runtime.Sampling{Greedy: true}}
	for t, err := range s.Generate(ctx, "Once upon a time", o) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(t.Text)
	}
	// Output: , there lived a young boy called Remy.
}

// Too little memory is an error, and does not end the process.
func ExampleOpen_notEnoughMemory() {
	m, err := runtime.Open(context.Background(), "large.gguf", runtime.Options{Load: runtime.LoadCopy})
	var refused *memory.Error
	switch {
	case errors.As(err, &refused):
		fmt.Printf("%s needed, %s left by the %s\n", memory.Size(refused.Requested), memory.Size(refused.Available), refused.Limit)
		for _, r := range refused.Remedies {
			fmt.Println("try:", r)
		}
	case errors.Is(err, runtime.ErrBadModel):
		fmt.Println("not a model:", err)
	case errors.Is(err, os.ErrNotExist):
		fmt.Println("no such file")
	case err == nil:
		m.Close()
	}
	// Output: no such file
}

// Decisions, such as the load mode and why, go to a logger; figures are snapshots.
func ExampleModel_Report() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	m, err := runtime.Open(context.Background(), "tiny", runtime.Options{Load: runtime.LoadMMap, ChunkSize: 1 << 20, Logger: logger})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := m.Report()
	fmt.Println(r.LoadMode, r.Chunks, "chunks")
	fmt.Println("no allocation larger than the chunk size:", r.LargestAllocation <= r.ChunkSize)
	// Output:
	// mmap 3 chunks
	// no allocation larger than the chunk size: true
}

// A report is an object in JSON, for a log or a page of status.
func ExampleReport() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, "../models/tiny/tiny-stories-f16.gguf", runtime.Options{Load: runtime.LoadMMap})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	text, err := json.Marshal(m.Report())
	if err != nil {
		log.Fatal(err)
	}
	var report struct {
		Mode    string   `json:"load_mode"`
		Weights uint64   `json:"weights_bytes"`
		Lowered []string `json:"adjusted"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d bytes, %d values lowered\n", report.Mode, report.Weights, len(report.Lowered))
	// Output: mmap, 7877632 bytes, 0 values lowered
}

// Each adjustment for lack of memory has the error with the reason.
func ExampleAdjustment() {
	ctx := context.Background()
	pool, err := memory.NewPool(6<<20, memory.PoolOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	m, err := runtime.Open(ctx, "../models/tiny/tiny-stories-f16.gguf", runtime.Options{
		Load: runtime.LoadCopy, Pool: pool, Fallbacks: []string{"tiny"}, // of 4 bits
		Session: runtime.SessionOptions{Context: 256, UBatch: 32},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for _, a := range m.Report().Adjusted {
		var refused *memory.Error
		if errors.As(a.Err, &refused) {
			fmt.Printf("%s: the %s leaves %d MiB\n", a.Kind, refused.Limit, refused.Available>>20)
		}
	}
	// Output: model: the pool leaves 6 MiB
}

// A zero field is the default, and Off turns off its step.
func ExampleSampling() {
	seed := uint32(1)
	for _, s := range []runtime.Sampling{
		{},                         // llama.cpp's defaults, another text each time
		{Seed: &seed, TopK: 5},     // the same text each time
		{TopP: runtime.Off},        // top-p keeps all tokens
		{Temperature: runtime.Off}, // the same as Greedy
	} {
		if err := s.Check(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(runtime.Sampling{TopK: -5}.Check())
	// Output: invalid option: top-k -5 out of range (1 to 1073741824, or Off)
}

func ExampleSession_Complete() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, "tiny", runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(ctx, runtime.SessionOptions{Context: 256})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	text, err := s.Complete(ctx, "Once upon a time", runtime.GenerateOptions{
		Stop:     []string{"."},
		Sampling: runtime.Sampling{Greedy: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output: , there lived a young boy called Remy
}

func ExampleModel_Embed() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, "tiny", runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	vectors, err := m.Embed(ctx, "Max the dog had a red ball.", "Rex the dog had a blue ball.")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(vectors), "vectors of", len(vectors[0]))
	// Output: 2 vectors of 256
}

func ExampleModel_Tokenize() {
	m, err := runtime.Open(context.Background(), "tiny", runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ids, err := m.Tokenize("Once upon a time", runtime.TokenizeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	text, err := m.Detokenize(ids)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ids, text)
	// Output: [1 531 559 321 479] <s> Once upon a time
}

func ExampleSession_EmbedTexts() {
	ctx := context.Background()
	m, err := runtime.Open(ctx, "tiny", runtime.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(ctx, runtime.SessionOptions{Embeddings: true, Context: 64, Pooling: llama.PoolingLast})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	list, err := s.EmbedTexts(ctx, []string{"a red ball"}, runtime.EmbedOptions{Norm: runtime.NormNone})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(list[0].Vector), "numbers of", list[0].Count, "tokens")
	// Output: 256 numbers of 4 tokens
}
