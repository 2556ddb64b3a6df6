package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// live is an open model with what answers its requests.
type live struct {
	model  *runtime.Model
	owned  bool           // the model is closed with it
	batch  *runtime.Batch // nil for models that do not generate text
	facts  facts
	charge uint64 // memory in the budget of all models

	template   *chat.Template // nil: see noTemplate
	format     answer.Format  // how the model marks reasoning and calls
	noTemplate error
	embeds     chan struct{} // held by the request that computes embeddings
	closing    sync.Once
	watchers   sync.WaitGroup // those that look at its figures, begun with fleet.mu held
	totals     *totals        // of its place
}

// facts are figures of a model's file.
type facts struct {
	Vocabulary int    `json:"n_vocab"`
	CtxTrain   uint64 `json:"n_ctx_train"`
	Embedding  uint64 `json:"n_embd"`
	Parameters uint64 `json:"n_params"`
	Size       uint64 `json:"size"`
	template   string // the model's own, "" if it has none
	longest    int    // bytes of the longest token, at least; 0: unknown
}

// totals are counters of a model, which go on when it is closed and opened again.
type totals struct {
	prompt, cached, predicted atomic.Uint64 // tokens
	promptTime, predictTime   atomic.Int64  // nanoseconds
}

// openLive opens a model and what answers its requests. In a folder, a context that is larger than
// what a model can have is the most that it can.
func openLive(ctx context.Context, p *place, open runtime.Options, o *Options) (*live, error) {
	accept := open.Accept
	var refused error
	open.Accept = func(v *runtime.Vocabulary) error {
		if refused = o.accepts(v); refused == nil && accept != nil {
			return accept(v)
		}
		return refused
	}
	m, err := runtime.Open(ctx, p.path, open)
	if open.Accept = accept; refused != nil {
		return nil, refused
	}
	var most *runtime.PositionsError
	if errors.As(err, &most) && o.Dir != "" && open.Session.Context > most.Positions {
		own := *o
		own.Batch.Context, open.Session.Context = most.Positions, most.Positions
		return openLive(ctx, p, open, &own)
	}
	if err != nil {
		return nil, err
	}
	l, err := newLive(ctx, m, p, o)
	if err != nil {
		m.Close()
		return nil, err
	}
	l.owned = true
	return l, nil
}

// accepts returns the error of a template that the options name and the model does not have. Models of a
// folder that have none may be for embeddings.
func (o *Options) accepts(v *runtime.Vocabulary) error {
	if o.ChatTemplate == "" {
		return nil
	}
	if own, err := v.ChatTemplate(""); err != nil || own == "" && o.Dir != "" {
		return err
	}
	_, err := chat.ForModel(v, o.ChatTemplate)
	return err
}

func newLive(ctx context.Context, m *runtime.Model, p *place, o *Options) (*live, error) {
	l := &live{model: m, totals: &p.totals, embeds: make(chan struct{}, 1)}
	if task := m.Task(); task == runtime.TaskText {
		b, err := m.NewBatch(ctx, o.Batch)
		if err != nil {
			return nil, err
		}
		l.batch = b
		if err := l.readTemplate(o); err != nil {
			b.Close()
			return nil, err
		}
	}
	l.facts = readFacts(m.Report())
	return l, nil
}

// readTemplate reads the model's template. A model without one gets ChatML, as from llama-server; one
// whose template is damaged completes texts alone.
func (l *live) readTemplate(o *Options) (err error) {
	l.template, err = chat.ForModel(l.model, o.ChatTemplate)
	switch {
	case errors.Is(err, chat.ErrNoTemplate):
		o.Logger.Info("the model has no chat template: chats use ChatML", "model", l.model.Report().Path)
		l.template, err = chat.ForModel(l.model, "chatml")
	case err != nil && o.ChatTemplate == "":
		o.Logger.Warn("the model's chat template can't be used", "model", l.model.Report().Path, "error", err)
		l.template, l.noTemplate, err = nil, err, nil
	}
	if l.template != nil {
		l.format = answer.Detect(l.template.Source())
	}
	return err
}

// readFacts reads the header of the model's file again: what it can't read stays zero.
func readFacts(r runtime.Report) facts {
	f := facts{Parameters: r.Parameters, Size: r.WeightBytes}
	ix, err := gguf.Open(r.Path, gguf.Options{})
	if err != nil {
		return f
	}
	defer ix.Close()
	number := func(key string) uint64 {
		v, ok := ix.Lookup(key)
		if !ok {
			return 0
		}
		n, _ := v.Uint()
		return n
	}
	f.CtxTrain = number(r.Architecture + ".context_length")
	f.Embedding = number(r.Architecture + ".embedding_length")
	if v, ok := ix.Lookup("tokenizer.ggml.tokens"); ok {
		f.Vocabulary = v.Len()
		for _, token := range v.Strings() {
			f.longest = max(f.longest, len(token))
		}
	}
	if v, ok := ix.Lookup("tokenizer.chat_template"); ok {
		f.template, _ = v.Str()
	}
	return f
}

// close ends the model's requests and frees it. A model that the program has opened stays open.
func (l *live) close() {
	l.closing.Do(func() {
		l.watchers.Wait()
		if l.batch != nil {
			l.batch.Close()
		}
		if l.owned {
			l.model.Close()
		}
	})
}

// generates returns the batch, or the error of a model that generates no text.
func (l *live) generates() (*runtime.Batch, error) {
	if l.batch == nil {
		return nil, &runtime.TaskError{Architecture: l.model.Report().Architecture, Task: l.model.Task(), Asked: runtime.TaskText}
	}
	return l.batch, nil
}

// chats returns the error of a model that takes no conversations.
func (l *live) chats() error {
	if _, err := l.generates(); err != nil {
		return err
	}
	if l.template == nil {
		return badField("model", "%s", l.noTemplate)
	}
	return nil
}

// fits refuses a text that has too many tokens for a request, by its length, before the tokens are
// counted: that takes seconds for megabytes.
func (l *live) fits(text string) error {
	const short = 128 << 10 // which is counted
	if l.batch == nil || l.facts.longest == 0 || len(text) <= short {
		return nil
	}
	least, most := len(text)/l.facts.longest, l.batch.Stats().RequestContext
	if least < most {
		return nil
	}
	return tooLong(fmt.Sprintf("prompt of at least %d tokens does not fit into the context of %d: use a shorter prompt", least, most), least, most)
}

// count adds the figures of a request.
func (l *live) count(st runtime.Stats) {
	l.totals.prompt.Add(uint64(max(st.PromptTokens, 0)))
	l.totals.cached.Add(uint64(max(st.CachedTokens, 0)))
	l.totals.predicted.Add(uint64(max(st.GeneratedTokens, 0)))
	l.totals.promptTime.Add(int64(st.PromptDuration))
	l.totals.predictTime.Add(int64(st.GenerateDuration))
}

// embedding calls f with a session for embeddings, which one request has at a time.
func (l *live) embedding(ctx context.Context, o runtime.SessionOptions, f func(*runtime.Session) error) (err error) {
	select {
	case l.embeds <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.embeds }()
	o.Embeddings = true
	s, err := l.model.NewSession(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// seconds returns nanoseconds as seconds.
func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }
