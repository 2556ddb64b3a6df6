package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// Generator generates text: a [runtime.Session] or a [runtime.Batch].
type Generator interface {
	Generate(ctx context.Context, prompt string, o runtime.GenerateOptions) iter.Seq2[runtime.Token, error]
}

// Conversation is a conversation in a session. It is not safe for concurrent use.
type Conversation struct {
	// Messages are the turns so far, with a system prompt first if there is one: see
	// [Conversation.Reset].
	Messages []Message
	// Options are those of each rendering.
	Options Options
	// Context is the size of the context in tokens; 0: nothing is dropped.
	Context int

	tokenizer Tokenizer
	generator Generator
	template  *Template
	dropped   int // messages after the system prompt that are not in the context
}

// Event is a piece of an answer.
type Event struct {
	answer.Event
	// Dropped are the messages that were left out of the context before this event, since it is full.
	Dropped int
	// Finish is set in the last event, and Stop as in [runtime.Token].
	Finish runtime.FinishReason
	Stop   string
}

// New begins a conversation. Session and template must be of the model.
func New(m Tokenizer, g Generator, t *Template) *Conversation {
	return &Conversation{tokenizer: m, generator: g, template: t}
}

// Format is how the template's models write reasoning and calls of tools.
func (t *Template) Format() answer.Format { return answer.Detect(t.source) }

// system returns how many messages are the system prompt.
func (c *Conversation) system() int {
	n := 0
	for n < len(c.Messages) && (c.Messages[n].Role == "system" || c.Messages[n].Role == "developer") {
		n++
	}
	return n
}

// Reset replaces the messages, and forgets which of them were left out of the context.
func (c *Conversation) Reset(messages []Message) { c.Messages, c.dropped = messages, 0 }

// Ask adds a user's message and generates the answer: see [Conversation.Answer]. If nothing of an answer
// was generated, the message is removed again.
func (c *Conversation) Ask(ctx context.Context, text string, o runtime.GenerateOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		n := len(c.Messages)
		c.Messages = append(c.Messages, Message{Role: "user", Content: text})
		for e, err := range c.Answer(ctx, o) {
			if !yield(e, err) {
				break
			}
		}
		if len(c.Messages) == n+1 {
			c.Messages = c.Messages[:n]
		}
	}
}

// short is the length, in bytes, up to which a text is not refused by its length: its tokens are counted soon.
const short = 128 << 10

// Fits returns an [ErrTooLong] for a text that can't be a message in the context whatever its tokens are, since
// they have at most the bytes of the vocabulary's longest one. It takes no time, where counting the tokens of
// megabytes takes seconds. A text for which it returns nil may still be too long.
func (c *Conversation) Fits(text string) error {
	m, ok := c.tokenizer.(interface{ LongestToken() (int, error) })
	if !ok || c.Context <= 0 || len(text) <= short {
		return nil
	}
	longest, err := m.LongestToken()
	if err != nil || longest == 0 {
		return err
	}
	bytes := 0 // space may belong to a token, or be left out by the template
	for i := range len(text) {
		if text[i] > ' ' {
			bytes++
		}
	}
	if least := (bytes + longest - 1) / longest; least >= c.Context {
		return fmt.Errorf("%w: %d bytes without space are at least %d tokens, as the longest has %d bytes, and the context has %d tokens", ErrTooLong, bytes, least, longest, c.Context)
	}
	return nil
}

// Regenerate generates another answer to the user's last message in place of the one that it has: see
// [Conversation.Answer]. If nothing of another was generated, the messages are as before. Without a
// user's message the error is an [ErrNothingAsked].
func (c *Conversation) Regenerate(ctx context.Context, o runtime.GenerateOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		was, n := c.Messages, len(c.Messages)
		for n > 0 && was[n-1].Role != "user" {
			n--
		}
		if n == 0 {
			yield(Event{}, ErrNothingAsked)
			return
		}
		c.Messages = was[:n:n]
		for e, err := range c.Answer(ctx, o) {
			if !yield(e, err) {
				break
			}
		}
		if len(c.Messages) == n {
			c.Messages = was
		}
	}
}

// Answer generates the answer to the messages so far, and adds it to them. A cancelled ctx, or breaking
// out of the range, ends it within one token; what was generated is kept as the answer. o is as for
// [runtime.Session.Generate]; Tokens, KeepPrefix, Special, SpecialOnly and Continue are set here.
//
// If the context is full, the oldest turns are left out, but not the system prompt, and the answer goes
// on: see [Event].Dropped. If the last message alone is too long, the error is an [ErrTooLong].
func (c *Conversation) Answer(ctx context.Context, o runtime.GenerateOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		a := &answering{c: c, o: o, yield: yield}
		err := a.run(ctx)
		if a.begun {
			c.Messages = append(c.Messages, a.message())
		}
		if err != nil && !a.left {
			yield(Event{}, err)
		}
	}
}

// answering is a running answer.
type answering struct {
	c      *Conversation
	o      runtime.GenerateOptions
	yield  func(Event, error) bool
	left   bool // the caller has left the range
	begun  bool
	ids    []int32 // of the answer so far
	parser *answer.Parser
	drops  int // not yet reported

	content, reasoning strings.Builder
	calls              []ToolCall
}

