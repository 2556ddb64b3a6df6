//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// answers is a small service that answers questions about a folder of texts. Searching needs
// no model and always works; a model phrases the answer if there is memory for one.
type answers struct {
	texts   map[string]string
	model   string
	options runtime.Options

	mu   sync.Mutex
	open *runtime.Model // nil while memory is short
}

// newAnswers reads the texts. It does not fail if memory is short.
func newAnswers(folder, model string, o runtime.Options) (*answers, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	a := &answers{texts: map[string]string{}, model: model, options: o}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		a.texts[filepath.Base(file)] = string(b)
	}
	return a, nil
}

// ready returns the model, and opens it if there is memory now.
func (a *answers) ready(ctx context.Context) (*runtime.Model, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open != nil {
		return a.open, nil
	}
	m, err := runtime.Open(ctx, a.model, a.options)
	if err == nil {
		a.open = m
	}
	return m, err
}

// search returns the text that has most of the question's words.
func (a *answers) search(question string) (name, text string) {
	best := 0
	for n, t := range a.texts {
		found := 0
		for _, word := range strings.Fields(strings.ToLower(question)) {
			if strings.Contains(strings.ToLower(t), strings.Trim(word, "?.,")) {
				found++
			}
		}
		if found > best || found == best && n < name {
			best, name, text = found, n, t
		}
	}
	return name, text
}

func (a *answers) ask(ctx context.Context, question string) (string, error) {
	name, text := a.search(question)
	answer, err := a.inWords(ctx, text, question)
	if errors.Is(err, runtime.ErrInsufficientMemory) {
		return fmt.Sprintf("%s: %s (no model: not enough memory)", name, strings.TrimSpace(text)), nil
	}
	return name + ":" + answer, err
}

// inWords lets the model answer a question about a text. Memory may be too short for the
// model, for its session or while it generates.
func (a *answers) inWords(ctx context.Context, text, question string) (string, error) {
	m, err := a.ready(ctx)
	if err != nil {
		return "", err
	}
	s, err := m.NewSession(ctx, runtime.SessionOptions{Context: 256})
	if err != nil {
		return "", err
	}
	defer s.Close()
	return s.Complete(ctx, text+"\nQuestion: "+question+" Answer:", runtime.GenerateOptions{
		MaxTokens: 20, Stop: []string{".", "\n"}, Sampling: runtime.Sampling{Greedy: true},
	})
}

// A service works without a model while there is no memory for one.
func ExampleOpen_service() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "texts")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	for name, text := range map[string]string{
		"ruby.txt": "Ruby broke the yellow clock. Her grandmother was sad.\n",
		"max.txt":  "Max the dog found a red ball in the garden.\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
	}

	// Memory is a pool here, so that the example decides how much there is.
	small, err := memory.NewPool(256<<10, memory.PoolOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer small.Close()
	a, err := newAnswers(folder, "tiny", runtime.Options{Pool: small})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := a.ask(ctx, "What did Ruby break?")
	fmt.Println(answer, err)

	// Memory returns: the next question finds it.
	large, err := memory.NewPool(64<<20, memory.PoolOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer large.Close()
	a.options.Pool = large
	answer, err = a.ask(ctx, "What did Ruby break?")
	if err != nil {
		log.Fatal(err)
	}
	defer a.open.Close()
	fmt.Println(answer)
	// Output:
	// ruby.txt: Ruby broke the yellow clock. Her grandmother was sad. (no model: not enough memory) <nil>
	// ruby.txt: a yellow clock
}
