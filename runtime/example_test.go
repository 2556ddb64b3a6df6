//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/seed7adf6694/infer/internal/words"
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

// Memory that is not there is an error of the program's, not its end.
func ExampleOpen_notEnoughMemory() {
	m, err := runtime.Open(context.Background(), "large.gguf", runtime.Options{Load: runtime.LoadCopy})
	var refused *memory.Error
	switch {
	case errors.As(err, &refused):
		fmt.Printf("%s needed, %s left by the %s\n", words.Size(refused.Requested), words.Size(refused.Available), refused.Limit)
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
