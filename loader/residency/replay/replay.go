package replay

import (
	"fmt"
	"math"
	"slices"

	"github.com/seed7adf6694/infer/loader/residency"
)

// Policy decides which expert is replaced when another needs its slot.
type Policy string

// Policies.
const (
	LRU     Policy = "lru"     // the expert whose last use is longest ago
	LFU     Policy = "lfu"     // the expert used least, where older uses count less: [residency.Experts]
	Optimal Policy = "optimal" // the expert whose next use is farthest ahead (Belady): the fewest reads possible
)

// Policies lists all.
func Policies() []Policy { return []Policy{LRU, LFU, Optimal} }

// Counts are the counts of a replay. An expert that several tokens of an evaluation choose counts
// once. Sizes are in bytes.
type Counts struct {
	Tokens int
	Hits   uint64 // chosen experts that had a slot
	Misses uint64 // chosen experts that were read
	Read   uint64 // size of the experts that were read
	Bytes  uint64 // size of all chosen experts
	Mapped uint64 // choices of more experts than there are slots: all of them are read
}

// HitRatio is the share of chosen experts that had a slot, 0 before the first.
func (c Counts) HitRatio() float64 { return float64(c.Hits) / float64(max(c.Hits+c.Misses, 1)) }

// ReadPerToken is the mean number of bytes read per token.
func (c Counts) ReadPerToken() float64 { return float64(c.Read) / float64(max(c.Tokens, 1)) }

// Result has the counts of evaluations of one token, and of those of several tokens, such as a
// prompt's.
type Result struct {
	Alone, Together Counts
}

// Replay replays a trace with a number of slots, which are empty at the start. A slot holds one expert
// of any layer, or for LFU, of the layers that share its bank. The experts that a layer chooses in one
// evaluation are needed together: if there are fewer slots, all of them are read and no slot changes.
// Optimal has the fewest misses of all policies, in the sum of Alone and Together.
func (t *Trace) Replay(p Policy, slots int) (r Result, err error) {
	if slots < 1 || slots > maxExperts {
		return r, fmt.Errorf("%d slots for experts out of range (1 to %d)", slots, maxExperts)
	}
	w := t.walk()
	var use func(layer int, ids []int32, group []int) (misses int)
	switch p {
	case LRU:
		use = newKeeper(w, slots, func(at, _ int) int { return at }).use
	case LFU:
		x := residency.NewExpertReplay(w.experts, t.Used, t.bank(), slots)
		use = func(layer int, ids []int32, group []int) int {
			_, misses, ok := x.Use(layer, ids)
			if !ok {
				return len(group)
			}
			return misses
		}
	case Optimal:
		next := w.nextUses(slots)
		use = newKeeper(w, slots, func(_, i int) int { return -next[i] }).use
	default:
		return r, fmt.Errorf("unknown policy %q: use one of %v", p, Policies())
	}
	for i, c := range t.Choices {
		group, bytes := w.groups[i], w.bytes[c.Layer]
		misses := use(c.Layer, c.IDs, group)
		into := &r.Alone
		if w.tokens[c.Evaluation] > 1 {
			into = &r.Together
		}
		into.Hits += uint64(len(group) - misses)
		into.Misses += uint64(misses)
		into.Read += uint64(misses) * bytes
		into.Bytes += uint64(len(group)) * bytes
		if len(group) > slots {
			into.Mapped++
		}
	}
	for _, n := range w.tokens {
		if n > 1 {
			r.Together.Tokens += n
		} else {
			r.Alone.Tokens += n
		}
	}
	return r, nil
}

// walk is a trace with experts numbered over all layers.
type walk struct {
	experts []int    // by layer
	bytes   []uint64 // of an expert, by layer
	all     int      // experts
	groups  [][]int  // by choice: the distinct experts, in ascending order
	tokens  []int    // by evaluation
}

func (t *Trace) walk() walk {
	var w walk
	n := t.Layers[len(t.Layers)-1].Layer + 1
	w.experts, w.bytes = make([]int, n), make([]uint64, n)
	first := make([]int, n)
	for _, l := range t.Layers {
		w.experts[l.Layer], w.bytes[l.Layer], first[l.Layer] = l.Experts, l.Bytes, w.all
		w.all += l.Experts
	}
	for _, c := range t.Choices {
		group := make([]int, len(c.IDs))
		for i, id := range c.IDs {
			group[i] = first[c.Layer] + int(id)
		}
		slices.Sort(group)
		w.groups = append(w.groups, slices.Compact(group))
		if c.Evaluation == len(w.tokens) {
			w.tokens = append(w.tokens, 0)
		}
		w.tokens[c.Evaluation] = max(w.tokens[c.Evaluation], c.Tokens)
	}
	return w
}

// nextUses says, for the experts of each choice one behind the other, at which later choice each
// is used from a slot again.
func (w walk) nextUses(slots int) []int {
	n := 0
	for _, g := range w.groups {
		n += len(g)
	}
	uses, next := make([]int, n), make([]int, w.all)
	for i := range next {
		next[i] = math.MaxInt
	}
	for at := len(w.groups) - 1; at >= 0; at-- {
		group := w.groups[at]
		n -= len(group)
		for i, x := range group {
			if uses[n+i] = next[x]; len(group) <= slots {
				next[x] = at
			}
		}
	}
	return uses
}

// keeper keeps those experts in slots that have the highest rank.
type keeper struct {
	slots    []int // experts
	capacity int
	where    []int               // by expert: its slot, -1 for none
	rank     []int               // by expert, since its last use
	used     []int               // by expert: the choice of its last use
	after    func(at, i int) int // rank of the i-th use of all, in the choice at
	at, i    int
}

func newKeeper(w walk, slots int, after func(at, i int) int) *keeper {
	k := &keeper{capacity: slots, where: make([]int, w.all), rank: make([]int, w.all), used: make([]int, w.all), after: after}
	for i := range k.where {
		k.where[i], k.used[i] = -1, -1
	}
	return k
}

func (k *keeper) use(_ int, _ []int32, group []int) (misses int) {
	defer func() { k.at, k.i = k.at+1, k.i+len(group) }()
	if len(group) > k.capacity {
		return len(group)
	}
	for i, x := range group {
		k.used[x], k.rank[x] = k.at, k.after(k.at, k.i+i)
	}
	for _, x := range group {
		if k.where[x] >= 0 {
			continue
		}
		misses++
		if len(k.slots) < k.capacity {
			k.where[x] = len(k.slots)
			k.slots = append(k.slots, x)
			continue
		}
		s := k.victim()
		k.where[k.slots[s]], k.where[x] = -1, s
		k.slots[s] = x
	}
	return misses
}

// victim is the slot of the lowest rank whose expert is not of this choice.
func (k *keeper) victim() int {
	best := -1
	for s, x := range k.slots {
		if k.used[x] != k.at && (best < 0 || k.rank[x] < k.rank[k.slots[best]]) {
			best = s
		}
	}
	return best
}
