package runtime

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime/internal/batching"
)

// worthWaiting is the number of tokens from which a prompt waits for another one to compute what
// they have in common.
const worthWaiting = 16

// wholeRows is the number of tokens that the engine's kernels for repacked weights compute at once. A rest
// takes up to twice as long for each token.
const wholeRows = 16

// row is the part of a text in an evaluation.
type row struct {
	s      *slot
	tokens []llama.Token
	output int // index of the last token in the batch, from which the next one is sampled; -1: none
	first  int // index of the first token in the batch
	err    error
}

// admit gives slots to the requests that wait, in their order, as far as there is room.
func (b *Batch) admit() {
	for len(b.waiting) > 0 {
		r := b.waiting[0]
		s := b.slotFor(r)
		if s == nil {
			return
		}
		if taken, busy := b.promised(); busy && (b.full || taken+r.needs() > b.s.context) {
			return
		}
		b.waiting = b.waiting[1:]
		b.place(r, s)
	}
}

// promised returns the room in the context that running requests have or will need, and whether there
// are any.
func (b *Batch) promised() (n int, busy bool) {
	n, requests := b.running()
	for _, s := range b.slots {
		if s.r != nil {
			n += max(s.r.needs()-len(s.tokens), 0)
		}
	}
	return n, requests > 0
}

// slotFor returns the free slot whose text begins the request's longest, of equal ones the one
// that was used least recently.
func (b *Batch) slotFor(r *Request) (best *slot) {
	most := -1
	for _, s := range b.slots {
		if s.r != nil {
			continue
		}
		n := r.sharedWith(s.tokens)
		if n > most || n == most && s.order < best.order {
			best, most = s, n
		}
	}
	return best
}

// place begins a request in a slot.
func (b *Batch) place(r *Request, s *slot) {
	if b.placed++; r.least == 0 { // it has not given way
		b.stats.Admitted++
	}
	s.r, s.order, r.begun, r.kept = r, b.placed, false, 0
	r.began = clock.Now()
	b.forget(s, r.sharedWith(s.tokens))
	r.cached(len(s.tokens))
}

// forget removes all but the first n tokens of a slot, or everything if the memory can't.
func (b *Batch) forget(s *slot, n int) {
	if n == len(s.tokens) && n > 0 {
		return
	}
	if n > 0 {
		n = b.s.model.cutSeq(b.s.ctx, s.id, n, &b.s.markMemory, &s.marks)
	}
	if n == 0 {
		b.s.markMemory.free(&s.marks, 0)
		b.s.ctx.RemoveSeq(s.id, -1, -1) // fails only if the context is closed, which the next call says
	}
	s.tokens = s.tokens[:n]
	s.cells.Cut(n)
}

// borrow makes the prefix of a slot's request that another slot has computed its own. It reports
// whether the slot should wait, as an older request computes more of it now.
func (b *Batch) borrow(s *slot) (wait bool) {
	if s.r.fresh() {
		return false
	}
	want := s.r.text[:len(s.r.text)-1]
	have := len(s.tokens)
	var from *slot
	for _, other := range b.slots {
		if other == s {
			continue
		}
		if n := commonPrefix(other.tokens, want); n >= have+worthWaiting && b.lends(other, n) {
			from, have = other, n
		}
	}
	for _, other := range b.slots {
		if other.r != nil && other.order < s.order && len(other.tokens) < len(other.r.text)-1 {
			if commonPrefix(other.r.text, want) >= have+worthWaiting && commonPrefix(other.tokens, want) == len(other.tokens) {
				wait = true
			}
		}
	}
	if wait || from == nil {
		return wait
	}
	b.forget(s, 0)
	if err := b.s.ctx.CopySeq(from.id, s.id, 0, llama.Pos(have)); err != nil {
		return false
	}
	s.tokens = append(s.tokens[:0], from.tokens[:have]...)
	s.cells.Share(from.cells, have)
	s.r.cached(have)
	return false
}

// lends reports whether another sequence can begin with the first n tokens of a slot.
func (b *Batch) lends(s *slot, n int) bool {
	info := b.s.model.info
	switch {
	case info.Recurrent || info.Hybrid: // a state is that after its last token
		return n == len(s.tokens)
	case info.SWA > 0:
		first, err := b.s.ctx.PosMin(s.id)
		return err == nil && int(first) <= max(0, n-info.SWA)
	}
	return true
}

