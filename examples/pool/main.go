// Command pool opens two models one after the other in a pool of memory that is reserved at the
// start. Memory that the first model frees is used for the second. A model that does not fit is
// refused with an error that has the figures.
//
//	go run ./examples/pool -size 64 first.gguf second.gguf
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

func main() {
	size := flag.Uint64("size", 64, "the pool's size in MiB")
	prompt := flag.String("p", "Once upon a time", "the text to go on with")
	flag.Parse()
	paths := flag.Args()
	if len(paths) == 0 {
		paths = []string{"tiny", "tiny"}
	}
	if err := run(context.Background(), *size<<20, *prompt, paths); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, size uint64, prompt string, paths []string) error {
	pool, err := memory.NewPool(size, memory.PoolOptions{})
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, path := range paths {
		text, err := complete(ctx, pool, path, prompt)
		var refused *memory.Error
		switch {
		case errors.As(err, &refused):
			fmt.Printf("%s: refused: %s needed, %s left by the %s\n", path, memory.Size(refused.Requested), memory.Size(refused.Available), refused.Limit)
		case err != nil:
			return err
		default:
			fmt.Printf("%s: %s%s\n", path, prompt, text)
		}
		st := pool.Stats()
		fmt.Printf("pool: %s of %s in use, %s at most so far\n", memory.Size(st.Used), memory.Size(st.Size), memory.Size(st.Peak))
	}
	return nil
}

// complete opens a model in the pool, continues the prompt, and closes the model.
func complete(ctx context.Context, pool *memory.Pool, path, prompt string) (string, error) {
	m, err := runtime.Open(ctx, path, runtime.Options{Load: runtime.LoadCopy, Pool: pool})
	if err != nil {
		return "", err
	}
	defer m.Close()
	s, err := m.NewSession(ctx, runtime.SessionOptions{})
	if err != nil {
		return "", err
	}
	defer s.Close()
	return s.Complete(ctx, prompt, runtime.GenerateOptions{MaxTokens: 20, Sampling: runtime.Sampling{Greedy: true}})
}
