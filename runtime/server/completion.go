package server

import (
	"strings"

	"github.com/seed7adf6694/infer/runtime"
)

// nativeCompletion is llama-server's answer of /completion for one choice; in streams the last part.
type nativeCompletion struct {
	Index     int            `json:"index"`
	Content   string         `json:"content"`
	Tokens    []int32        `json:"tokens"`
	Slot      int            `json:"id_slot"` // -1: a text may change its place
	Stop      bool           `json:"stop"`
	Model     string         `json:"model"`
	Predicted int            `json:"tokens_predicted"`
	Evaluated int            `json:"tokens_evaluated"` // of the prompt
	Settings  map[string]any `json:"generation_settings"`
	Prompt    string         `json:"prompt"`
	NewLine   bool           `json:"has_new_line"`
	Truncated bool           `json:"truncated"`
	StopType  string         `json:"stop_type"`
	StopWord  string         `json:"stopping_word"`
	Cached    int            `json:"tokens_cached"` // of the prompt, that were computed before
	Timings   *timings       `json:"timings"`
	Probs     []nativeProb   `json:"completion_probabilities,omitempty"`
}

// nativePart is a part of a stream that is not the last.
type nativePart struct {
	Index     int          `json:"index"`
	Content   string       `json:"content"`
	Tokens    []int32      `json:"tokens"`
	Stop      bool         `json:"stop"`
	Slot      int          `json:"id_slot"`
	Predicted int          `json:"tokens_predicted"`
	Evaluated int          `json:"tokens_evaluated"`
	Probs     []nativeProb `json:"completion_probabilities,omitempty"`
	Timings   *timings     `json:"timings,omitempty"`
}

// nativeTop is a token with its log-probability, as llama-server has it.
type nativeTop struct {
	ID int32 `json:"id"`
	alternative
}

// nativeProb is a token of an answer with its alternatives.
type nativeProb struct {
	nativeTop
	Top []nativeTop `json:"top_logprobs"`
}

// nativeComplete answers llama-server's /completion.
func (s *Server) nativeComplete(c *call) error { return c.using(c.nativeCompleteWith) }

func (c *call) nativeCompleteWith(f *fields, l *live) error {
	g := f.generation(c.s.o.Defaults)
	f.constraint(&g.Sampling)
	inputs := f.mixedInputs(l)
	if f.integer("n_probs", &g.TopLogprobs, 0, most) {
		g.Logprobs = g.Logprobs || g.TopLogprobs > 0
	}
	f.choices(g)
	if g.includeUsage {
		f.failWith(unsupported("stream_options.include_usage", "the last part has tokens_evaluated and tokens_predicted: leave it out"))
	}
	a := &nativeAnswer{call: c, g: g, inputs: inputs}
	f.boolean("return_tokens", &a.tokens)
	f.only("post_sampling_probs", false, "probabilities are those of the model, before sampling: leave it out")
	f.only("n_indent", 0, "it is not supported: leave it out")
	f.only("min_keep", 0, "it is not supported: leave it out")
	f.only("t_max_predict_ms", 0, "it is not supported: leave it out, and end the request")
	f.only("image_data", []any{}, "only text is supported")
	if err := f.done(); err != nil {
		return err
	}
	var err error
	if a.counts, err = l.counts(inputs); err != nil {
		return inPrompt(err)
	}
	wide, err := l.alternatives(g, a.counts)
	if err != nil {
		return err
	}
	if err := c.s.hold(wide); err != nil {
		return err
	}
	defer c.s.wide.Add(int64(-wide))
	if a.r, err = c.submit(l, inputs, g); err != nil {
		return inPrompt(err)
	}
	a.choices = make([]nativeChoice, len(a.r.requests))
	if g.stream {
		return a.stream()
	}
	return a.whole()
}

// choices reads n_cmpl, llama-server's name of n.
func (f *fields) choices(g *generation) {
	n := 0
	if !f.integer("n_cmpl", &n, 1, 128) {
		return
	}
	if g.n != 1 && g.n != n {
		f.fail("n_cmpl", "it differs from n: give one of them")
	}
	g.n, g.many = n, "n_cmpl"
}

// nativeAnswer is a request for completions in llama-server's form that runs.
type nativeAnswer struct {
	call    *call
	r       *running
	g       *generation
	inputs  []input
	counts  []int // tokens of the prompts
	tokens  bool  // the answer has the tokens
	choices []nativeChoice
}

