package memory

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/probe"
)

// RemedyKind is what a [Remedy] changes.
type RemedyKind string

// Kinds of remedies, with the fields of [Remedy] that they set; fields in brackets may be zero.
const (
	RemedyLess  RemedyKind = "less"  // a smaller model, context or batch
	RemedyClose RemedyKind = "close" // other programs
	RemedyRaise RemedyKind = "raise" // Limit [by Bytes]
	RemedySwap  RemedyKind = "swap"  // more

	RemedyMap      RemedyKind = "map"       // map the weights instead of copying them
	RemedyChunked  RemedyKind = "chunked"   // load in chunks instead of llama.cpp's own way
	RemedyNoRepack RemedyKind = "no_repack" // keep the layout of the file: no repacking
	RemedyQuantise RemedyKind = "quantise"  // fewer bits [Type: weights of about Bytes]

	RemedyChunkSize   RemedyKind = "chunk_size" // [of Bytes], or smaller
	RemedyLargerChunk RemedyKind = "larger_chunk_size"
	RemedyRestart     RemedyKind = "restart" // the process, for another address space

	RemedyBudget      RemedyKind = "budget" // [of Bytes], or larger
	RemedyPool        RemedyKind = "pool"   // larger
	RemedySmallerPool RemedyKind = "smaller_pool"
	RemedyNoPool      RemedyKind = "no_pool"
	RemedyUnlocked    RemedyKind = "unlocked_pool"

	RemedyContext        RemedyKind = "context"         // of Tokens
	RemedyCache          RemedyKind = "cache_type"      // Type
	RemedyBatch          RemedyKind = "micro_batch"     // [of Tokens], or smaller
	RemedyFlashAttention RemedyKind = "flash_attention" // on

	RemedyGPULayers RemedyKind = "gpu_layers" // fewer
)

// Remedy is a change that would help after memory was refused.
type Remedy struct {
	Kind   RemedyKind
	Limit  probe.Limit // for RemedyRaise
	Bytes  uint64      // 0: unknown
	Tokens int         // 0: unknown
	Type   string      // tensor type, as [gguf.Type] prints; "": unknown

	// With are changes that must be made together with this one.
	With []Remedy
	// Needs is how many bytes are needed after the change; 0: unknown.
	Needs uint64
}

// String returns the remedy in words, such as "use a context of 512 tokens: needs 40 MiB".
func (r Remedy) String() string { return r.Text(nil) }

// MarshalText returns String.
func (r Remedy) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Text is String with note(change) in brackets behind each change, such as a flag's name. note may
// be nil; if it returns "", nothing is added.
func (r Remedy) Text(note func(Remedy) string) string {
	var texts []string
	for _, one := range append([]Remedy{r}, r.With...) {
		text := one.words()
		if note != nil {
			if n := note(one); n != "" {
				text += " (" + n + ")"
			}
		}
		texts = append(texts, text)
	}
	text := words.Enumerate(texts)
	switch {
	case r.Kind == RemedyQuantise && r.Bytes > 0:
		text += ": weights of about " + words.Size(r.Bytes)
	case r.Needs > 0:
		text += ": needs " + words.Size(r.Needs)
	}
	return text
}

// remedyWords are the texts of kinds without figures.
var remedyWords = map[RemedyKind]string{
	RemedyLess:           "use a smaller model, context or batch",
	RemedyClose:          "close other programs",
	RemedySwap:           "add swap",
	RemedyMap:            "map the weights, which is not charged as commit and can be evicted",
	RemedyChunked:        "load in chunks",
	RemedyNoRepack:       "use the weights as they are in the file",
	RemedyQuantise:       "use a model of a smaller quantisation",
	RemedyChunkSize:      "use a smaller chunk size",
	RemedyLargerChunk:    "use a larger chunk size",
	RemedyRestart:        "restart the process, whose address space is fragmented",
	RemedyBudget:         "use a larger budget",
	RemedyPool:           "use a larger pool",
	RemedySmallerPool:    "use a smaller pool",
	RemedyNoPool:         "use no pool",
	RemedyUnlocked:       "do not lock the pool",
	RemedyBatch:          "use a smaller micro-batch",
	RemedyFlashAttention: "use flash attention",
	RemedyGPULayers:      "put fewer layers on devices",
}

