package runtime

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/seed7adf6694/infer/loader/residency"
)

// passes lets the sessions of a model share the reading of streamed weights: a layer that
// has been read stays until all passes that use it next have computed with it. Passes do not
// have to start together: a pass that starts late joins the others at the first streamed
// layer of their next evaluation. One pass computes at a time, because two would compete for
// the processors.
type passes struct {
	residency *residency.Residency
	reading   func()              // is called before reading experts
	gate      *semaphore.Weighted // a pass holds one unit; a change of the budget holds all

	mu   sync.Mutex
	all  []*pass
	runs *pass // the pass whose turn it is; nil without passes
	at   int   // the streamed layer used last
	seat *threadSeat
}

// pass is a session's evaluation over all layers. It is the session's [llama.Layers] and
// [llama.Experts].
type pass struct {
	of    *passes
	ctx   context.Context
	turn  chan struct{} // gets a value when the pass's turn begins
	layer int           // the streamed layer that it uses, or will use next
	holds bool          // it computes with that layer now
	alone bool          // nothing is streamed: no turns

	experts   residency.ExpertUse // experts in use
	expertErr error               // why an expert could not be read
}

// mostPasses is the limit of simultaneous passes, which is never reached.
const mostPasses = 1 << 20

func newPasses(r *residency.Residency) passes {
	return passes{residency: r, gate: semaphore.NewWeighted(mostPasses)}
}

func (ps *passes) newPass() *pass { return &pass{of: ps, turn: make(chan struct{}, 1)} }

// enter waits for the pass's turn and begins the pass. After an error it has not begun.
func (p *pass) enter(ctx context.Context) error {
	if p == nil {
		return nil
	}
	ps := p.of
	if err := ps.gate.Acquire(ctx, 1); err != nil {
		return err
	}
	p.ctx, p.layer, p.holds, p.expertErr = ctx, ps.residency.First(), false, nil
	if p.alone = p.layer < 0; p.alone {
		return nil
	}
	ps.mu.Lock()
	ps.all = append(ps.all, p)
	first := ps.runs == nil
	if first {
		ps.runs, ps.at = p, p.layer
	}
	ps.mu.Unlock()
	if first || p.wait() {
		return nil
	}
	_ = p.leave()
	return ctx.Err()
}

// leave ends a pass. The error is that of reading layers or experts.
func (p *pass) leave() error {
	if p == nil {
		return nil
	}
	ps := p.of
	defer ps.gate.Release(1)
	p.AfterExperts(0)
	if p.alone {
		return p.expertErr
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.all = slices.DeleteFunc(ps.all, func(q *pass) bool { return q == p })
	err := cmp.Or(p.expertErr, ps.residency.Err())
	if p.holds || p.layer == ps.at { // interrupted: release the layer that only it still needed
		ps.release(p, p.layer)
	}
	switch {
	case len(ps.all) == 0:
		ps.runs = nil
		ps.residency.End()
	case ps.runs == p:
		ps.handOn(nil)
	}
	return err
}

// wait waits for the pass's turn. It returns false if the context ends first.
func (p *pass) wait() bool {
	for {
		select {
		case <-p.turn:
			p.of.mu.Lock()
			mine := p.of.runs == p
			p.of.mu.Unlock()
			if mine { // the value may be of an earlier turn
				return true
			}
		case <-p.ctx.Done():
			return false
		}
	}
}

// BeforeLayer hands the turn to passes that are behind, and then waits for the layer.
func (p *pass) BeforeLayer(layer int) bool {
	ps := p.of
	p.finishExperts()
	ps.mu.Lock()
	p.layer = layer
	mine := ps.runs == p && ps.handOn(p)
	ps.mu.Unlock()
	if !mine && !p.wait() {
		return false // the engine checks the same context, and stops
	}
	ps.mu.Lock()
	p.holds, ps.at = true, layer
	ps.mu.Unlock()
	defer ps.waits()()
	return ps.residency.Before(layer)
}

// AfterLayer hands the turn to other passes that wait for the same layer.
func (p *pass) AfterLayer(layer int) {
	ps := p.of
	ps.mu.Lock()
	p.layer, p.holds = ps.residency.Following(layer), false
	mine := ps.release(p, layer) || ps.runs != p || ps.handOn(p)
	ps.mu.Unlock()
	if !mine {
		p.wait()
	}
}

// BeforeExperts begins to read the experts that a layer's router has chosen into slots, and tells
// whether it did. After a read error the engine computes from the mapping, and leave returns
// the error.
func (p *pass) BeforeExperts(layer int, ids, slots []int32) bool {
	e := p.of.residency.Experts()
	if e == nil || p.expertErr != nil {
		return false
	}
	defer p.of.waits()()
	if p.of.reading != nil {
		p.of.reading()
	}
	ok, err := e.Use(p.ctx, &p.experts, layer, ids, slots)
	p.expertErr = err
	return ok
}

// AwaitExperts waits until the chosen experts of a tensor have been read.
func (p *pass) AwaitExperts(tensor string) (more, ok bool) {
	defer p.of.waits()()
	more, err := p.of.residency.Experts().Await(&p.experts, tensor)
	p.expertErr = cmp.Or(p.expertErr, err)
	return more, err == nil
}

// finishExperts completes the reads of a pass that is about to wait for others, which may wait for
// those reads.
func (p *pass) finishExperts() {
	if e := p.of.residency.Experts(); e != nil {
		e.Finish(&p.experts)
	}
}

// AfterExperts releases the slots.
func (p *pass) AfterExperts(int) {
	if e := p.of.residency.Experts(); e != nil {
		e.Release(&p.experts)
	}
}

// release frees a layer's slot for another layer, and returns true. If another pass still
// needs the layer, it does nothing and returns false.
func (ps *passes) release(p *pass, layer int) bool {
	if slices.ContainsFunc(ps.all, func(q *pass) bool { return q != p && q.layer == layer }) {
		return false
	}
	ps.residency.After(layer)
	return true
}

// handOn gives the turn to the pass whose layer is nearest after the layer used last, in
// cyclic order. It reports whether that pass is p, which has had the turn.
func (ps *passes) handOn(p *pass) bool {
	next, least := ps.all[0], -1
	for _, q := range ps.all {
		distance := q.layer - ps.at
		if distance < 0 {
			distance += farther
		}
		if least < 0 || distance < least {
			next, least = q, distance
		}
	}
	if next != p {
		ps.runs = next
		select {
		case next.turn <- struct{}{}:
		default: // a value is there already
		}
	}
	return next == p
}

// farther is larger than any number of layers.
const farther = 1 << 20
