// Command budget runs a model within a memory budget, which may be smaller than the model: layers
// that do not fit are read from the file for each token. It prints the memory needed, the memory
// used, and what is streamed.
//
//	go run ./examples/budget -m model.gguf -budget 400
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

func main() {
	model := flag.String("m", "tiny", "a GGUF file or the name of a model")
	budget := flag.Uint64("budget", 0, "MiB that may be resident (default what the system leaves)")
	prompt := flag.String("p", "Once upon a time", "the text to go on with")
	flag.Parse()
	if err := run(context.Background(), *model, *budget<<20, *prompt); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, model string, budget uint64, prompt string) error {
	o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: budget, Session: runtime.SessionOptions{Context: 512}}
	plan, err := runtime.Plan(ctx, model, o)
	if err != nil {
		return err
	}
	mapped := plan.Modes[0]
	if b := mapped.Budget; b != nil {
		fmt.Printf("weights of %s; the least budget is %s, for this program and a session too\n", memory.Size(mapped.Weights), memory.Size(b.Least))
	}
	m, err := runtime.Open(ctx, model, o)
	if err != nil {
		return err // of a budget that is too small, it says what is the least
	}
	defer m.Close()
	s, err := m.NewSession(ctx, o.Session)
	if err != nil {
		return err
	}
	defer s.Close()
	for t, err := range s.Generate(ctx, prompt, runtime.GenerateOptions{MaxTokens: 40, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			return err
		}
		fmt.Fprint(os.Stdout, t.Text)
	}
	fmt.Println()
	r := m.Report()
	for _, a := range r.Adjusted {
		fmt.Println(a)
	}
	fmt.Printf("at most %s were resident\n", memory.Size(r.PeakRSS))
	if st := r.Residency; st != nil {
		fmt.Printf("%d of %d layers were streamed, %s a pass\n", st.Streamed, st.Layers, memory.Size(st.PerPass()))
	}
	return nil
}
