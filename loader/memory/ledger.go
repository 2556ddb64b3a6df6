package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/seed7adf6694/infer/loader/probe"
)

// ErrPurpose is wrapped when memory is requested for a [Purpose] that is none or unknown, or for
// [PurposeOther].
var ErrPurpose = errors.New("invalid memory purpose")

// Purpose is what native memory is used for. The zero value is no purpose; functions that take
// memory return [ErrPurpose] for it and for unknown values.
type Purpose uint8

// Purposes of native memory.
const (
	PurposeWeights Purpose = iota + 1 // weights, mapped or copied
	PurposeKV                         // KV cache and recurrent state
	PurposeCompute                    // intermediate results of the graph
	PurposeOutput                     // logits and embeddings
	PurposeStaging                    // temporary, while loading
	PurposePool                       // reserved for later use
	// PurposeOther is the rest of a sum: threads, work buffers, Go's heap, other programs. Ledgers
	// do not count it and no memory can be taken for it.
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

// check returns an error for a purpose that memory cannot be taken for.
func (p Purpose) check() error {
	if !p.known() || p == PurposeOther {
		return fmt.Errorf("%w: %v", ErrPurpose, p)
	}
	return nil
}

// MarshalText returns the purpose's name. If it has none, the error is an [ErrPurpose].
func (p Purpose) MarshalText() ([]byte, error) {
	if !p.known() {
		return nil, fmt.Errorf("%w: %v", ErrPurpose, p)
	}
	return []byte(purposeNames[p]), nil
}

// UnmarshalText is the inverse of MarshalText. The error is an [ErrPurpose].
func (p *Purpose) UnmarshalText(text []byte) error {
	i := slices.Index(purposeNames[:], string(text))
	if i < 1 {
		return fmt.Errorf("%w: %q", ErrPurpose, text)
	}
	*p = Purpose(i)
	return nil
}

// Ledger accounts for all native memory that the loader has taken, by purpose. The zero value is
// ready to use. A nil Ledger accounts for nothing. It is safe for concurrent use.
type Ledger struct {
	// Admit, if set, is called with the size in bytes before addresses are reserved and before each
	// commit and mapping: for a program's own quota, and for tests. If it returns an error, the
	// request fails with an [*Error] that wraps it. It is called from several goroutines and
	// must not be changed once the ledger is in use.
	Admit func(p Purpose, size uint64) error

	mu    sync.Mutex
	usage Usage
}

// admit asks Admit whether memory may be taken.
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

// PurposeUsage is the memory of one purpose, or of all. Sizes are in bytes. Rounding up of blocks
// counts; guard pages do not, as they are addresses without memory.
type PurposeUsage struct {
	// Current is what is mapped or committed now. It need not be resident.
	Current uint64 `json:"current_bytes"`
	// Peak is the maximum of Current.
	Peak uint64 `json:"peak_bytes"`
	// Count is the number of mappings and commits now; for a [Pool], the number of its holes and
	// blocks.
	Count int `json:"count"`
	// LargestAllocation is the largest single mapping or commit so far.
	LargestAllocation uint64 `json:"largest_allocation_bytes"`
	// LargestRange is the largest reservation of contiguous addresses so far.
	LargestRange uint64 `json:"largest_range_bytes"`
}

// Usage is a snapshot of a ledger. In JSON it is an object whose keys are the names of the purposes
// and "total".
type Usage struct {
	// Purposes is indexed by [Purpose]; index 0 is unused.
	Purposes [PurposeOther]PurposeUsage
	// Total is the sum over all purposes. Its Peak can be less than the sum of their peaks, which
	// may have been at different times.
	Total PurposeUsage
}

// Of returns the usage of one purpose, the zero value for an unknown one.
func (u Usage) Of(p Purpose) PurposeUsage {
	if p >= PurposeOther {
		return PurposeUsage{}
	}
	return u.Purposes[p]
}

// MarshalJSON writes an object with a key for each purpose.
func (u Usage) MarshalJSON() ([]byte, error) {
	m := map[string]PurposeUsage{"total": u.Total}
	for p := PurposeWeights; p < PurposeOther; p++ {
		m[purposeNames[p]] = u.Purposes[p]
	}
	return json.Marshal(m)
}

// Snapshot returns the current usage.
func (l *Ledger) Snapshot() Usage {
	if l == nil {
		return Usage{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usage
}

// take adds one mapping or commit of size bytes, in a reservation of rng bytes.
func (l *Ledger) take(p Purpose, size, rng uint64) {
	l.change(func(u *Usage) {
		u.Purposes[p].add(size, 1, size, rng)
		u.Total.add(size, 1, size, rng)
	})
}

// grow adds size bytes to a mapping or commit that take has added.
func (l *Ledger) grow(p Purpose, size uint64) {
	l.change(func(u *Usage) {
		u.Purposes[p].add(size, 0, size, 0)
		u.Total.add(size, 0, size, 0)
	})
}

// give removes count mappings or commits of size bytes in total.
func (l *Ledger) give(p Purpose, size uint64, count int) {
	l.change(func(u *Usage) {
		u.Purposes[p].sub(size, count)
		u.Total.sub(size, count)
	})
}

// retag moves count mappings or commits of size bytes in total, the largest of them largest bytes,
// from one purpose to another.
func (l *Ledger) retag(from, to Purpose, size uint64, count int, largest, rng uint64) {
	l.change(func(u *Usage) {
		u.Purposes[from].sub(size, count)
		u.Purposes[to].add(size, count, largest, rng)
	})
}

// entry is one side of a transfer: the change in count, and for the receiver the largest sizes.
type entry struct {
	ledger       *Ledger
	purpose      Purpose
	count        int
	largest, rng uint64
}

// transfer moves size bytes between ledgers or purposes. Within one ledger the total does not
// change at any moment; between two, the bytes are never counted in both.
func transfer(size uint64, from, to entry) {
	if from.ledger != to.ledger {
		from.ledger.give(from.purpose, size, from.count)
		to.ledger.change(func(u *Usage) {
			u.Purposes[to.purpose].add(size, to.count, to.largest, to.rng)
			u.Total.add(size, to.count, to.largest, to.rng)
		})
		return
	}
	to.ledger.change(func(u *Usage) {
		u.Purposes[from.purpose].sub(size, from.count)
		u.Purposes[to.purpose].add(size, to.count, to.largest, to.rng)
		u.Total.add(0, to.count-from.count, to.largest, to.rng)
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

func (u *PurposeUsage) add(size uint64, count int, largest, rng uint64) {
	u.Current += size
	u.Peak = max(u.Peak, u.Current)
	u.Count += count
	u.LargestAllocation = max(u.LargestAllocation, largest)
	u.LargestRange = max(u.LargestRange, rng)
}

func (u *PurposeUsage) sub(size uint64, count int) {
	u.Current -= size
	u.Count -= count
}
