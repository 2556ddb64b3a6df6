package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/residency"
	"github.com/seed7adf6694/infer/loader/residency/replay"
	"github.com/seed7adf6694/infer/runtime"
)

const expertsName = "experts"

// ErrNoExperts is returned by [Runner.Experts] for a model that is not a mixture of experts, or
// whose experts the residency cannot keep in slots.
var ErrNoExperts = errors.New("not a mixture whose experts can be kept in slots")

// DefaultSlotShares are the shares of all experts that [ExpertsOptions].Slots stands for.
func DefaultSlotShares() []float64 { return []float64{0.1, 0.25, 0.5, 0.75, 0.9} }

// ExpertsOptions are the options of [Runner.Experts].
type ExpertsOptions struct {
	Model Model
	// Replay is the file of a trace to replay, in the format of package replay. Model and text
	// are not used then. "": a trace is recorded.
	Replay string
	// Trace is the file to record into, replaced if it exists; "": the trace is not kept.
	Trace string

	Prompt  string // text to continue; "": the beginning of a story
	Tokens  int    // tokens to generate after it; 0: 128
	Text    string // text to evaluate token by token instead, as if it had been generated
	Context int    // tokens; 0: the runtime's default. A longer Text is evaluated in several contexts
	Threads int    // 0: [runtime.DefaultThreads]

	Slots []float64 // numbers of slots, as shares of all experts; nil: [DefaultSlotShares]
}

// Experts records which experts of a mixture are chosen while a text is evaluated. It replays the
// choices with several numbers of slots and all policies, to show what memory for experts saves.
// The result has a record for each number of slots. The model is evaluated once, in this process,
// with the memory that is available: the figures are counts, so memory does not change them.
// The trace's file appears only when it is complete.
func (r *Runner) Experts(ctx context.Context, o ExpertsOptions) (rs Results, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	path := o.Replay
	if path == "" {
		m, err := r.prepare(ctx, o.Model)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, m.close()) }()
		if path = o.Trace; path == "" {
			dir, err := m.folder()
			if err != nil {
				return nil, err
			}
			path = filepath.Join(dir, "trace.jsonl")
		}
		if err := r.recordExperts(ctx, m, o, path); err != nil {
			return nil, err
		}
	}
	trace, err := replay.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return r.replayExperts(ctx, trace, o.Slots)
}

func (o *ExpertsOptions) check() error {
	if o.Tokens == 0 {
		o.Tokens = 128
	}
	if o.Prompt == "" {
		o.Prompt = storyPrompt
	}
	if o.Slots == nil {
		o.Slots = DefaultSlotShares()
	}
	switch {
	case o.Tokens < 1:
		return fmt.Errorf("%w: %d tokens to generate: want at least 1", runtime.ErrOption, o.Tokens)
	case o.Replay != "" && o.Trace != "":
		return fmt.Errorf("%w: both a trace to replay and one to record are given: use only one of them", runtime.ErrOption)
	case len(o.Slots) == 0:
		return fmt.Errorf("%w: no numbers of slots: want at least one share", runtime.ErrOption)
	}
	for _, share := range o.Slots {
		if !(share > 0 && share <= 1) {
			return fmt.Errorf("%w: slots for a share of %g of the experts: out of range (more than 0, at most 1)", runtime.ErrOption, share)
		}
	}
	return nil
}

// recordExperts records a trace. Its file appears only when it is complete.
func (r *Runner) recordExperts(ctx context.Context, m *preparedModel, o ExpertsOptions, path string) error {
	header, err := m.experts()
	if err != nil {
		return err
	}
	return files.WriteFile(path, func(f *os.File) error {
		w, err := replay.NewWriter(f, header)
		if err != nil {
			return fmt.Errorf("%s: %w", m.about.Name, err)
		}
		rec := newChoiceRecorder(header.Used, w.Write)
		if err := r.evaluate(ctx, m, o, &rec); err != nil {
			return err
		}
		if rec.err == nil && rec.layer < 0 {
			rec.err = fmt.Errorf("%w: the engine's graph does not mark the choices of the routers for this architecture", ErrNoExperts)
		}
		if rec.err != nil {
			return fmt.Errorf("%s: %w", m.about.Name, rec.err)
		}
		return w.Flush()
	})
}

// experts is the header of the model's traces.
func (p *preparedModel) experts() (replay.Header, error) { return expertsOf(p.path, p.about) }

// expertsOf is the header of traces of the model at path.
func expertsOf(path string, about ModelFile) (h replay.Header, err error) {
	index, err := openIndex(path)
	if err != nil {
		return h, err
	}
	defer index.Close()
	plan, err := loader.NewPlan(index, loader.PlanOptions{})
	if err != nil {
		return h, err
	}
	sizes, ok := residency.SizesOfExperts(plan)
	if !ok {
		return h, fmt.Errorf("%s: %w: no layer of this %s model has expert tensors; use a mixture-of-experts model", filepath.Base(path), ErrNoExperts, index.Architecture())
	}
	h = replay.HeaderOf(sizes)
	h.Model = replay.Model(about)
	return h, nil
}

// choiceRecorder writes the choices of a session. Layers ascend within an evaluation.
type choiceRecorder struct {
	write      func(replay.Choice) error
	used       int
	evaluation int
	layer      int // layer of the last choice; -1: none
	err        error
}

func newChoiceRecorder(used int, write func(replay.Choice) error) choiceRecorder {
	return choiceRecorder{write: write, used: used, layer: -1}
}