// fill chooses what the next evaluation computes: the next token of each text, and parts of prompts.
func (b *Batch) fill() []row {
	for {
		var next, prompts []*slot
		for _, s := range b.slots {
			switch {
			case s.r == nil || !s.r.begun && b.borrow(s):
			case len(s.r.text)-len(s.tokens) == 1:
				next = append(next, s)
			default:
				prompts = append(prompts, s)
			}
		}
		slices.SortFunc(prompts, func(s, t *slot) int { return cmp.Compare(s.order, t.order) })
		room := b.s.ubatch
		if n := len(next); n > 0 {
			whole := max((n+b.prompts)/wholeRows*wholeRows, n+1)
			room = max(1, min(room, whole)-n)
		}
		left := make([]int, len(prompts))
		for i, s := range prompts {
			left[i] = len(s.r.text) - len(s.tokens)
			if left[i] > 1 && b.s.model.forgetful() && len(s.r.text)-1 >= s.marks.last()+worthMarking {
				left[i]-- // the state before the last token will be kept
			}
		}
		var rows []row
		for _, s := range next {
			rows = append(rows, row{s: s, tokens: s.r.text[len(s.tokens):]})
		}
		outputs := b.scoredBeside(next, prompts)
		for i, n := range batching.Shares(left, room) {
			s := prompts[i]
			if s.r.o.PromptLogprobs {
				n = min(n, outputs)
				outputs -= n
			}
			if n > 0 {
				rows = append(rows, row{s: s, tokens: s.r.text[len(s.tokens) : len(s.tokens)+n]})
			}
		}
		if b.makeRoom(rows) {
			return rows
		}
	}
}

// scoredBeside returns of how many tokens of prompts the logits are read in the next evaluation: of fewer where
// others wait: texts for their next token, and prompts that are not scored for their first.
func (b *Batch) scoredBeside(next, prompts []*slot) int {
	if len(next) == 0 && !slices.ContainsFunc(prompts, func(s *slot) bool { return !s.r.o.PromptLogprobs }) {
		return b.outputs
	}
	n := min(b.outputs, b.beside)
	if whole := (len(next) + n) / wholeRows * wholeRows; whole > len(next) {
		n = whole - len(next)
	}
	return n
}

// makeRoom removes kept prefixes until the context has room for rows. If that is not enough, the
// youngest request has to wait again, and the answer is false: choose rows anew.
func (b *Batch) makeRoom(rows []row) bool {
	need := 0
	for _, r := range rows {
		need += len(r.tokens)
	}
	for b.cells.Used()+need > b.s.context {
		var oldest, youngest *slot
		busy := 0
		for _, s := range b.slots {
			switch {
			case s.r != nil:
				busy++
				if youngest == nil || s.order > youngest.order {
					youngest = s
				}
			case len(s.tokens) > 0 && (oldest == nil || s.order < oldest.order):
				oldest = s
			}
		}
		switch {
		case oldest != nil:
			b.forget(oldest, 0)
		case busy > 1:
			b.putBack(youngest)
			return false
		default:
			return true // one request fits: see Submit
		}
	}
	return true
}

// putBack takes a slot from its request, which waits again, before all others.
func (b *Batch) putBack(s *slot) {
	b.stats.Recomputed++
	s.r.least = len(s.r.text) + expectedTokens // or it would soon give way again
	b.waiting = slices.Insert(b.waiting, 0, s.r)
	s.r = nil
	b.forget(s, 0)
}

// evaluate computes the rows.
func (b *Batch) evaluate(rows []row) error {
	if err := b.s.model.weights.changed(); err != nil {
		return err
	}
	if n := scoredOf(rows); n > 1 { // one is counted with the context
		if err := b.s.countOutputs(b.life, min(n+len(rows), b.s.ubatch)); err != nil {
			return err
		}
	}
	batch := b.s.batch
	batch.Clear()
	for i := range rows {
		r := &rows[i]
		at := len(r.s.tokens)
		last := at+len(r.tokens) == len(r.s.r.text)
		r.first = batch.Len()
		for j, t := range r.tokens {
			output := last && j == len(r.tokens)-1 || r.s.r.wants(at+j)
			if err := batch.Add(t, llama.Pos(at+j), output, r.s.id); err != nil {
				return err
			}
		}
		r.output = -1
		if last {
			r.output = batch.Len() - 1
		}
	}
	err := b.s.decode(b.life)
	b.s.model.peak.Sample()
	return err
}

// scoredOf counts the tokens of an evaluation whose logits are wanted for those of a prompt.
func scoredOf(rows []row) (n int) {
	for _, r := range rows {
		for j := range r.tokens {
			if r.s.r.wants(len(r.s.tokens) + j) {
				n++
			}
		}
	}
	return n
}

