package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// fleet are the models that are served, under one budget. A model is opened by the first request
// that names it.
type fleet struct {
	o       *Options
	log     *slog.Logger
	turn    chan struct{} // held by the one that opens or closes a model
	ended   chan struct{} // closed by close
	janitor sync.WaitGroup

	base uint64 // bytes in memory before any model

	mu           sync.Mutex
	places       []*place
	closed       bool
	opened, shut uint64 // models so far
}

// place is a model that may be open.
type place struct {
	name, path string
	created    time.Time
	totals     totals

	// guarded by fleet.mu
	live  *live     // nil: not open
	users int       // requests that use it, or wait for it to be opened
	used  time.Time // the last time
}

// budgetSlack is for memory that no figure counts: page tables, stacks, small buffers.
const budgetSlack = 8 << 20

func newFleet(ctx context.Context, o *Options) (*fleet, error) {
	f := &fleet{o: o, log: o.Logger, turn: make(chan struct{}, 1), ended: make(chan struct{})}
	if process, err := probe.ProcessMemory(); err == nil {
		f.base = process.Anon + process.File + budgetSlack
	}
	if o.Dir != "" {
		if err := f.scan(); err != nil {
			return nil, err
		}
	} else if err := f.one(ctx); err != nil {
		return nil, err
	}
	if o.IdleTimeout > 0 && o.Model == nil {
		f.janitor.Add(1)
		go f.closeIdle()
	}
	return f, nil
}

// one opens the only model.
func (f *fleet) one(ctx context.Context) error {
	p := &place{created: time.Now(), used: time.Now()}
	if f.o.Model != nil {
		l, err := newLive(ctx, f.o.Model, p, f.o)
		if err != nil {
			return err
		}
		p.path, p.live = f.o.Model.Report().Path, l
	} else {
		path, err := models.Resolve(f.o.Path, models.ResolveOptions{})
		if err != nil {
			return err
		}
		p.path = path
	}
	p.name = cmp.Or(f.o.Name, nameOf(cmp.Or(f.o.Path, p.path)))
	f.places = []*place{p}
	if f.o.Model == nil && !f.o.Later {
		return f.load(ctx)
	}
	return nil
}

// load opens the only model.
func (f *fleet) load(ctx context.Context) error {
	_, release, err := f.use(ctx, f.places[0])
	if err == nil {
		release()
	}
	return err
}

func nameOf(path string) string { return strings.TrimSuffix(filepath.Base(path), ".gguf") }

