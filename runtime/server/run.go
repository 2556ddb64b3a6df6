package server

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/runtime"
)

// input is a prompt: a text, or tokens.
type input struct {
	text   string
	tokens []int32
}

// step is what a choice of a request has generated, or its end.
type step struct {
	choice int
	token  runtime.Token
	err    error
	last   bool // the choice has ended, and has its figures
}

// running are the choices of a request: n for each prompt.
type running struct {
	call     *call
	live     *live
	requests []*runtime.Request
	stats    []runtime.Stats // of choices that have ended
	ctx      context.Context
	cancel   context.CancelFunc
}

// submit hands the choices of a request to the model's batch. Close ends them.
func (c *call) submit(l *live, inputs []input, g *generation) (*running, error) {
	b, err := l.generates()
	if err != nil {
		return nil, err
	}
	if err := l.checkTokens(inputs, g); err != nil {
		return nil, err
	}
	r := &running{call: c, live: l}
	r.ctx, r.cancel = context.WithCancel(c.r.Context())
	if slots := b.Stats().Slots; len(inputs)*g.n > max(slots, 1) && g.n > 1 {
		r.cancel()
		return nil, badField(cmp.Or(g.many, "n"), "%d choices of %d prompts are more than the %d that are computed at the same time", g.n, len(inputs), slots)
	}
	if st := b.Stats(); len(inputs)*g.n > st.Slots+st.Queue { // they would never have room
		r.cancel()
		return nil, badField("prompt", "%d prompts are more than the %d that are computed at the same time and may wait: use several requests", len(inputs), st.Slots+st.Queue)
	}
	for _, in := range inputs {
		for i := range g.n {
			o := g.GenerateOptions
			o.Tokens = in.tokens
			if o.Sampling.Seed != nil && i > 0 { // choices differ
				seed := *o.Sampling.Seed + uint32(i)
				o.Sampling.Seed = &seed
			}
			req, err := b.Submit(r.ctx, in.text, o)
			if err != nil {
				r.drop()
				if errors.As(err, new(*runtime.QueueError)) {
					c.s.metrics.refused("queue_full")
				}
				return nil, err
			}
			r.requests = append(r.requests, req)
		}
	}
	r.stats = make([]runtime.Stats, len(r.requests))
	return r, nil
}

// checkTokens refuses tokens that are not in the vocabulary; where it is unknown, the batch does.
func (l *live) checkTokens(inputs []input, g *generation) error {
	for id := range g.Sampling.LogitBias {
		if err := l.inVocabulary("logit_bias", id); err != nil {
			return err
		}
	}
	for _, in := range inputs {
		if err := l.inVocabulary("prompt", in.tokens...); err != nil {
			return err
		}
	}
	return nil
}

// inVocabulary returns the error of a token of a field that is not in the vocabulary, if it is known.
func (l *live) inVocabulary(field string, ids ...int32) error {
	n := l.facts.Vocabulary
	for _, id := range ids {
		if n > 0 && (id < 0 || int(id) >= n) {
			return badField(field, "token %d is out of range: the vocabulary has tokens 0 to %d", id, n-1)
		}
	}
	return nil
}

// drop ends requests whose tokens nobody has read.
func (r *running) drop() {
	r.cancel()
	for _, q := range r.requests {
		for range q.Tokens() {
			break
		}
	}
}

// each calls f with the steps of all choices, one at a time, and idle when there was none for a
// while. It returns after all choices have ended: with the first error of a choice or of f, which
// ends the others.
func (r *running) each(f func(step) error, idle func() error) (err error) {
	steps := make(chan step, 32)
	first := true
	var all sync.WaitGroup
	for i, q := range r.requests {
		all.Add(1)
		go func() {
			defer all.Done()
			hand := func(s step) bool {
				select {
				case steps <- s:
					return true
				case <-r.ctx.Done():
					return false
				}
			}
			for t, err := range q.Tokens() {
				if !hand(step{choice: i, token: t, err: err}) || err != nil {
					return
				}
			}
			hand(step{choice: i, last: true})
		}()
	}
	defer func() {
		r.cancel()
		all.Wait()
		for i, q := range r.requests {
			r.stats[i] = q.Stats()
			r.live.count(r.stats[i])
		}
		r.call.s.fleet.failed(r.live, err)
	}()
	quiet := time.NewTicker(pingEvery)
	defer quiet.Stop()
	for left := len(r.requests); left > 0; {
		select {
		case s := <-steps:
			quiet.Reset(pingEvery)
			if s.err != nil {
				return s.err
			}
			if first {
				first = false
				r.call.s.metrics.first.Observe(time.Since(r.call.start).Seconds())
			}
			if s.last {
				left--
			}
			if err := f(s); err != nil {
				return err
			}
		case <-quiet.C:
			if err := idle(); err != nil {
				return cut(err)
			}
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
	return nil
}

// usage adds up the figures of a request's choices. Each prompt counts once.
func (r *running) usage(prompts []int, n int) usage {
	var u usage
	for _, tokens := range prompts {
		u.Prompt += tokens
	}
	for i, st := range r.stats {
		u.Completion += st.GeneratedTokens
		if i%n == 0 {
			u.PromptDetails.Cached += st.CachedTokens
		}
	}
	u.Total = u.Prompt + u.Completion
	c := r.call
	c.prompt, c.cached, c.predicted = u.Prompt, u.PromptDetails.Cached, u.Completion
	return u
}

// usage is OpenAI's object.
type usage struct {
	Prompt            int                `json:"prompt_tokens"`
	Completion        int                `json:"completion_tokens"`
	Total             int                `json:"total_tokens"`
	PromptDetails     promptDetails      `json:"prompt_tokens_details"`
	CompletionDetails *completionDetails `json:"completion_tokens_details,omitempty"`
}

type promptDetails struct {
	Cached int `json:"cached_tokens"`
}

type completionDetails struct {
	Reasoning int `json:"reasoning_tokens"`
}

// timings is llama-server's object.
type timings struct {
	CacheN             int     `json:"cache_n"`
	PromptN            int     `json:"prompt_n"`
	PromptMS           float64 `json:"prompt_ms"`
	PromptPerToken     float64 `json:"prompt_per_token_ms"`
	PromptPerSecond    float64 `json:"prompt_per_second"`
	PredictedN         int     `json:"predicted_n"`
	PredictedMS        float64 `json:"predicted_ms"`
	PredictedPerToken  float64 `json:"predicted_per_token_ms"`
	PredictedPerSecond float64 `json:"predicted_per_second"`
}

func timingsOf(st runtime.Stats) *timings {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	t := &timings{
		CacheN: st.CachedTokens, PromptN: st.PromptTokens, PromptMS: ms(st.PromptDuration), PromptPerSecond: st.PromptRate(),
		PredictedN: st.GeneratedTokens, PredictedMS: ms(st.GenerateDuration), PredictedPerSecond: st.Rate(),
	}
	t.PromptPerToken = t.PromptMS / float64(max(t.PromptN, 1))
	t.PredictedPerToken = t.PredictedMS / float64(max(t.PredictedN, 1))
	return t
}

// timings returns the figures of a choice for a part of a stream, nil for none. With the end come those of
// the whole, unless they follow in a part of their own.
func (r *running) timings(g *generation, choice int, end bool) *timings {
	if g.timings || end && !g.includeUsage {
		return timingsOf(r.requests[choice].Stats())
	}
	return nil
}

// finishOf translates why a generation ended into OpenAI's words.
func finishOf(r runtime.FinishReason) string {
	switch r {
	case runtime.FinishLength, runtime.FinishContext:
		return "length"
	}
	return "stop"
}
