package server

import (
	"strings"
	"time"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// The objects of /v1/chat/completions.
type (
	chatCompletion struct {
		ID      string       `json:"id"`
		Object  string       `json:"object"`
		Created int64        `json:"created"`
		Model   string       `json:"model"`
		System  string       `json:"system_fingerprint"`
		Choices []chatChoice `json:"choices"`
		Usage   *usage       `json:"usage,omitempty"`
		Timings *timings     `json:"timings,omitempty"`
	}
	chatChoice struct {
		Index    int          `json:"index"`
		Message  *chatMessage `json:"message,omitempty"`
		Delta    *chatDelta   `json:"delta,omitempty"`
		Logprobs *logprobList `json:"logprobs"`
		Finish   *string      `json:"finish_reason"`
	}
	chatMessage struct {
		Role      string     `json:"role"`
		Content   *string    `json:"content"` // null beside calls
		Refusal   *string    `json:"refusal"`
		Reasoning string     `json:"reasoning_content,omitempty"`
		Calls     []chatCall `json:"tool_calls,omitempty"`
	}
	chatDelta struct {
		Role      string     `json:"role,omitempty"`
		Content   *string    `json:"content,omitempty"`
		Reasoning string     `json:"reasoning_content,omitempty"`
		Calls     []chatCall `json:"tool_calls,omitempty"`
	}
	chatCall struct {
		Index    *int         `json:"index,omitempty"` // in streams
		ID       string       `json:"id,omitempty"`
		Type     string       `json:"type,omitempty"`
		Function chatFunction `json:"function"`
	}
	chatFunction struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	}
)

// chat answers /v1/chat/completions.
func (s *Server) chat(c *call) error { return c.using(c.chatWith) }

func (c *call) chatWith(f *fields, l *live) error {
	q := f.chatRequest(c.s.o.Defaults)
	if err := f.done(); err != nil {
		return err
	}
	a, err := c.answering(l, q)
	if err != nil {
		return err
	}
	out := &chatting{answering: a, head: chatCompletion{ID: "chatcmpl-" + randomID(), Created: time.Now().Unix(), Model: c.model, System: fingerprint}}
	if q.stream {
		out.head.Object = "chat.completion.chunk"
		return out.stream()
	}
	out.head.Object = "chat.completion"
	return out.whole()
}

// answering is a request for an answer in a chat that runs.
type answering struct {
	call    *call
	r       *running
	q       *chatRequest
	prompt  int // tokens
	replies []*reply
}

// answering renders the conversation and hands it to the model's batch.
func (c *call) answering(l *live, q *chatRequest) (*answering, error) {
	if _, err := l.generates(); err != nil {
		return nil, err
	}
	if l.template == nil {
		return nil, badField("model", "%s: use /v1/completions", l.noTemplate)
	}
	if q.structured && q.options.EnableThinking == nil { // the grammar leaves no room for it
		no := false
		q.options.EnableThinking = &no
	}
	own := q.forced != nil && l.format.Calls() // the model calls in its own way
	if q.forced != nil && (!own || q.options.EnableThinking == nil) {
		no := false
		q.options.EnableThinking = &no
	}
	in, open, err := l.render(q)
	if err != nil {
		return nil, err
	}
	switch {
	case own:
		err = q.forceInFormat(l.format, open)
	case q.forced != nil:
		err = q.forceByGrammar()
	case len(q.options.Tools) > 0 && q.Sampling.Grammar == "":
		err = q.guide(l.format)
	}
	if err != nil {
		return nil, err
	}
	// The marks of reasoning and calls are special tokens in some vocabularies.
	q.Special, q.SpecialOnly = l.format.String() != "", l.format.Marks
	r, err := c.submit(l, []input{in}, q.generation)
	if err != nil {
		return nil, err
	}
	a := &answering{call: c, r: r, q: q, prompt: len(in.tokens)}
	for i := range r.requests {
		a.replies = append(a.replies, newReply(l, q, i, open))
	}
	return a, nil
}

// usage returns the figures after the end.
func (a *answering) usage() usage {
	u := a.r.usage([]int{a.prompt}, len(a.replies))
	u.CompletionDetails = &completionDetails{}
	for _, p := range a.replies {
		u.CompletionDetails.Reasoning += p.thought
	}
	return u
}

