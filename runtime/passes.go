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
// has been read stays until all passes that want it next have computed with it. Nobody has
// to wait for others to set out together, as whoever comes late meets the rest at the first
// streamed layer when they come round again. One computes at a time, because two would
// take the processors from each other.
type passes struct {
	residency *residency.Residency
	gate      *semaphore.Weighted // each pass holds one; to change what is streamed, all

	mu   sync.Mutex
	all  []*pass
	runs *pass // whose turn it is; nil without passes
	at   int   // the streamed layer that was used last
	seat *threadSeat
}

// pass is one over the layers, of a session. It is the session's [llama.Layers] and
// [llama.Experts].
type pass struct {
	of    *passes
	ctx   context.Context
	turn  chan struct{} // holds a value when it has become this pass's turn
	layer int           // streamed, that it wants or computes with
	holds bool          // it computes with it
	alone bool          // nothing is streamed: there are no turns

	experts   residency.ExpertUse // that it computes with
	expertErr error               // why some could not be read
}

// mostPasses is more passes than there are at a time.
const mostPasses = 1 << 20

func newPasses(r *residency.Residency) passes {
	return passes{residency: r, gate: semaphore.NewWeighted(mostPasses)}
}

func (ps *passes) newPass() *pass { return &pass{of: ps, turn: make(chan struct{}, 1)} }

// enter begins a pass when it is its turn. Where it fails, there is none.
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

// leave ends a pass. The error is why layers could not be read, if they could not.
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
	if p.holds || p.layer == ps.at { // given up, and others may have left the layer to it
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

// wait waits for the pass's turn. False: it was cancelled, and has none.
func (p *pass) wait() bool {
	for {
		select {
		case <-p.turn:
			p.of.mu.Lock()
			mine := p.of.runs == p
			p.of.mu.Unlock()
			if mine { // rather than a turn that was missed
				return true
			}
		case <-p.ctx.Done():
			return false
		}
	}
}

// BeforeLayer lets those compute that are behind, and then waits for the layer.
func (p *pass) BeforeLayer(layer int) bool {
	ps := p.of
	ps.mu.Lock()
	p.layer = layer
	mine := ps.runs == p && ps.handOn(p)
	ps.mu.Unlock()
	if !mine && !p.wait() {
		return false // the engine looks at the same context, and stops
	}
	ps.mu.Lock()
	p.holds, ps.at = true, layer
	ps.mu.Unlock()
	return ps.residency.Before(layer)
}

// AfterLayer lets the others compute that want the same layer.
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

// release gives a layer's memory to another layer, unless somebody wants it still, which
// is false.
func (ps *passes) release(p *pass, layer int) bool {
	if slices.ContainsFunc(ps.all, func(q *pass) bool { return q != p && q.layer == layer }) {
		return false
	}
	ps.residency.After(layer)
	return true
}

// handOn makes it the turn of the pass whose layer comes first from the one used last,
// and tells whether that is p, whose turn it has been.
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
		default: // it is told of a turn already
		}
	}
	return next == p
}

// farther is more than there are layers.
const farther = 1 << 20
