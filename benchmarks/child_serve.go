package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/seed7adf6694/infer/benchmarks/internal/serving"
	"github.com/seed7adf6694/infer/models/tiny"
	"github.com/seed7adf6694/infer/runtime"
)

// measureServer starts the job's server and sends it requests from several streams at the same time.
func measureServer(ctx context.Context, j job, r *reporter) (err error) {
	r.phase("loading", 0, 0)
	var s *serving.Server
	if j.Ollama {
		o := serving.Ollama{Command: j.Command, Model: j.Model, Context: j.Context, Parallel: j.Sessions, Threads: j.Threads, Folder: j.Folder}
		s, err = o.Start(ctx, j.Limit)
	} else {
		s, err = serving.Start(ctx, j.Command, j.Limit)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	r.metrics(map[string]float64{loadTime: s.LoadTime.Seconds()})

	c := s.Client(j.Chat)
	prompts, err := j.prompts(ctx)
	if err != nil {
		return errors.Join(err, s.Err())
	}
	if _, err := c.Stream(ctx, "1, 2, 3", 2); err != nil { // a first request alone may have to wait for more
		return errors.Join(err, s.Err())
	}
	answers, err := j.streams(ctx, c, prompts, r)
	if err != nil {
		return errors.Join(err, s.Err())
	}
	r.metrics(answered(answers))
	m := s.Memory()
	for name, n := range map[string]uint64{serverRSS: m.RSS, serverAnon: m.Anon, groupPeak: m.Group} {
		if n > 0 {
			r.metrics(map[string]float64{name: float64(n)})
		}
	}
	return nil
}

// prompt is the text of a request.
type prompt struct {
	text   string
	tokens int // without those that the vocabulary adds
}

// prompts returns a prompt for each request: parts of the embedded text with different begins, of a
// quarter to seven quarters of the job's number of tokens.
func (j job) prompts(ctx context.Context) ([]prompt, error) {
	v, err := runtime.OpenVocabulary(ctx, j.Model)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	text := strings.Join(strings.Fields(tiny.HeldOut), " ")
	const part = 4 << 10
	tokens, err := v.Tokenize(text[:part], runtime.TokenizeOptions{NoSpecial: true})
	if err != nil || len(tokens) == 0 {
		return nil, errors.Join(err, errors.New("the model has no tokens for the texts of prompts"))
	}
	perToken := float64(part) / float64(len(tokens))
	prompts := make([]prompt, j.Sessions*j.Requests)
	for i := range prompts {
		share := 0.25 + 0.75*float64(i/2%4)/4 // eight lengths; those of two requests make two averages
		if i%2 == 1 {
			share = 2 - share
		}
		n := max(1, min(int(share*float64(j.PromptTokens)*perToken), len(text)))
		from := i * 7919 % (len(text) - n + 1)
		p := strings.ToValidUTF8(text[from:from+n], "")
		tokens, err := v.Tokenize(p, runtime.TokenizeOptions{NoSpecial: true})
		if err != nil {
			return nil, err
		}
		prompts[i] = prompt{p, len(tokens)}
	}
	return prompts, nil
}

// streams sends the requests: each stream one after the other, all streams at the same time.
func (j job) streams(ctx context.Context, c *serving.Client, prompts []prompt, r *reporter) ([]serving.Answer, error) {
	answers, errs := make([]serving.Answer, len(prompts)), make([]error, j.Sessions)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	var mu sync.Mutex
	done := 0
	r.phase("answering", 0, uint64(len(prompts)))
	for s := range j.Sessions {
		wait.Go(func() {
			for i := s; i < len(prompts); i += j.Sessions {
				a, err := c.Stream(ctx, prompts[i].text, j.Tokens)
				if err == nil && a.Tokens != j.Tokens {
					err = fmt.Errorf("%d tokens instead of %d: the context is too small, or the server ends texts earlier", a.Tokens, j.Tokens)
				}
				if err == nil && a.Prompt < prompts[i].tokens {
					err = fmt.Errorf("a prompt of %d tokens instead of %d: the server has cut it off", a.Prompt, prompts[i].tokens)
				}
				if err != nil {
					errs[s] = fmt.Errorf("request %d: %w", i+1, err)
					cancel() // the others are of no use
					return
				}
				answers[i] = a
				mu.Lock()
				done++
				r.phase("answering", uint64(done), uint64(len(prompts)))
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	for _, err := range errs { // the first that is not about the others
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	return answers, errors.Join(errs...)
}

// answered returns the metrics of all requests.
func answered(answers []serving.Answer) map[string]float64 {
	var first, between []float64
	tokens, prompt := 0, 0
	begin, end := answers[0].Start, answers[0].End
	for _, a := range answers {
		first = append(first, (a.First - a.Start).Seconds())
		between = append(between, a.Gaps...)
		tokens, prompt = tokens+a.Tokens, prompt+a.Prompt
		begin, end = min(begin, a.Start), max(end, a.End)
	}
	m := map[string]float64{
		totalRate: float64(tokens) / (end - begin).Seconds(), "answered_tokens": float64(tokens), "answered_prompt_tokens": float64(prompt),
		"requests": float64(len(answers)),
	}
	if s := sampleOf(first); len(s) > 0 {
		m[firstMedian], m[firstWorst] = s.median(), s.most()
	}
	if s := sampleOf(between); len(s) > 0 {
		m[betweenMedian], m[betweenWorst] = s.median(), s.most()
	}
	return m
}