// run calls f with what each token adds to a choice, and with the choice's end.
func (a *answering) run(f func(p *reply, list []answer.Event) error, idle func() error) error {
	err := a.r.each(func(s step) error {
		p := a.replies[s.choice]
		if p.finish != "" { // cut after its call: what was computed meanwhile is dropped
			return nil
		}
		var list []answer.Event
		if s.last {
			list = p.end(runtime.FinishEOG)
		} else {
			var err error
			if list, err = p.push(s.token); err != nil {
				return err
			}
		}
		if p.finish != "" {
			a.call.finish = p.finish
		}
		return f(p, list)
	}, idle)
	if err == errEnough {
		err = nil
	}
	return err
}

// chatting is an answer in OpenAI's form.
type chatting struct {
	*answering
	head chatCompletion
}

// whole answers with the whole message.
func (a *chatting) whole() error {
	type sum struct {
		content, reasoning strings.Builder
		calls              []chatCall
		probs              []logprob
	}
	sums := make([]sum, len(a.replies))
	err := a.run(func(p *reply, list []answer.Event) error {
		s := &sums[p.index]
		for _, e := range list {
			switch e.Kind {
			case answer.Content:
				s.content.WriteString(e.Text)
			case answer.Reasoning:
				s.reasoning.WriteString(e.Text)
			case answer.CallBegin:
				s.calls = append(s.calls, chatCall{ID: p.callID(e), Type: "function", Function: chatFunction{Name: e.Name}})
			case answer.CallArguments:
				s.calls[len(s.calls)-1].Function.Arguments += e.Text
			}
		}
		s.probs = append(s.probs, p.takeProbs()...)
		return a.enough(p)
	}, func() error { return nil })
	if err != nil {
		return err
	}
	u := a.usage()
	out := a.head
	for i, p := range a.replies {
		s := &sums[i]
		m := &chatMessage{Role: "assistant", Reasoning: s.reasoning.String(), Calls: s.calls}
		if content := s.content.String(); content != "" || len(s.calls) == 0 {
			m.Content = &content
		}
		out.Choices = append(out.Choices, chatChoice{Index: i, Message: m, Logprobs: p.logprobs(s.probs), Finish: &p.finish})
	}
	out.Usage, out.Timings = &u, timingsOf(a.r.stats[0])
	writeJSON(a.call.w, 200, out)
	return nil
}

// enough ends the request when no choice needs more.
func (a *answering) enough(p *reply) error {
	if !p.cut {
		return nil
	}
	for _, other := range a.replies {
		if other.finish == "" {
			return nil
		}
	}
	return errEnough
}

// stream answers token by token.
func (a *chatting) stream() error {
	out := &events{w: a.call.w}
	send := func(c chatChoice) error {
		part := a.head
		part.Choices, part.Timings = []chatChoice{c}, a.r.timings(a.q.generation, c.Index, c.Finish != nil)
		if err := out.send("", part); err != nil {
			return cut(err)
		}
		return nil
	}
	begun := make([]bool, len(a.replies))
	err := a.run(func(p *reply, list []answer.Event) error {
		if !begun[p.index] {
			begun[p.index] = true
			empty := ""
			if err := send(chatChoice{Index: p.index, Delta: &chatDelta{Role: "assistant", Content: &empty}}); err != nil {
				return err
			}
		}
		for _, e := range list {
			if d := p.delta(e); d != nil {
				if err := send(chatChoice{Index: p.index, Delta: d, Logprobs: p.logprobs(p.takeProbs())}); err != nil {
					return err
				}
			}
		}
		if p.finish != "" {
			last := chatChoice{Index: p.index, Delta: &chatDelta{}, Finish: &p.finish}
			if rest := p.takeProbs(); len(rest) > 0 {
				last.Logprobs = p.logprobs(rest)
			}
			if err := send(last); err != nil {
				return err
			}
		}
		return a.enough(p)
	}, out.ping)
	u := a.usage()
	last := a.head
	last.Choices, last.Usage, last.Timings = []chatChoice{}, &u, timingsOf(a.r.stats[0])
	return out.close(err, a.q.includeUsage, last)
}

// delta returns what an event adds to a message in a stream, nil for nothing.
func (p *reply) delta(e answer.Event) *chatDelta {
	switch e.Kind {
	case answer.Content:
		return &chatDelta{Content: &e.Text}
	case answer.Reasoning:
		return &chatDelta{Reasoning: e.Text}
	case answer.CallBegin:
		return &chatDelta{Calls: []chatCall{{Index: &e.Call, ID: p.callID(e), Type: "function", Function: chatFunction{Name: e.Name}}}}
	case answer.CallArguments:
		return &chatDelta{Calls: []chatCall{{Index: &e.Call, Function: chatFunction{Arguments: e.Text}}}}
	}
	return nil
}
