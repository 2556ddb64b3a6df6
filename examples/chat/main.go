// Command chat answers the questions of its arguments, one after another in one conversation, with an
// instruct model's own chat template. What the turns have in common is computed once.
//
//	go run ./examples/chat -m instruct.gguf "Name a river." "And a second one?"
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

func main() {
	model := flag.String("m", "", "a GGUF file or the name of an instruct model")
	template := flag.String("template", "", "another chat template, such as chatml")
	tokens := flag.Int("n", 256, "tokens of an answer at most")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := talk(ctx, *model, *template, *tokens, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func talk(ctx context.Context, model, template string, tokens int, questions []string) error {
	m, err := runtime.Open(ctx, model, runtime.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	t, err := chat.ForModel(m, template) // chat.ErrNoTemplate for a model that only continues texts
	if err != nil {
		return err
	}
	s, err := m.NewSession(ctx, runtime.SessionOptions{})
	if err != nil {
		return err
	}
	defer s.Close()
	c := chat.New(m, s, t)
	c.Context = s.Stats().Context // the oldest turns go when it is full
	c.Messages = []chat.Message{{Role: "system", Content: "Answer in one sentence."}}
	for _, q := range questions {
		fmt.Printf("> %s\n", q)
		for e, err := range c.Ask(ctx, q, runtime.GenerateOptions{MaxTokens: tokens}) {
			if err != nil {
				return err
			}
			if e.Kind == answer.Content {
				fmt.Print(e.Text)
			}
		}
		st := s.Stats()
		fmt.Printf("\n(%d tokens were computed before, %d now)\n", st.CachedTokens, st.PromptTokens)
	}
	return nil
}
