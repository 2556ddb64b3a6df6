package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// PerplexityOptions are the options of [MeasurePerplexity].
type PerplexityOptions struct {
	Model string // path or name, as for [runtime.Open]
	Base  string // model to compare the probabilities with; "": none
	Text  string

	Context int // tokens per chunk, at least 4; 0: 512
	Chunks  int // maximum number of chunks; 0: all of the text
	UBatch  int // micro-batch in tokens; 0: the runtime's default
	Threads int // 0: [runtime.DefaultThreads]
	Load    runtime.LoadMode
	// Progress, if not nil, is called after each chunk with the number of chunks done and the
	// result so far.
	Progress func(done, total int, sofar Perplexity)
}

// Perplexity is a model's perplexity on a text: a value of N means that the model was as uncertain
// as among N equally likely tokens. Errors are standard errors of the mean.
type Perplexity struct {
	Model   string  `json:"model"`
	Chunks  int     `json:"chunks"`
	Context int     `json:"context_tokens"`
	Tokens  int     `json:"scored_tokens"`
	Value   float64 `json:"perplexity"`
	Error   float64 `json:"perplexity_error"`
	// Warnings are the warnings about the files of both models, as in [runtime.Report].
	Warnings []string `json:"warnings"`

	Base *Divergence `json:"base,omitempty"` // nil without a base model
}

// Divergence compares a model's probabilities with a base model's on the same text.
type Divergence struct {
	Model string  `json:"model"`
	Value float64 `json:"perplexity"` // the base model's perplexity
	Error float64 `json:"perplexity_error"`
	// KL is the mean Kullback-Leibler divergence KL(base ‖ model), in nats per token.
	KL      float64 `json:"kl_divergence"`
	KLError float64 `json:"kl_divergence_error"`
	KLMax   float64 `json:"kl_divergence_max"`
	SameTop float64 `json:"same_top_ratio"` // share of positions where both models have the same most likely token
}

// MeasurePerplexity evaluates a text as llama.cpp's perplexity tool does: in chunks of one context
// each, which begin with the BOS token if the vocabulary has one; the second half of each chunk is
// scored. With a base model, both models evaluate the same chunks.
func MeasurePerplexity(ctx context.Context, o PerplexityOptions) (p Perplexity, err error) {
	if o.Context == 0 {
		o.Context = 512
	}
	if o.Context < 4 || o.Chunks < 0 {
		return p, fmt.Errorf("%w: need at least 1 chunk of at least 4 tokens, got %d of %d", runtime.ErrOption, o.Chunks, o.Context)
	}
	model, err := o.foresee(ctx, o.Model)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, model.close()) }()
	warnings := append([]string{}, model.m.Report().Warnings...)
	var base *foresight
	if o.Base != "" {
		if base, err = o.foresee(ctx, o.Base); err != nil {
			return p, fmt.Errorf("base model: %w", err)
		}
		defer func() { err = errors.Join(err, base.close()) }()
		warnings = append(warnings, base.m.Report().Warnings...)
		if !slices.Equal(base.tokens, model.tokens) || base.begin != model.begin {
			return p, fmt.Errorf("%s and the base model %s have different vocabularies: a divergence needs the same one", o.Model, o.Base)
		}
	}
	chunks := len(model.tokens) / o.Context
	if len(model.tokens) < 2*o.Context {
		return p, fmt.Errorf("%w: the text has %d tokens, fewer than two chunks of %d: use a longer text or a smaller context", runtime.ErrOption, len(model.tokens), o.Context)
	}
	if o.Chunks > 0 {
		chunks = min(chunks, o.Chunks)
	}
	var kl tally
	largest, same := 0.0, 0
	for i := range chunks {
		chunk := slices.Clone(model.tokens[i*o.Context : (i+1)*o.Context])
		next := chunk[1:] // the target of each token, without the BOS token that replaces the first
		if model.begin >= 0 {
			chunk[0] = model.begin
		}
		first := o.Context / 2
		var wanted []float32 // the base model's log probabilities, row by row
		if base != nil {
			if err := base.chunk(ctx, chunk, first, func(at int, logs []float32) {
				wanted = append(wanted, logs...)
				base.score.add(-float64(logs[next[at]]))
			}); err != nil {
				return p, fmt.Errorf("base model: %w", err)
			}
		}
		if err := model.chunk(ctx, chunk, first, func(at int, logs []float32) {
			model.score.add(-float64(logs[next[at]]))
			if base == nil {
				return
			}
			row := wanted[(at-first)*len(logs):][:len(logs)]
			d := divergence(row, logs)
			kl.add(d)
			largest = max(largest, d)
			if top(row) == top(logs) {
				same++
			}
		}); err != nil {
			return p, err
		}
		p = Perplexity{Warnings: warnings, Model: o.Model, Chunks: i + 1, Context: o.Context, Tokens: model.score.n}
		p.Value, p.Error = model.score.perplexity()
		if base != nil {
			b := Divergence{Model: o.Base, KL: kl.mean(), KLError: kl.meanError(), KLMax: largest, SameTop: float64(same) / float64(kl.n)}
			b.Value, b.Error = base.score.perplexity()
			p.Base = &b
		}
		if o.Progress != nil {
			o.Progress(i+1, chunks, p)
		}
	}
	return p, nil
}