func (a *answering) run(ctx context.Context) error {
	c := a.c
	format := c.template.Format()
	tools := make([]answer.Tool, len(c.Options.Tools))
	for i, t := range c.Options.Tools {
		tools[i] = answer.Tool{Name: t.Name, Parameters: t.Parameters}
	}
	a.o.KeepPrefix, a.o.Continue, a.o.Special, a.o.SpecialOnly = true, false, format.String() != "", format.Marks
	most := a.o.MaxTokens
	if n := len(c.Messages); n > 0 {
		if err := c.Fits(c.Messages[n-1].Content); err != nil {
			return err
		}
	}
	for {
		prompt, ids, err := a.fit(ctx, most)
		if a.begun && errors.Is(err, ErrTooLong) { // the answer itself fills the context
			a.end(Event{Finish: runtime.FinishContext})
			return nil
		}
		if err != nil {
			return err
		}
		if a.parser == nil {
			a.parser = answer.NewParser(format, answer.Options{Tools: tools, ReasoningOpen: format.ReasoningOpen(prompt)})
		}
		a.o.Tokens = append(ids, a.ids...)
		if most > 0 {
			a.o.MaxTokens = most - len(a.ids)
		}
		again, err := a.generate(ctx)
		if err != nil || !again {
			return err
		}
	}
}

// fit renders as much of the conversation as leaves room for an answer.
func (a *answering) fit(ctx context.Context, most int) (prompt string, ids []int32, err error) {
	c := a.c
	system := c.system()
	c.dropped = min(c.dropped, max(0, len(c.Messages)-system-1))
	for {
		if err := ctx.Err(); err != nil {
			return "", nil, err
		}
		messages := append(c.Messages[:system:system], c.Messages[system+c.dropped:]...)
		p, err := c.template.Render(messages, c.Options)
		if err == nil {
			ids, err = p.Tokens(c.tokenizer)
		}
		if err != nil && !(errors.Is(err, ErrRefused) && c.dropped > 0) {
			return "", nil, err
		}
		room := c.Context / 4
		if most > 0 {
			room = min(room, most)
		}
		if err == nil && (c.Context <= 0 || len(ids)+len(a.ids)+room <= c.Context) {
			return p.Text, ids, nil
		}
		if !c.drop(system, &a.drops) {
			if err == nil && len(ids)+len(a.ids)+1 < c.Context { // less room than is good
				return p.Text, ids, nil
			}
			return "", nil, fmt.Errorf("%w: the prompt has %d tokens, the context %d", ErrTooLong, len(ids), c.Context)
		}
	}
}

// drop leaves out one more turn: a user's message and what follows it. The last user's message stays.
func (c *Conversation) drop(system int, count *int) bool {
	rest := c.Messages[system+c.dropped:]
	last := len(rest) - 1
	for last > 0 && rest[last].Role != "user" {
		last--
	}
	n := 1
	for n < len(rest) && rest[n].Role != "user" {
		n++
	}
	if n > last {
		return false
	}
	c.dropped += n
	*count += n
	return true
}

// generate runs one generation. again is set if it goes on once the context has room.
func (a *answering) generate(ctx context.Context) (again bool, err error) {
	for t, err := range a.c.generator.Generate(ctx, "", a.o) {
		if err != nil {
			a.push(t.Text)
			a.end(Event{})
			return false, err
		}
		a.begun = true
		if t.Finish != runtime.FinishEOG {
			a.ids = append(a.ids, t.ID)
		}
		finish := t.Finish
		if finish == runtime.FinishContext && a.canDrop() {
			again, finish = true, ""
		}
		if !a.push(t.Text) {
			return false, nil
		}
		if finish != "" {
			a.end(Event{Finish: finish, Stop: t.Stop})
		}
	}
	return again, nil
}

// canDrop tells whether a full context gets room by leaving out turns. A grammar can't go on.
func (a *answering) canDrop() bool {
	c, n := a.c, 0
	was := c.dropped
	ok := c.Context > 0 && a.o.Sampling.Grammar == "" && c.drop(c.system(), &n)
	c.dropped = was
	return ok
}

// push gives a text to the parser and yields what is certain.
func (a *answering) push(text string) bool { return a.events(a.parser.Push(text), Event{}) }

// end yields what the parser held back, and the end if last has a reason for it.
func (a *answering) end(last Event) {
	list := a.parser.End()
	if last.Finish != "" {
		list = append(list, answer.Event{})
	}
	a.events(list, last)
}

// events keeps and yields events; the last one has the reason of the end.
func (a *answering) events(list []answer.Event, last Event) bool {
	for i, e := range list {
		a.keep(e)
		event := Event{Event: e, Dropped: a.drops}
		if i == len(list)-1 {
			event.Finish, event.Stop = last.Finish, last.Stop
		}
		a.drops = 0
		if !a.left && !a.yield(event, nil) {
			a.left = true
		}
	}
	return !a.left
}

// keep adds an event to the message.
func (a *answering) keep(e answer.Event) {
	switch e.Kind {
	case answer.Content:
		a.content.WriteString(e.Text)
	case answer.Reasoning:
		a.reasoning.WriteString(e.Text)
	case answer.CallBegin:
		a.calls = append(a.calls, ToolCall{ID: e.ID, Name: e.Name})
	case answer.CallArguments:
		c := &a.calls[len(a.calls)-1]
		c.Arguments = append(c.Arguments, e.Text...)
	}
}

// message is the assistant's message. A call whose arguments were cut off is left out.
func (a *answering) message() Message {
	if !a.left {
		a.events(a.parser.End(), Event{})
	}
	m := Message{Role: "assistant", Content: a.content.String(), ReasoningContent: a.reasoning.String()}
	for _, c := range a.calls {
		if json.Valid(c.Arguments) {
			m.ToolCalls = append(m.ToolCalls, c)
		}
	}
	return m
}
