//go:build cgo

package chat_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

const storyTeller = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ '\n' }}{% endfor %}"

// conversation begins one with the template.
func conversation(t *testing.T, template string, size int) (*chat.Conversation, *runtime.Session) {
	t.Helper()
	m := chatML(t)
	tmpl, err := chat.ForModel(m, template)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: size, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := chat.New(m, s, tmpl)
	c.Context = size
	return c, s
}

// ask returns the text of an answer, the number of messages that were dropped and the finish.
func ask(t *testing.T, c *chat.Conversation, text string, most int) (answer string, dropped int, finish runtime.FinishReason) {
	t.Helper()
	var b strings.Builder
	for e, err := range c.Ask(t.Context(), text, runtime.GenerateOptions{MaxTokens: most, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Text)
		dropped += e.Dropped
		finish = e.Finish
	}
	return b.String(), dropped, finish
}

func TestAConversationKeepsTheCacheOfItsPrefix(t *testing.T) {
	c, s := conversation(t, "", 512)
	c.Messages = []chat.Message{{Role: "system", Content: "You tell stories."}}
	first, _, finish := ask(t, c, "Once upon a time", 12)
	if first == "" || finish != runtime.FinishLength || len(c.Messages) != 3 || c.Messages[2].Role != "assistant" || c.Messages[2].Content != first {
		t.Errorf("%q, %s, %+v", first, finish, c.Messages)
	}
	before := s.Stats().PromptTokens
	ask(t, c, "Go on", 4)
	if st := s.Stats(); st.CachedTokens < before || st.PromptTokens > 40 {
		t.Errorf("%d tokens of the cache, %d were computed; the first prompt had %d", st.CachedTokens, st.PromptTokens, before)
	}
}