// foresight is a model with a session and the tokens of the text.
type foresight struct {
	m      *runtime.Model
	s      *runtime.Session
	tokens []int32
	begin  int32 // BOS token; -1: none
	score  tally
	logs   []float32
}

func (o PerplexityOptions) foresee(ctx context.Context, path string) (f *foresight, err error) {
	session := runtime.SessionOptions{Context: o.Context, UBatch: o.UBatch, Threads: o.Threads, FlashAttention: llama.FlashOn}
	m, err := runtime.Open(ctx, path, runtime.Options{Load: o.Load, Session: session})
	if err != nil {
		return nil, err
	}
	f = &foresight{m: m, begin: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if f.tokens, err = m.Tokenize(o.Text, runtime.TokenizeOptions{Plain: true}); err != nil {
		return f, err
	}
	bare, err := m.Tokenize(o.Text, runtime.TokenizeOptions{Plain: true, NoSpecial: true})
	if err != nil {
		return f, err
	}
	if len(bare) > 0 && len(f.tokens) > len(bare) && f.tokens[1] == bare[0] {
		f.begin = f.tokens[0]
	}
	f.s, err = m.NewSession(ctx, session)
	return f, err
}

func (f *foresight) close() error {
	if f.s != nil {
		return errors.Join(f.s.Close(), f.m.Close())
	}
	return f.m.Close()
}

// chunk evaluates a chunk and returns the log probabilities after each token, from the first that
// is scored. The last token has no target.
func (f *foresight) chunk(ctx context.Context, tokens []int32, first int, visit func(at int, logs []float32)) error {
	if err := f.s.Reset(); err != nil {
		return err
	}
	return f.s.Evaluate(ctx, tokens[:len(tokens)-1], runtime.EvaluateOptions{From: first, Logits: func(i int, logits []float32) error {
		f.logs = logProbabilities(logits, f.logs)
		visit(i, f.logs)
		return nil
	}})
}

// logProbabilities computes the log-softmax of the logits into out.
func logProbabilities(logits, out []float32) []float32 {
	most := slices.Max(logits)
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x - most))
	}
	shift := float64(most) + math.Log(sum)
	out = out[:0]
	for _, x := range logits {
		out = append(out, float32(float64(x)-shift))
	}
	return out
}

// divergence returns the Kullback-Leibler divergence KL(first ‖ second), in nats.
func divergence(base, model []float32) float64 {
	sum := 0.0
	for i, b := range base {
		if p := math.Exp(float64(b)); p > 0 {
			sum += p * (float64(b) - float64(model[i]))
		}
	}
	return max(sum, 0) // rounding errors
}

func top(v []float32) int { return slices.Index(v, slices.Max(v)) }

// tally sums values and their squares.
type tally struct {
	n            int
	sum, squares float64
}

func (t *tally) add(v float64) {
	t.n++
	t.sum += v
	t.squares += v * v
}

func (t *tally) mean() float64 { return t.sum / float64(max(t.n, 1)) }

// meanError returns the standard error of the mean.
func (t *tally) meanError() float64 {
	if t.n < 2 {
		return 0
	}
	return math.Sqrt(max(t.squares/float64(t.n)-t.mean()*t.mean(), 0) / float64(t.n-1))
}

// perplexity returns the perplexity of a tally of negative log probabilities.
func (t *tally) perplexity() (value, err float64) {
	value = math.Exp(t.mean())
	return value, value * t.meanError()
}

// measurePerplexity runs MeasurePerplexity as a case.
func measurePerplexity(ctx context.Context, j job, r *reporter) error {
	mode, err := runtime.ParseLoadMode(j.Load)
	if err != nil {
		return err
	}
	p, err := MeasurePerplexity(ctx, PerplexityOptions{
		Model: j.Model, Base: j.Base, Text: j.Prompt, Context: j.Context, Chunks: j.Chunks, UBatch: j.UBatch, Threads: j.Threads, Load: mode,
		Progress: func(done, total int, _ Perplexity) { r.phase("foreseeing", uint64(done), uint64(total)) },
	})
	if err != nil {
		return err
	}
	out := map[string]float64{perplexityValue: p.Value, "perplexity_error": p.Error, "scored_tokens": float64(p.Tokens)}
	if p.Base != nil {
		out[klDivergence], out["kl_divergence_error"], out["same_top_ratio"] = p.Base.KL, p.Base.KLError, p.Base.SameTop
	}
	r.metrics(out)
	return nil
}

const (
	perplexityValue = "perplexity"
	klDivergence    = "kl_divergence"
)
