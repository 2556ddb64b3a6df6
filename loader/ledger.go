package loader

import (
	"encoding/json"
	"fmt"
	"sync"
)

// Purpose is what native memory is for.
type Purpose uint8

// Purposes of native memory.
const (
	PurposeWeights Purpose = iota
	PurposeKV              // KV cache and recurrent state
	PurposeCompute         // intermediate results of the graph
	PurposeOutput          // logits and embeddings
	PurposeStaging         // for the time of a load
	PurposePool            // reserved for others
	purposes
)

var purposeNames = [purposes]string{"weights", "kv", "compute", "output", "staging", "pool"}

func (p Purpose) String() string {
	if p >= purposes {
		return fmt.Sprintf("Purpose(%d)", p)
	}
	return purposeNames[p]
}

// parsePurpose is the inverse of String; unknown names are compute, which is what the
// engine allocates without saying so.
func parsePurpose(name string) Purpose {
	for i, n := range purposeNames {
		if n == name {
			return Purpose(i)
		}
	}
	return PurposeCompute
}

// Ledger is the account of all native memory that the loader has taken, by purpose.
// The zero value is ready; it is safe for concurrent use.
type Ledger struct {
	mu    sync.Mutex
	usage Usage
}

// PurposeUsage is the memory of one purpose. Sizes are bytes.
type PurposeUsage struct {
	Current uint64 `json:"current_bytes"` // granted now
	Peak    uint64 `json:"peak_bytes"`
	Count   int    `json:"count"` // blocks and mappings now
	// LargestAllocation is the largest single mapping or commit so far.
	LargestAllocation uint64 `json:"largest_allocation_bytes"`
	// LargestRange is the largest range of contiguous addresses so far.
	LargestRange uint64 `json:"largest_range_bytes"`
}

// Usage is what a ledger says at one moment.
type Usage struct {
	Purposes [purposes]PurposeUsage
	Total    PurposeUsage
}

// Of returns the usage of one purpose.
func (u Usage) Of(p Purpose) PurposeUsage { return u.Purposes[p] }

// MarshalJSON writes an object by purpose.
func (u Usage) MarshalJSON() ([]byte, error) {
	m := map[string]PurposeUsage{"total": u.Total}
	for i, p := range u.Purposes {
		m[purposeNames[i]] = p
	}
	return json.Marshal(m)
}

// Snapshot returns the account.
func (l *Ledger) Snapshot() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usage
}

// take enters size granted bytes in one piece more, part of a range.
func (l *Ledger) take(p Purpose, size, rng uint64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range []*PurposeUsage{&l.usage.Purposes[p], &l.usage.Total} {
		u.Current += size
		u.Peak = max(u.Peak, u.Current)
		u.Count++
		u.LargestAllocation = max(u.LargestAllocation, size)
		u.LargestRange = max(u.LargestRange, rng)
	}
}

// give takes pieces out of the account again.
func (l *Ledger) give(p Purpose, size uint64, pieces int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range []*PurposeUsage{&l.usage.Purposes[p], &l.usage.Total} {
		u.Current -= size
		u.Count -= pieces
	}
}

// retag moves pieces from one purpose to another.
func (l *Ledger) retag(from, to Purpose, size uint64, pieces int, largest, rng uint64) {
	if l == nil || from == to {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f, t := &l.usage.Purposes[from], &l.usage.Purposes[to]
	f.Current -= size
	f.Count -= pieces
	t.Current += size
	t.Peak = max(t.Peak, t.Current)
	t.Count += pieces
	t.LargestAllocation = max(t.LargestAllocation, largest)
	t.LargestRange = max(t.LargestRange, rng)
}