func (r Remedy) words() string {
	switch {
	case r.Kind == RemedyRaise:
		by := ""
		if r.Bytes > 0 {
			by = " by " + words.Size(r.Bytes)
		}
		return raise(r.Limit, by)
	case r.Kind == RemedyQuantise && r.Type != "":
		return "quantise it to " + r.Type
	case r.Kind == RemedyChunkSize && r.Bytes > 0:
		return "use a chunk size of " + words.Size(r.Bytes)
	case r.Kind == RemedyBudget && r.Bytes > 0:
		return "use a budget of " + words.Size(r.Bytes)
	case r.Kind == RemedyContext:
		return fmt.Sprintf("use a context of %d tokens", r.Tokens)
	case r.Kind == RemedyCache:
		return fmt.Sprintf("use a %s cache", r.Type)
	case r.Kind == RemedyBatch && r.Tokens > 0:
		return fmt.Sprintf("use a micro-batch of %d tokens", r.Tokens)
	}
	return remedyWords[r.Kind]
}

// raise returns how to raise a limit of the system.
func raise(l probe.Limit, by string) string {
	switch l {
	case probe.LimitGroup:
		return "raise the memory limit of the control group or job" + by
	case probe.LimitAddresses:
		return "raise the address space limit" + by + " (ulimit -v)"
	case probe.LimitData:
		return "raise the data limit" + by + " (ulimit -d)"
	case probe.LimitMappings:
		return "raise vm.max_map_count"
	case probe.LimitLock:
		return probe.RaiseLocks
	}
	return probe.RaiseCommit(by)
}

// RaiseLimit returns what helps on this system if a limit is too low by missing bytes (0:
// unknown): raising it, or needing less of it.
func RaiseLimit(l probe.Limit, missing uint64) []Remedy {
	raised := Remedy{Kind: RemedyRaise, Limit: l, Bytes: missing}
	switch l {
	case probe.LimitGroup, probe.LimitAddresses, probe.LimitData:
		return []Remedy{raised}
	case probe.LimitHole:
		return []Remedy{{Kind: RemedyChunkSize}, {Kind: RemedyRestart}}
	case probe.LimitMappings:
		return []Remedy{{Kind: RemedyLargerChunk}, raised}
	case probe.LimitPool:
		return []Remedy{{Kind: RemedyPool}}
	case probe.LimitRAM:
		return []Remedy{{Kind: RemedyClose}}
	}
	raised.Limit = probe.LimitCommit
	if probe.RaiseCommit("") == "" {
		return []Remedy{{Kind: RemedyClose}}
	}
	return []Remedy{{Kind: RemedyClose}, raised}
}

// remedies returns what helps if a limit leaves short bytes too few (0: unknown).
func remedies(l probe.Limit, short uint64) []Remedy {
	list := RaiseLimit(l, short)
	switch l {
	case probe.LimitMappings:
		return list
	case probe.LimitHole, probe.LimitGroup, probe.LimitAddresses:
		return append(list, Remedy{Kind: RemedyLess})
	}
	return append(list, Remedy{Kind: RemedyMap}, Remedy{Kind: RemedyLess})
}

// RemediesOf returns what would make a probe's largest free block larger, each on its own, the most
// likely first.
func RemediesOf(p probe.Probe) []Remedy {
	if p.LimitedBy == probe.LimitCommit && p.Overcommit == 0 {
		// With overcommit heuristics, only the size of one block is checked against the limit.
		return []Remedy{{Kind: RemedyChunkSize}, {Kind: RemedySwap}, {Kind: RemedyMap}}
	}
	if p.LimitedBy == probe.LimitCommit && p.PossibleBlock > p.LargestFreeBlock && len(p.PageFiles) > 0 {
		return []Remedy{{Kind: RemedyMap}, {Kind: RemedyChunkSize}, {Kind: RemedyClose}}
	}
	return remedies(p.LimitedBy, 0)
}