// scan reads the folder again. Models that are open stay, even if their files have gone.
func (f *fleet) scan() error {
	found, err := models.List(f.o.Dir)
	if err != nil {
		return fmt.Errorf("models: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var places []*place
	for _, m := range found {
		i := slices.IndexFunc(f.places, func(p *place) bool { return p.name == m.Name && p.path == m.Path })
		switch {
		case slices.ContainsFunc(places, func(p *place) bool { return p.name == m.Name }):
			// A file beside shards of the same name: nobody can ask for it.
		case i >= 0:
			places = append(places, f.places[i])
		default:
			places = append(places, &place{name: m.Name, path: m.Path, created: time.Now()})
		}
	}
	for _, p := range f.places {
		if (p.live != nil || p.users > 0) && !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	f.places = places
	return nil
}

// find returns the place of a model by the name in a request. One model is served under every
// name, as by llama-server.
func (f *fleet) find(name string) (*place, error) {
	if f.o.Dir == "" {
		return f.places[0], nil
	}
	if err := f.scan(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if name == "" && len(f.places) == 1 {
		return f.places[0], nil
	}
	if name == "" {
		return nil, badField("model", "it is missing: use one of %s", f.names())
	}
	var names []string
	for _, p := range f.places {
		names = append(names, p.name)
	}
	i := slices.Index(names, name)
	if r, ok := models.ParseRepo(name); i < 0 && ok {
		i = slices.Index(names, r.Among(names))
	}
	if i >= 0 {
		return f.places[i], nil
	}
	return nil, &apiError{status: 404, kind: kindNotFound, code: "model_not_found", param: "model",
		message: fmt.Sprintf("model: there is no model %s: use one of %s", words.Quoted(name), f.names())}
}

// names lists the models for a message.
func (f *fleet) names() string {
	const few = 20
	var list []string
	for _, p := range f.places {
		list = append(list, p.name)
	}
	if len(list) == 0 {
		return "those in the folder, which has none now"
	}
	if len(list) > few {
		return strings.Join(list[:few], ", ") + fmt.Sprintf(" and %d more", len(list)-few)
	}
	return strings.Join(list, ", ")
}

// use returns the open model of a place, which stays open until release is called.
func (f *fleet) use(ctx context.Context, p *place) (l *live, release func(), err error) {
	f.mu.Lock()
	p.users++                          // keeps the place while it is opened
	if !slices.Contains(f.places, p) { // a scan has dropped it since it was found
		f.places = append(f.places, p)
	}
	l, closed := p.live, f.closed
	f.mu.Unlock()
	defer func() {
		if err != nil {
			f.leave(p)
		}
	}()
	if l != nil && !closed {
		return l, func() { f.leave(p) }, nil
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	defer func() { <-f.turn }()
	f.mu.Lock()
	l, closed = p.live, f.closed
	f.mu.Unlock()
	if closed {
		return nil, nil, fmt.Errorf("server: %w", runtime.ErrClosed)
	}
	if l != nil { // another request has opened it
		return l, func() { f.leave(p) }, nil
	}
	if l, err = f.open(ctx, p); err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p.live, p.used = l, time.Now()
	return l, func() { f.leave(p) }, nil
}

func (f *fleet) leave(p *place) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.users--
	p.used = time.Now()
}

// open opens the model of a place, and closes others that are not in use if its memory does not
// suffice otherwise. The caller has the turn, unless there is only one model.
func (f *fleet) open(ctx context.Context, p *place) (*live, error) {
	o := f.o.Open
	need := f.makeRoom(ctx, p, o)
	for {
		start := time.Now()
		l, err := openLive(ctx, p, o, f.o)
		if err == nil {
			l.charge = need
			f.mu.Lock()
			f.opened++
			f.mu.Unlock()
			f.log.Info("model opened", "model", p.path, "seconds", time.Since(start).Seconds())
			return l, nil
		}
		if !errors.Is(err, runtime.ErrInsufficientMemory) || !f.closeOldest(p) {
			return nil, err
		}
	}
}

// makeRoom closes models that are not in use until the whole model fits, sets the budget of the
// model, and returns the memory that it takes with its batch.
func (f *fleet) makeRoom(ctx context.Context, p *place, o runtime.Options) (need uint64) {
	if f.o.Dir == "" {
		return 0
	}
	plan, err := runtime.Plan(ctx, p.path, o)
	if err != nil { // opening it says so better
		return 0
	}
	fits := func() bool {
		if f.limited() {
			return need <= f.left()
		}
		if again, err := runtime.Plan(ctx, p.path, o); err == nil {
			plan = again
		}
		return slices.ContainsFunc(plan.Modes, func(m runtime.ModePlan) bool { return m.Mode == runtime.LoadMMap && m.Fits })
	}
	for _, m := range plan.Modes {
		if m.Mode == runtime.LoadMMap {
			need = max(need, m.Resident)
		}
	}
	for !fits() {
		if !f.closeOldest(p) {
			break
		}
	}
	return need
}

// limited reports whether the models share a budget that was set.
func (f *fleet) limited() bool {
	return f.o.Open.MaxMemory != 0 && f.o.Open.MaxMemory != runtime.MaxMemoryOff
}

// left returns what the models that are open leave of the budget. Each model keeps the whole budget
// as [runtime.Options].MaxMemory, which covers the process with the other models.
func (f *fleet) left() uint64 {
	total := f.o.Open.MaxMemory
	total -= min(total, f.base)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.places {
		if p.live != nil {
			total -= min(total, p.live.charge)
		}
	}
	return total
}

// closeOldest closes the model that was used least recently of those that are open and not in
// use, and reports whether there was one.
func (f *fleet) closeOldest(but *place) bool {
	var oldest *place
	f.mu.Lock()
	for _, p := range f.places {
		if p != but && p.live != nil && p.users == 0 && (oldest == nil || p.used.Before(oldest.used)) {
			oldest = p
		}
	}
	l := f.take(oldest)
	f.mu.Unlock()
	if l == nil {
		return false
	}
	l.close()
	f.log.Info("model closed", "model", oldest.path, "reason", "another needs its memory")
	return true
}

// take removes the open model of a place, which may be nil. The caller holds mu, and closes it.
func (f *fleet) take(p *place) *live {
	if p == nil || p.live == nil {
		return nil
	}
	l := p.live
	p.live = nil
	f.shut++
	return l
}

// failed closes a model whose file has changed, by the error of a request. Its other requests end with it,
// and the next one opens the file again. A model that the program has opened stays open.
func (f *fleet) failed(l *live, err error) {
	if !l.owned || !errors.Is(err, loader.ErrFileChanged) {
		return
	}
	f.mu.Lock()
	i := slices.IndexFunc(f.places, func(p *place) bool { return p.live == l })
	if i >= 0 {
		f.log.Warn("model closed", "model", f.places[i].path, "reason", err)
		f.take(f.places[i])
	}
	f.mu.Unlock()
	if i >= 0 {
		l.close()
	}
}

// closeIdle closes models that were not used for the idle timeout, until the fleet is closed.
func (f *fleet) closeIdle() {
	defer f.janitor.Done()
	tick := time.NewTicker(max(f.o.IdleTimeout/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-f.ended:
			return
		case <-tick.C:
		}
		f.mu.Lock()
		var idle []*live
		for _, p := range f.places {
			if p.live != nil && p.users == 0 && time.Since(p.used) >= f.o.IdleTimeout {
				idle = append(idle, f.take(p))
				f.log.Info("model closed", "model", p.path, "reason", "it was idle")
			}
		}
		f.mu.Unlock()
		for _, l := range idle {
			l.close()
		}
	}
}

// named returns the places by name. Of two of one name, as after a model was replaced by another file
// while it was in use, it is the newer. The caller holds mu.
func (f *fleet) named() iter.Seq[*place] {
	return func(yield func(*place) bool) {
		seen := map[string]bool{}
		for _, p := range f.places {
			if !seen[p.name] && !yield(p) {
				return
			}
			seen[p.name] = true
		}
	}
}

// snapshot calls g with each model that is open, by name. Looking is no use: a model that is to be
// closed meanwhile stays open until g has returned. g closes and opens none.
func (f *fleet) snapshot(g func(name string, l *live)) {
	type look struct {
		name string
		live *live
	}
	f.mu.Lock()
	var open []look
	for p := range f.named() {
		if p.live != nil && !f.closed {
			p.live.watchers.Add(1)
			open = append(open, look{p.name, p.live})
		}
	}
	f.mu.Unlock()
	for _, o := range open {
		defer o.live.watchers.Done() // also if g panics
	}
	for _, o := range open {
		g(o.name, o.live)
	}
}

// close ends running requests and closes all models.
func (f *fleet) close() {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return
	}
	f.closed = true
	close(f.ended)
	var open []*live
	for _, p := range f.places {
		if l := f.take(p); l != nil {
			open = append(open, l)
		}
	}
	f.mu.Unlock()
	f.janitor.Wait()
	f.turn <- struct{}{} // one that is being opened is closed by its request's end
	defer func() { <-f.turn }()
	for _, l := range open {
		l.close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.places { // opened meanwhile
		if l := f.take(p); l != nil {
			l.close()
		}
	}
}
