// Command embeddings sorts texts by the cosine similarity of their embeddings to a query's. Use an
// embedding model, such as a BERT or Nomic model.
//
//	go run ./examples/embeddings -m nomic-embed.gguf "a pet" "the dog sleeps" "rain in May"
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"slices"

	"github.com/seed7adf6694/infer/runtime"
)

func main() {
	model := flag.String("m", "tiny", "a GGUF file or the name of a model")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("usage: embeddings [-m MODEL] QUERY TEXT ...")
	}
	if err := run(context.Background(), *model, flag.Arg(0), flag.Args()[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, model, query string, texts []string) error {
	m, err := runtime.Open(ctx, model, runtime.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	vectors, err := m.Embed(ctx, append([]string{query}, texts...)...) // all texts in one session
	if err != nil {
		return err
	}
	type found struct {
		text       string
		similarity float32
	}
	list := make([]found, len(texts))
	for i, text := range texts {
		list[i] = found{text, dot(vectors[0], vectors[i+1])}
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(b.similarity, a.similarity) })
	for _, f := range list {
		fmt.Printf("%.3f  %s\n", f.similarity, f.text)
	}
	return nil
}

// dot returns the cosine similarity of two vectors of length 1, such as those of Embed.
func dot(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
