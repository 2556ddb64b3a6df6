package server

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/runtime"
)

// mostPrompts is how many prompts a request may have.
const mostPrompts = 128

// completion is a choice of /v1/completions.
type completion struct {
	Text     string       `json:"text"`
	Index    int          `json:"index"`
	Logprobs *oldLogprobs `json:"logprobs"`
	Finish   *string      `json:"finish_reason"`
}

// completions is an answer of /v1/completions, or a part of a stream.
type completions struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	System  string       `json:"system_fingerprint"`
	Choices []completion `json:"choices"`
	Usage   *usage       `json:"usage,omitempty"`
	Timings *timings     `json:"timings,omitempty"`
}

// fingerprint is OpenAI's field for what computes.
const fingerprint = "infer"

// complete answers /v1/completions.
func (s *Server) complete(c *call) error { return c.using(c.completeWith) }

func (c *call) completeWith(f *fields, l *live) error {
	g := f.generation(c.s.o.Defaults)
	f.constraint(&g.Sampling)
	inputs := f.inputs("prompt", "prompts", mostPrompts)
	echo := false
	f.boolean("echo", &echo)
	if f.integer("logprobs", &g.TopLogprobs, 0, mostTop) {
		g.Logprobs = true
	}
	if f.integer("n_probs", &g.TopLogprobs, 0, mostTop) {
		g.Logprobs = g.Logprobs || g.TopLogprobs > 0
	}
	best := g.n
	if f.integer("best_of", &best, 1, 128) && best != g.n {
		f.failWith(unsupported("best_of", "it is not supported: leave it out, or give the same as n"))
	}
	f.only("suffix", "", "text to fill in between is not supported: leave it out")
	if g.PromptLogprobs = echo && g.Logprobs; g.PromptLogprobs {
		g.KeepPrefix = false
	}
	if err := f.done(); err != nil {
		return err
	}
	counts, err := l.counts(inputs)
	if err != nil {
		return inPrompt(err)
	}
	r, err := c.submit(l, inputs, g)
	if err != nil {
		return inPrompt(err)
	}
	a := &completing{call: c, r: r, g: g, inputs: inputs, counts: counts, echo: echo,
		head: completions{ID: "cmpl-" + randomID(), Object: "text_completion", Created: time.Now().Unix(), Model: c.model, System: fingerprint}}
	if err := a.silence(l.model); err != nil {
		r.drop()
		return err
	}
	if g.stream {
		return a.stream()
	}
	return a.whole()
}