func TestAnAnswerSaysAtWhichTextItStopped(t *testing.T) {
	c, _ := conversation(t, "", 512)
	var last chat.Event
	for e, err := range c.Ask(t.Context(), "Once upon a time", runtime.GenerateOptions{MaxTokens: 64, Stop: []string{"never\x01", "e"}, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		last = e
	}
	if last.Finish != runtime.FinishStop || last.Stop != "e" {
		t.Errorf("%+v", last)
	}
}

// When the context is full, the oldest turns go, and the system prompt stays.
func TestAFullContextDropsTheOldestTurns(t *testing.T) {
	c, s := conversation(t, "", 192)
	c.Messages = []chat.Message{{Role: "system", Content: "You tell stories."}}
	dropped := 0
	for range 8 {
		_, n, _ := ask(t, c, "Tell me about the dog and the cat.", 24)
		dropped += n
		if used := s.Stats().Used; used > 192 {
			t.Fatalf("%d tokens", used)
		}
	}
	if dropped < 4 || len(c.Messages) != 17 {
		t.Errorf("%d messages were dropped of %d", dropped, len(c.Messages))
	}
	long := strings.Repeat("a dog and a cat ", 99)
	for _, err := range c.Ask(t.Context(), long, runtime.GenerateOptions{}) {
		if !errors.Is(err, chat.ErrTooLong) {
			t.Errorf("%v", err)
		}
	}
	if len(c.Messages) != 17 {
		t.Errorf("the message that is too long was kept")
	}
}

// counting counts the bytes that are tokenized.
type counting struct {
	*runtime.Model
	bytes int
}

func (c *counting) Tokenize(text string, o runtime.TokenizeOptions) ([]int32, error) {
	c.bytes += len(text)
	return c.Model.Tokenize(text, o)
}

// A text of megabytes is refused by its length, with the figures; one that might fit is counted.
func TestATextThatCannotFitIsNotTokenized(t *testing.T) {
	m := &counting{Model: chatML(t)}
	tmpl, err := chat.ForModel(m.Model, "")
	if err != nil {
		t.Fatal(err)
	}
	c := chat.New(m, nil, tmpl)
	c.Context = 512
	ask := func(text string) (err error) {
		for _, err = range c.Ask(t.Context(), text, runtime.GenerateOptions{}) {
		}
		return err
	}
	if err := ask(strings.Repeat("a dog and a cat ", 1<<16)); !errors.Is(err, chat.ErrTooLong) || m.bytes > 0 ||
		!strings.Contains(err.Error(), "720896 bytes without space are at least") || !strings.Contains(err.Error(), "the context has 512 tokens") {
		t.Errorf("%v, %d bytes were tokenized", err, m.bytes)
	}
	if err := c.Fits(strings.Repeat(" ", 1<<20)); err != nil {
		t.Errorf("space, which templates may leave out: %v", err)
	}
	if err := ask(strings.Repeat("a dog and a cat ", 99)); !errors.Is(err, chat.ErrTooLong) || m.bytes == 0 {
		t.Errorf("%v, %d bytes were tokenized", err, m.bytes)
	}
}

// An answer that reaches the end of the context goes on once there is room.
func TestAnAnswerGoesOnWhenTheContextIsFull(t *testing.T) {
	c, _ := conversation(t, storyTeller, 128)
	c.Messages = []chat.Message{{Role: "user", Content: strings.Repeat("a dog and a cat ", 5)}, {Role: "assistant", Content: strings.Repeat("a dog ", 9)}}
	var ids, dropped int
	var finish runtime.FinishReason
	for e, err := range c.Ask(t.Context(), "One day", runtime.GenerateOptions{MaxTokens: 90, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		ids++
		dropped += e.Dropped
		finish = e.Finish
	}
	if dropped != 2 || finish != runtime.FinishLength {
		t.Errorf("%d dropped, %s after %d events", dropped, finish, ids)
	}
	for e, err := range c.Ask(t.Context(), "One day", runtime.GenerateOptions{IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		finish = e.Finish
	}
	if finish != runtime.FinishContext {
		t.Errorf("an answer without end: %s", finish)
	}
}

func TestATurnEndsAtItsToken(t *testing.T) {
	m := chatML(t)
	tmpl, _ := chat.ForModel(m, "")
	s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 128, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := chat.New(m, s, tmpl)
	special, _ := m.SpecialTokens()
	end := special.Control[0].ID
	for _, x := range special.Control {
		if x.Name == "<|im_end|>" {
			end = x.ID
		}
	}
	var text string
	var finish runtime.FinishReason
	for e, err := range c.Ask(t.Context(), "Hello", runtime.GenerateOptions{MaxTokens: 9, Sampling: runtime.Sampling{Greedy: true, LogitBias: map[int32]float32{end: 100}}}) {
		if err != nil {
			t.Fatal(err)
		}
		text, finish = text+e.Text, e.Finish
	}
	if text != "" || finish != runtime.FinishEOG || len(c.Messages) != 2 {
		t.Errorf("%q, %s, %+v", text, finish, c.Messages)
	}
}

func TestWhatWasSaidBeforeAnInterruptionIsKept(t *testing.T) {
	c, _ := conversation(t, storyTeller, 256)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range c.Ask(ctx, "Once upon a time", runtime.GenerateOptions{IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
		if n++; n == 5 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || len(c.Messages) != 2 || c.Messages[1].Content == "" {
		t.Errorf("%v, %+v", last, c.Messages)
	}
	for range c.Ask(t.Context(), "One day", runtime.GenerateOptions{Sampling: runtime.Sampling{Greedy: true}}) {
		break
	}
	if len(c.Messages) != 4 || c.Messages[3].Content == "" {
		t.Errorf("after leaving the range: %+v", c.Messages)
	}
}

func TestReasoningIsToldApart(t *testing.T) {
	c, _ := conversation(t, storyTeller+"<think>\n{% if false %}</think>{% endif %}", 256)
	if !c.Options.NoGenerationPrompt && c.Messages != nil {
		t.Fatal("not empty")
	}
	kinds := map[answer.Kind]int{}
	for e, err := range c.Ask(t.Context(), "Once upon a time", runtime.GenerateOptions{MaxTokens: 9, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Text != "" {
			kinds[e.Kind]++
		}
	}
	if kinds[answer.Reasoning] == 0 || kinds[answer.Content] != 0 || c.Messages[1].ReasoningContent == "" || c.Messages[1].Content != "" {
		t.Errorf("%v, %+v", kinds, c.Messages)
	}
}

// Another answer takes the place of the old one, which stays if there is none.
func TestAnAnswerIsGeneratedAgain(t *testing.T) {
	c, _ := conversation(t, storyTeller, 256)
	for _, err := range c.Regenerate(t.Context(), runtime.GenerateOptions{}) {
		if !errors.Is(err, chat.ErrNothingAsked) {
			t.Errorf("nothing was asked: %v", err)
		}
	}
	first, _, _ := ask(t, c, "Once upon a time", 8)
	c.Messages = append(c.Messages[:1:1], chat.Message{Role: "assistant", Content: "No."}, chat.Message{Role: "tool", Content: "none"})
	var b strings.Builder
	for e, err := range c.Regenerate(t.Context(), runtime.GenerateOptions{MaxTokens: 8, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Text)
	}
	if b.String() != first || len(c.Messages) != 2 || c.Messages[1].Content != first {
		t.Errorf("%q, %+v; want %q", b.String(), c.Messages, first)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range c.Regenerate(ctx, runtime.GenerateOptions{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	if len(c.Messages) != 2 || c.Messages[1].Content != first {
		t.Errorf("without another answer: %+v", c.Messages)
	}
}