// score reads the log-probabilities of prompts from an evaluation. Slots are changed by this goroutine alone.
func (b *Batch) score(rows []row) {
	for i := range rows {
		r := &rows[i]
		for j := range r.tokens {
			at := len(r.s.tokens) + j
			if !r.s.r.wants(at) {
				continue
			}
			if r.err = r.s.r.ctx.Err(); r.err == nil {
				b.logits, r.err = b.s.ctx.Logits(r.first+j, b.logits[:0])
			}
			if r.err == nil {
				r.err = r.s.r.score(at, b.logits)
			}
			if r.err != nil {
				break
			}
		}
	}
}

// deliver samples the next tokens, and ends the requests that are complete.
func (b *Batch) deliver(rows []row, err error, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Evaluations++
	b.stats.Duration += took
	if err != nil {
		b.failed(rows, err)
		return
	}
	prompts := 0
	for _, r := range rows {
		r.s.r.begun = true
		r.s.tokens = append(r.s.tokens, r.tokens...)
		r.s.cells.Grow(len(r.tokens))
		if len(r.s.r.text) == len(r.s.tokens)+1 && b.s.model.forgetful() {
			b.s.markMemory.add(b.s.ctx, r.s.id, &r.s.marks, len(r.s.tokens))
		}
		if len(r.tokens) > 1 || r.s.r.writer.count == 0 {
			prompts += len(r.tokens)
			r.s.r.computed(len(r.tokens))
		}
	}
	if prompts > 0 {
		b.stats.PromptTokens += uint64(prompts)
		b.stats.PromptDuration += took
	}
	for _, r := range rows {
		switch {
		case r.err != nil:
			b.finish(r.s, b.closedError(r.err))
			continue
		case r.output < 0:
			continue
		case r.s.r.o.PromptOnly:
			r.s.r.add(Token{ID: -1, Finish: FinishLength}, len(r.s.tokens))
			b.finish(r.s, nil)
			continue
		}
		t, err := b.sample(r)
		if err != nil {
			b.finish(r.s, b.closedError(err))
			continue
		}
		b.stats.GeneratedTokens++
		r.s.r.add(t, len(r.s.tokens))
		if t.Finish != "" {
			b.finish(r.s, nil)
		}
	}
}

// sample chooses the next token of a text.
func (b *Batch) sample(x row) (Token, error) {
	r := x.s.r
	id, err := r.sampler.Sample(b.s.ctx, x.output)
	if err != nil {
		return Token{}, err
	}
	t, err := r.writer.token(b.s.ctx, x.output, id)
	if err != nil {
		return Token{}, err
	}
	r.text = append(r.text, id)
	if t.Finish == "" && len(r.text) > b.request {
		r.writer.end(&t, FinishContext)
	}
	return t, nil
}

// failed handles an evaluation that failed. If there was no room for it, kept texts are removed; if there
// are none, the youngest request waits until another has ended. After other errors all requests that
// took part end.
func (b *Batch) failed(rows []row, err error) {
	err = b.closedError(b.s.closedError(err))
	scored := scoredOf(rows)
	for _, r := range rows {
		b.undo(r.s)
	}
	if errors.Is(err, llama.ErrNoMemory) || errors.As(err, new(*memory.Error)) { // the latter by the budget
		if scored > 1 { // the logits do not fit: half as many tokens
			b.outputs = scored / 2
			return
		}
	}
	if errors.Is(err, llama.ErrNoSlot) || errors.Is(err, llama.ErrNoMemory) {
		if b.forgetKept() {
			return
		}
		if len(rows) > 1 {
			youngest := rows[0].s
			for _, r := range rows {
				if r.s.order > youngest.order {
					youngest = r.s
				}
			}
			b.putBack(youngest)
			b.full = true
			return
		}
	}
	for _, r := range rows {
		if r.s.r != nil {
			b.finish(r.s, err)
		}
		b.forget(r.s, 0)
	}
}

// forgetKept removes the texts of free slots, and reports whether there were any.
func (b *Batch) forgetKept() (any bool) {
	for _, s := range b.slots {
		if s.r == nil && len(s.tokens) > 0 {
			b.forget(s, 0)
			any = true
		}
	}
	return any
}

// undo removes what an interrupted evaluation has left of a slot.
func (b *Batch) undo(s *slot) {
	n := len(s.tokens)
	if ok, err := b.s.ctx.RemoveSeq(s.id, llama.Pos(n), -1); err != nil || !ok {
		b.forget(s, 0)
	}
}