// counts returns the numbers of tokens of prompts, or the error of one that is too long.
func (l *live) counts(inputs []input) ([]int, error) {
	counts := make([]int, len(inputs))
	for i := range inputs {
		err := l.fits(inputs[i].text)
		if err == nil {
			counts[i], err = inputs[i].count(l.model)
		}
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// inPrompt names the field of an error that is about the prompt.
func inPrompt(err error) error { return inField("prompt", err) }

// inField gives errors about messages to the field that takes their place.
func inField(name string, err error) error {
	if err == nil {
		return nil
	}
	if e := asAPIError(err); e.param == "messages" {
		if rest, ok := strings.CutPrefix(e.message, "messages: "); ok {
			e.message = name + ": " + rest
		}
		e.param = name
		return e
	}
	return err
}

// inputs reads a text, texts, tokens, or lists of tokens. what they are is for messages.
func (f *fields) inputs(name, what string, most int) (inputs []input) {
	raw := f.take(name)
	if raw == nil {
		f.fail(name, "it is missing")
		return nil
	}
	var (
		text   string
		texts  []string
		tokens []int32
		lists  [][]int32
	)
	if n, _, _ := elements(raw); n > most && !ofTokens(raw) {
		f.fail(name, "%d %s: use 1 to %d", n, what, most)
		return nil
	}
	switch {
	case json.Unmarshal(raw, &text) == nil:
		inputs = []input{{text: text}}
	case hasNull(raw):
		f.fail(name, "null is neither a text nor a token")
	case ofTokens(raw) && json.Unmarshal(raw, &tokens) == nil:
		inputs = []input{{tokens: tokens}}
	case json.Unmarshal(raw, &texts) == nil:
		for _, t := range texts {
			inputs = append(inputs, input{text: t})
		}
	case json.Unmarshal(raw, &lists) == nil:
		for _, t := range lists {
			inputs = append(inputs, input{tokens: t})
		}
	default:
		f.fail(name, "want a string, an array of strings, an array of tokens, or an array of those")
	}
	for _, in := range inputs {
		if in.tokens != nil && len(in.tokens) == 0 {
			f.fail(name, "an array of tokens is empty")
		}
	}
	if len(inputs) == 0 {
		f.fail(name, "0 %s: use 1 to %d", what, most)
	}
	return inputs
}

// ofTokens reports whether an array begins with a number.
func ofTokens(raw json.RawMessage) bool {
	rest, array := bytes.CutPrefix(raw, []byte("["))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return array && len(rest) > 0 && (rest[0] == '-' || rest[0] >= '0' && rest[0] <= '9')
}

// string returns the prompt's text, names of special tokens included.
func (in input) string(m *runtime.Model) (string, error) {
	if in.tokens != nil {
		return m.Detokenize(in.tokens)
	}
	return in.text, nil
}

// count returns the number of tokens.
func (in input) count(m *runtime.Model) (int, error) {
	if in.tokens != nil {
		return len(in.tokens), nil
	}
	ids, err := m.Tokenize(in.text, runtime.TokenizeOptions{})
	return len(ids), err
}

// completing is a request for completions that runs.
type completing struct {
	call   *call
	r      *running
	g      *generation
	inputs []input
	counts []int // tokens of the prompts
	echo   bool
	head   completions
	silent map[int32]bool // tokens without a text in answers, with Logprobs
}

// prefix is what comes before a choice's text: with echo, the prompt.
type prefix struct {
	text    string
	length  int       // in characters
	probs   []logprob // of its tokens, with logprobs
	offsets []int     // of those in the text, in characters
}

// prefix returns what comes before a choice's text. The choice has its first token.
func (a *completing) prefix(choice int) (p prefix, err error) {
	if !a.echo {
		return p, nil
	}
	if p.text, err = a.inputs[choice/a.g.n].string(a.r.live.model); err != nil {
		return p, err
	}
	var pieces []piece
	for _, t := range a.r.requests[choice].PromptLogprobs() {
		l, err := logprobOf(a.r.live.model, t)
		if err != nil {
			return p, err
		}
		p.probs, pieces = append(p.probs, l), append(pieces, piece{l.Token, a.silent[t.ID]})
	}
	p.offsets, p.length = places(p.text, pieces)
	return p, nil
}

// silence notes the tokens that have no text in answers.
func (a *completing) silence(m *runtime.Model) error {
	if !a.g.Logprobs {
		return nil
	}
	special, err := m.SpecialTokens()
	if err != nil {
		return err
	}
	a.silent = make(map[int32]bool, len(special.Control))
	for _, t := range special.Control {
		a.silent[t.ID] = true
	}
	return nil
}

// logprobs returns the object of the tokens behind a prefix whose text comes with a part, nil if none was asked
// for. before has the prefix's length, and its tokens if they come with this part.
func (a *completing) logprobs(before prefix, g *generated, part string, end bool) *oldLogprobs {
	if !a.g.Logprobs {
		return nil
	}
	o := &oldLogprobs{Tokens: []string{}, Logprobs: []*float32{}, Top: []map[string]float32{}, Offsets: []int{}}
	o.addPrompt(before)
	list, offsets := g.take(part, end)
	for i, l := range list {
		o.add(l, before.length+offsets[i])
	}
	return o
}

// whole answers with the whole text.
func (a *completing) whole() error {
	texts := make([]strings.Builder, len(a.r.requests))
	probs := make([]generated, len(texts))
	finish := make([]string, len(texts))
	err := a.r.each(func(s step) error {
		if s.last {
			return nil
		}
		texts[s.choice].WriteString(s.token.Text)
		if s.token.Finish != "" {
			finish[s.choice] = finishOf(s.token.Finish)
		}
		return a.note(s.token, &probs[s.choice])
	}, func() error { return nil })
	if err != nil {
		return err
	}
	out := a.head
	for i := range texts {
		before, err := a.prefix(i)
		if err != nil {
			return err
		}
		text := texts[i].String()
		out.Choices = append(out.Choices, completion{Text: before.text + text, Index: i, Logprobs: a.logprobs(before, &probs[i], text, true), Finish: &finish[i]})
	}
	u := a.r.usage(a.counts, a.g.n)
	a.call.finish = finish[0]
	out.Usage, out.Timings = &u, timingsOf(a.r.stats[0])
	writeJSON(a.call.w, 200, out)
	return nil
}

// note adds the log-probabilities of a token. The token that ends a text is none of its, but counts where
// those of the prompt are asked for: evaluation harnesses take as many from the end as they let generate.
func (a *completing) note(t runtime.Token, to *generated) error {
	if !a.g.Logprobs || t.Finish == runtime.FinishEOG && !a.g.PromptLogprobs || t.ID < 0 {
		return nil
	}
	l, err := logprobOf(a.r.live.model, t)
	if err != nil {
		return err
	}
	named := a.g.Special && (a.g.SpecialOnly == nil || a.g.SpecialOnly(l.Token))
	to.add(l, t.Finish == runtime.FinishEOG || a.silent[t.ID] && !named)
	return nil
}

// stream answers token by token.
func (a *completing) stream() error {
	out := &events{w: a.call.w}
	pending := make([]generated, len(a.r.requests))
	lengths := make([]int, len(a.r.requests)) // of the prefixes
	begun := make([]bool, len(a.r.requests))
	err := a.r.each(func(s step) error {
		if s.last {
			return nil
		}
		if err := a.note(s.token, &pending[s.choice]); err != nil {
			return err
		}
		var before prefix
		if !begun[s.choice] {
			var err error
			if before, err = a.prefix(s.choice); err != nil {
				return err
			}
			lengths[s.choice] = before.length
		}
		text := before.text + s.token.Text
		if text == "" && s.token.Finish == "" {
			return nil
		}
		begun[s.choice], before.length = true, lengths[s.choice]
		part := a.head
		c := completion{Text: text, Index: s.choice, Logprobs: a.logprobs(before, &pending[s.choice], s.token.Text, s.token.Finish != "")}
		if s.token.Finish != "" {
			reason := finishOf(s.token.Finish)
			c.Finish, a.call.finish = &reason, reason
		}
		part.Choices, part.Timings = []completion{c}, a.r.timings(a.g, s.choice, c.Finish != nil)
		if err := out.send("", part); err != nil {
			return cut(err)
		}
		return nil
	}, out.ping)
	u := a.r.usage(a.counts, a.g.n)
	last := a.head
	last.Choices, last.Usage, last.Timings = []completion{}, &u, timingsOf(a.r.stats[0])
	return out.close(err, a.g.includeUsage, last)
}

// close ends a stream: with the figures if they were asked for, and [DONE], or with an error. An
// error before the first event is returned.
func (e *events) close(err error, figures bool, last any) error {
	if err != nil && !e.begun {
		return err
	}
	if err != nil { // a client that has gone does not read it
		_ = e.send("", asAPIError(err).body())
		return nil
	}
	if figures {
		if err := e.send("", last); err != nil {
			return nil
		}
	}
	_ = e.raw("", []byte("[DONE]"))
	return nil
}
