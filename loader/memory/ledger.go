package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/seed7adf6694/infer/loader/probe"
)

// ErrPurpose is wrapped when memory is asked for a [Purpose] that it cannot be taken for:
// none, or an unknown one.
var ErrPurpose = errors.New("no purpose of memory")

// Purpose is what native memory is for. The zero value is no purpose: what takes memory
// refuses it, and all others that are none of these, with [ErrPurpose].
type Purpose uint8

// Purposes of native memory.
const (
	PurposeWeights Purpose = iota + 1 // weights, mapped or copied
	PurposeKV                         // KV cache and recurrent state
	PurposeCompute                    // intermediate results of the graph
	PurposeOutput                     // logits and embeddings
	PurposeStaging                    // for the time of a load
	PurposePool                       // reserved for later use
	// PurposeOther is what a sum of memory leaves to everything else: threads, work
	// buffers, Go's heap, other programs. No ledger counts it, and nothing is taken for it.
	PurposeOther
)

var purposeNames = [...]string{
	PurposeWeights: "weights", PurposeKV: "kv", PurposeCompute: "compute", PurposeOutput: "output",
	PurposeStaging: "staging", PurposePool: "pool", PurposeOther: "other",
}

// String returns the purpose's name: weights, kv, compute, output, staging, pool or other.
func (p Purpose) String() string {
	if !p.known() {
		return fmt.Sprintf("Purpose(%d)", uint8(p))
	}
	return purposeNames[p]
}

func (p Purpose) known() bool { return p > 0 && p <= PurposeOther }

// check refuses what memory cannot be taken for.
func (p Purpose) check() error {
	if !p.known() || p == PurposeOther {
		return fmt.Errorf("%w: %v", ErrPurpose, p)
	}
	return nil
}