func (c *choiceRecorder) told(layer int, ids []int32) {
	if layer <= c.layer {
		c.evaluation++
	}
	c.layer = layer
	if c.err == nil {
		c.err = c.write(replay.Choice{Evaluation: c.evaluation, Layer: layer, Tokens: len(ids) / c.used, IDs: ids})
	}
}

// evaluate evaluates the text and records the choices.
func (r *Runner) evaluate(ctx context.Context, m *preparedModel, o ExpertsOptions, rec *choiceRecorder) (err error) {
	session := runtime.SessionOptions{Context: o.Context, Threads: o.Threads, OnExperts: rec.told}
	model, err := runtime.Open(ctx, m.path, runtime.Options{Packed: runtime.PackedOff, Session: session, Progress: func(p runtime.Progress) { r.phase("loading", p.Done, p.Total) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	s, err := model.NewSession(ctx, session)
	if err != nil {
		return err
	}
	defer s.Close()
	if o.Text != "" {
		return r.evaluateText(ctx, model, s, o.Text)
	}
	seed, n := uint32(1), 0
	for _, err := range s.Generate(ctx, o.Prompt, runtime.GenerateOptions{MaxTokens: o.Tokens, IgnoreEOG: true, Sampling: runtime.Sampling{Seed: &seed}}) {
		if err != nil {
			return err
		}
		n++
		r.phase("generating", uint64(n), uint64(o.Tokens))
	}
	return nil
}

// evaluateText evaluates a text token by token. When the context is full, it is cleared.
func (r *Runner) evaluateText(ctx context.Context, m *runtime.Model, s *runtime.Session, text string) error {
	tokens, err := m.Tokenize(text, runtime.TokenizeOptions{Plain: true})
	if err != nil {
		return err
	}
	for i := range tokens {
		err := s.Evaluate(ctx, tokens[i:i+1], runtime.EvaluateOptions{})
		if errors.Is(err, runtime.ErrContextFull) && i > 0 {
			if err = s.Reset(); err == nil {
				err = s.Evaluate(ctx, tokens[i:i+1], runtime.EvaluateOptions{})
			}
		}
		if err != nil {
			return err
		}
		r.phase("evaluating", uint64(i+1), uint64(len(tokens)))
	}
	return nil
}

// replayExperts makes a record for each number of slots.
func (r *Runner) replayExperts(ctx context.Context, t *replay.Trace, shares []float64) (rs Results, err error) {
	engine, err := thisEngine()
	if err != nil { // a replay needs no engine
		engine = Engine{}
	}
	base := Record{Run: time.Now().UTC(), Experiment: expertsName, Status: OK, Model: ModelFile(t.Model), Machine: thisMachine(), Engine: engine, Flags: withoutFolders(r.Flags)}
	for i, share := range shares {
		if err := ctx.Err(); err != nil {
			return rs, err
		}
		rec := base
		slots := max(int(math.Round(share*float64(t.Experts()))), 1)
		rec.Case = fmt.Sprintf("slots for %s %% of the experts", digits(100*share))
		rec.Labels = map[string]string{shareLabel: digits(100*share) + " %"}
		rec.Metrics = map[string]float64{slotsShare: share, slotCount: float64(slots), slotsBytes: float64(slots) * float64(t.Slot)}
		r.progress(Progress{Case: rec.Case, Cases: i, AllCases: len(shares), Phase: "replaying"})
		if err := rec.replay(t, slots); err != nil {
			return rs, err
		}
		rs = append(rs, rec)
		if r.OnRecord != nil {
			if err := r.OnRecord(rec); err != nil {
				return rs, err
			}
		}
	}
	return rs, nil
}

// mixtureMetrics are the numbers and sizes of a mixture's experts.
func mixtureMetrics(h replay.Header) map[string]float64 {
	all := uint64(0)
	for _, l := range h.Layers {
		all += uint64(l.Experts) * l.Bytes
	}
	return map[string]float64{
		layersOfExperts: float64(len(h.Layers)), expertsOfLayers: float64(h.Experts()), expertsUsed: float64(h.Used),
		expertsBytes: float64(all), expertsPerToken: float64(h.PerToken()),
	}
}

// replay adds the figures of all policies with this number of slots: of the tokens that were evaluated
// one by one, or if there are none, of those that were evaluated in batches.
func (r *Record) replay(t *replay.Trace, slots int) error {
	maps.Copy(r.Metrics, mixtureMetrics(t.Header))
	for _, p := range replay.Policies() {
		res, err := t.Replay(p, slots)
		if err != nil {
			return err
		}
		c := res.Alone
		if c.Tokens == 0 {
			c = res.Together
		}
		r.Metrics[hitsOf(p)], r.Metrics[readOf(p)] = c.HitRatio(), c.ReadPerToken()
		r.Metrics[readShareOf(p)] = float64(c.Read) / float64(max(c.Bytes, 1))
		r.Metrics[tokensAlone], r.Metrics[tokensTogether] = float64(res.Alone.Tokens), float64(res.Together.Tokens)
		if res.Alone.Mapped > 0 {
			r.note("a token uses more experts of a layer than there are slots: all of them are read")
		} else if res.Together.Mapped > 0 {
			r.note("the tokens of a micro-batch chose more experts of a layer than there are slots: all of them were read, and the slots did not change")
		}
	}
	return nil
}
