package memory

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/probe"
)

// RemedyKind is what a [Remedy] changes.
type RemedyKind string

// Kinds of remedies, and the fields that they have: those in brackets where they are known.
const (
	RemedyLess  RemedyKind = "less"  // a smaller model, context or batch
	RemedyClose RemedyKind = "close" // other programs
	RemedyRaise RemedyKind = "raise" // Limit [by Bytes]
	RemedySwap  RemedyKind = "swap"  // more

	RemedyMap      RemedyKind = "map"       // rather than copy the weights
	RemedyChunked  RemedyKind = "chunked"   // load in chunks, rather than as llama.cpp does
	RemedyNoRepack RemedyKind = "no_repack" // keep the layout of the file
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
)

// Remedy is one change that would help where memory was refused.
type Remedy struct {
	Kind   RemedyKind
	Limit  probe.Limit // of RemedyRaise
	Bytes  uint64      // 0: not known
	Tokens int         // 0: not known
	Type   string      // of tensors, as [gguf.Type] is written; "": not known

	// With are changes that have to be made together with this one.
	With []Remedy
	// Needs is how many bytes are needed then; 0: not known.
	Needs uint64
}

// String says it in words: "use a context of 512 tokens: needs 40 MiB".
func (r Remedy) String() string { return r.Text(nil) }

// MarshalText is String.
func (r Remedy) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Text is String with what note says of each change, such as a flag, in brackets behind it.
// note may be nil, and "" is nothing.
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

// remedyWords are the kinds that need no figures, or have none.
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

// raise says how a limit of the system is raised.
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

// RaiseLimit is what raises a limit, on this system, by missing bytes (0: by what is needed),
// or makes do with it.
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

// Remedies are what helps against a limit that leaves short bytes too little; 0 where
// that is not known.
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

// RemediesOf is what would make a probe's largest free block larger, each to be tried alone,
// the likeliest first.
func RemediesOf(p probe.Probe) []Remedy {
	if p.LimitedBy == probe.LimitCommit && p.Overcommit == 0 {
		// What is promised to others is not counted then: only the size of one block is.
		return []Remedy{{Kind: RemedyChunkSize}, {Kind: RemedySwap}, {Kind: RemedyMap}}
	}
	if p.LimitedBy == probe.LimitCommit && p.PossibleBlock > p.LargestFreeBlock && len(p.PageFiles) > 0 {
		return []Remedy{{Kind: RemedyMap}, {Kind: RemedyChunkSize}, {Kind: RemedyClose}}
	}
	return remedies(p.LimitedBy, 0)
}
