//go:build cgo

package llama_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed7adf6694/infer/llama"
)

// A prompt is evaluated in one batch, and each token that follows in one of its own.
func Example() {
	ctx := context.Background()
	m, err := llama.LoadModel(ctx, "../models/tiny/tiny-stories-f16.gguf", llama.ModelParams{MMap: true})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewContext(llama.ContextParams{Ctx: 256})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	sampler, err := m.NewSampler()
	if err != nil {
		log.Fatal(err)
	}
	defer sampler.Close()
	if err := sampler.AddGreedy(); err != nil {
		log.Fatal(err)
	}
	tokens, err := m.Tokenize("Once upon a time", true, true)
	if err != nil {
		log.Fatal(err)
	}
	b, err := llama.NewBatch(len(tokens), 1)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	position := llama.Pos(0)
	for range 9 {
		b.Clear()
		for i, t := range tokens {
			if err := b.Add(t, position, i == len(tokens)-1, 0); err != nil {
				log.Fatal(err)
			}
			position++
		}
		if err := c.Decode(ctx, b); err != nil {
			log.Fatal(err)
		}
		next, err := sampler.Sample(c, -1)
		if err != nil {
			log.Fatal(err)
		}
		text, err := m.AppendPiece(nil, next, false)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s", text)
		tokens = []llama.Token{next}
	}
	// Output: , there lived a little boy called Remy.
}

func ExampleQuantizeRows() {
	t, err := llama.ParseTensorType("q8_0")
	if err != nil {
		log.Fatal(err)
	}
	rows, err := llama.QuantizeRows(t, make([]float32, 2*64), 64)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("2 rows of 64 numbers as %s: %d bytes\n", t, len(rows))
	// Output: 2 rows of 64 numbers as q8_0: 136 bytes
}