// nativeChoice is what a choice has generated: with a stream, since its last part.
type nativeChoice struct {
	text    strings.Builder
	tokens  []int32
	probs   []nativeProb
	finish  runtime.FinishReason
	stop    string
	newLine bool
	count   int // tokens so far
}

// push adds a token.
func (a *nativeAnswer) push(s step) error {
	c, t := &a.choices[s.choice], s.token
	if t.ID >= 0 {
		c.count++
	}
	c.text.WriteString(t.Text)
	c.newLine = c.newLine || strings.Contains(t.Text, "\n")
	if t.Finish != "" {
		c.finish, c.stop = t.Finish, t.Stop
		a.call.finish = finishOf(t.Finish)
	}
	if t.ID < 0 {
		return nil
	}
	if a.tokens || a.g.stream {
		c.tokens = append(c.tokens, t.ID)
	}
	if !a.g.Logprobs {
		return nil
	}
	piece, err := a.r.live.model.Piece(t.ID)
	if err != nil {
		return err
	}
	p := nativeProb{nativeTop{t.ID, newAlternative(piece, t.Logprob)}, []nativeTop{}}
	for _, top := range t.Top {
		p.Top = append(p.Top, nativeTop{top.ID, newAlternative(top.Text, top.Logprob)})
	}
	c.probs = append(c.probs, p)
	return nil
}

// end returns the answer of a choice that has ended, with what it has generated since its last part.
func (a *nativeAnswer) end(choice int, st runtime.Stats) (nativeCompletion, error) {
	c, in := &a.choices[choice], choice/a.g.n
	prompt, err := a.inputs[in].string(a.r.live.model)
	out := nativeCompletion{
		Index: choice, Content: c.text.String(), Tokens: append([]int32{}, c.tokens...), Slot: -1, Stop: true, Model: a.call.model,
		Predicted: st.GeneratedTokens, Evaluated: a.counts[in], Settings: a.settings(st), Prompt: prompt,
		NewLine: c.newLine, Truncated: c.finish == runtime.FinishContext, StopType: stopType(c.finish), StopWord: c.stop,
		Cached: st.CachedTokens, Timings: timingsOf(st), Probs: c.probs,
	}
	return out, err
}

// stopType translates why a generation ended into llama-server's words.
func stopType(r runtime.FinishReason) string {
	switch r {
	case runtime.FinishEOG:
		return "eos"
	case runtime.FinishStop:
		return "word"
	}
	return "limit"
}

// figures counts the tokens of the request.
func (a *nativeAnswer) figures() { a.r.usage(a.counts, a.g.n) }

// whole answers with an object, or with an array of them for several choices.
func (a *nativeAnswer) whole() error {
	err := a.r.each(func(s step) error {
		if s.last {
			return nil
		}
		return a.push(s)
	}, func() error { return nil })
	if err != nil {
		return err
	}
	a.figures()
	list := make([]nativeCompletion, len(a.choices))
	for i := range list {
		if list[i], err = a.end(i, a.r.stats[i]); err != nil {
			return err
		}
	}
	if len(list) == 1 {
		writeJSON(a.call.w, 200, list[0])
	} else {
		writeJSON(a.call.w, 200, list)
	}
	return nil
}

// stream answers token by token. What the last token adds is a part of its own, before the last part.
func (a *nativeAnswer) stream() error {
	out := &events{w: a.call.w}
	send := func(part any) error {
		if err := out.send("", part); err != nil {
			return cut(err)
		}
		return nil
	}
	err := a.r.each(func(s step) error {
		if s.last {
			return nil
		}
		if err := a.push(s); err != nil {
			return err
		}
		c := &a.choices[s.choice]
		st := a.r.requests[s.choice].Stats()
		if c.text.Len() > 0 || c.finish != "" && len(c.tokens) > 0 {
			part := nativePart{Index: s.choice, Content: c.text.String(), Tokens: c.tokens, Slot: -1,
				Predicted: c.count, Evaluated: a.counts[s.choice/a.g.n], Probs: c.probs}
			if part.Tokens == nil {
				part.Tokens = []int32{}
			}
			if a.g.timings {
				part.Timings = timingsOf(st)
			}
			c.text.Reset()
			c.tokens, c.probs = nil, nil
			if err := send(part); err != nil {
				return err
			}
		}
		if c.finish == "" {
			return nil
		}
		last, err := a.end(s.choice, st)
		if err != nil {
			return err
		}
		return send(last)
	}, out.ping)
	a.figures()
	if err != nil && out.begun { // a client that has gone does not read it
		_ = out.send("", asAPIError(err).body())
		return nil
	}
	return err
}
