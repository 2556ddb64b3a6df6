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