// MarshalText writes the purpose's name. Where it has none, the error is an [ErrPurpose].
func (p Purpose) MarshalText() ([]byte, error) {
	if !p.known() {
		return nil, fmt.Errorf("%w: %v", ErrPurpose, p)
	}
	return []byte(purposeNames[p]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (p *Purpose) UnmarshalText(text []byte) error {
	i := slices.Index(purposeNames[:], string(text))
	if i < 1 {
		return fmt.Errorf("%w: %q", ErrPurpose, text)
	}
	*p = Purpose(i)
	return nil
}

// Ledger is the account of all native memory that the loader has taken, by purpose.
// The zero value is ready to use, and so is a nil Ledger, which keeps nothing. It is
// safe for concurrent use.
type Ledger struct {
	// Admit, where set, is asked before addresses are reserved, and before each commit
	// and mapping, with the size in bytes; for a quota of the program's own, and for
	// tests. An error refuses it as the system would: what was asked for fails with a
	// [*Error] that wraps it. It must not be changed once the ledger is in use,
	// and is called by several goroutines.
	Admit func(p Purpose, size uint64) error

	mu    sync.Mutex
	usage Usage
}

// admit asks whether memory may be taken.
func (l *Ledger) admit(p Purpose, size uint64) error {
	if l == nil || l.Admit == nil {
		return nil
	}
	err := l.Admit(p, size)
	if err == nil {
		return nil
	}
	return &Error{Purpose: p, Requested: size, Limit: probe.LimitAdmission, Remedies: []Remedy{{Kind: RemedyLess}}, Err: err}
}

// PurposeUsage is the memory of one purpose, or of all. Sizes are in bytes; what a
// block is rounded up by counts, the guards beside it do not, as they are addresses
// without memory.
type PurposeUsage struct {
	// Current is what is granted now: mapped, or committed. Not all of it need be
	// resident.
	Current uint64 `json:"current_bytes"`
	// Peak is the most that Current has been.
	Peak uint64 `json:"peak_bytes"`
	// Count is the number of mappings and commits now; of a [Pool], the number of pieces
	// that it is divided into.
	Count int `json:"count"`
	// LargestAllocation is the largest single mapping or commit so far.
	LargestAllocation uint64 `json:"largest_allocation_bytes"`
	// LargestRange is the largest range of contiguous addresses so far.
	LargestRange uint64 `json:"largest_range_bytes"`
}

// Usage is what a ledger says at one moment. In JSON it is an object by the names of
// the purposes, and "total".
type Usage struct {
	// Purposes are indexed by purpose; the first is none.
	Purposes [PurposeOther]PurposeUsage
	// Total is of all purposes together; its Peak is less than the sum of theirs
	// where they were not at the same time.
	Total PurposeUsage
}

// Of returns the usage of one purpose; none for one that there is not.
func (u Usage) Of(p Purpose) PurposeUsage {
	if p >= PurposeOther {
		return PurposeUsage{}
	}
	return u.Purposes[p]
}

// MarshalJSON writes an object by purpose.
func (u Usage) MarshalJSON() ([]byte, error) {
	m := map[string]PurposeUsage{"total": u.Total}
	for p := PurposeWeights; p < PurposeOther; p++ {
		m[purposeNames[p]] = u.Purposes[p]
	}
	return json.Marshal(m)
}

// Snapshot returns the account as it is now.
func (l *Ledger) Snapshot() Usage {
	if l == nil {
		return Usage{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usage
}

// take enters a piece of size granted bytes, part of a range of rng bytes.
func (l *Ledger) take(p Purpose, size, rng uint64) {
	l.change(func(u *Usage) {
		u.Purposes[p].add(size, 1, size, rng)
		u.Total.add(size, 1, size, rng)
	})
}

// grow enters size bytes more, committed at once, of a piece that is entered already.
func (l *Ledger) grow(p Purpose, size uint64) {
	l.change(func(u *Usage) {
		u.Purposes[p].add(size, 0, size, 0)
		u.Total.add(size, 0, size, 0)
	})
}

// give takes pieces of size bytes together out of the account again.
func (l *Ledger) give(p Purpose, size uint64, pieces int) {
	l.change(func(u *Usage) {
		u.Purposes[p].sub(size, pieces)
		u.Total.sub(size, pieces)
	})
}

// retag moves pieces of size bytes together, the largest of which is largest, from one
// purpose to another.
func (l *Ledger) retag(from, to Purpose, size uint64, pieces int, largest, rng uint64) {
	l.change(func(u *Usage) {
		u.Purposes[from].sub(size, pieces)
		u.Purposes[to].add(size, pieces, largest, rng)
	})
}

// entry is one side of a transfer: how many pieces there are fewer or more, and the
// largest sizes where it is the one that gets.
type entry struct {
	ledger       *Ledger
	purpose      Purpose
	pieces       int
	largest, rng uint64
}

// transfer moves size bytes between accounts. In one ledger the total never changes, not
// for a moment either; where there are two they never have the bytes both.
func transfer(size uint64, from, to entry) {
	if from.ledger != to.ledger {
		from.ledger.give(from.purpose, size, from.pieces)
		to.ledger.change(func(u *Usage) {
			u.Purposes[to.purpose].add(size, to.pieces, to.largest, to.rng)
			u.Total.add(size, to.pieces, to.largest, to.rng)
		})
		return
	}
	to.ledger.change(func(u *Usage) {
		u.Purposes[from.purpose].sub(size, from.pieces)
		u.Purposes[to.purpose].add(size, to.pieces, to.largest, to.rng)
		u.Total.add(0, to.pieces-from.pieces, to.largest, to.rng)
	})
}

func (l *Ledger) change(f func(*Usage)) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.usage)
}

func (u *PurposeUsage) add(size uint64, pieces int, largest, rng uint64) {
	u.Current += size
	u.Peak = max(u.Peak, u.Current)
	u.Count += pieces
	u.LargestAllocation = max(u.LargestAllocation, largest)
	u.LargestRange = max(u.LargestRange, rng)
}

func (u *PurposeUsage) sub(size uint64, pieces int) {
	u.Current -= size
	u.Count -= pieces
}
