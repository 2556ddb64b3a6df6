package llama

import (
	"crypto/rand"
	"encoding/binary"
	"math"
)

// RandomSeed, given as a seed, draws one, which [Sampler.Seed] returns.
const RandomSeed uint32 = math.MaxUint32

// drawn replaces RandomSeed by a drawn seed, so that a reset repeats the sequence and a clone
// continues it. The engine's own random seed does neither.
func drawn(seed uint32) uint32 {
	for seed == RandomSeed {
		var b [4]byte
		rand.Read(b[:]) // never fails
		seed = binary.LittleEndian.Uint32(b[:])
	}
	return seed
}

// minTemperature is the smallest temperature that does not make logits infinite; what
// is below it is greedy for every model, and given to the engine as that.
const minTemperature = 1e-6

// maxWindow bounds how far samplers look back, and what they reserve for it: 4 bytes
// a token.
const maxWindow = 1 << 20

// maxBreakers bounds the sequence breakers of DRY: each takes a walk through the
// vocabulary.
const maxBreakers = 256

// DRYParams are the parameters of [Sampler.AddDRY].
type DRYParams struct {
	Multiplier    float32  // of the penalty; 0: off
	Base          float32  // of the exponential by length; below 1: off
	AllowedLength int      // tokens that may repeat without a penalty
	LastN         int      // tokens looked back at; 0: off; -1: the context that the model was trained with
	Breakers      []string // texts that end a repetition; the first 40 bytes of each count
}

// CheckGrammar refuses, with a [*GrammarError], what [Sampler.AddGrammar] would
// refuse whatever the vocabulary: text that is no GBNF grammar, rules that are missing,
// recursion that grows without taking a character, and grammars beyond these limits: 1 MiB,
// 200 parentheses deep, 2000 repetitions, 65536 rules and 1048576 elements once
// repetitions are written out, and 32768 ways to begin a rule.
func CheckGrammar(text, root string) error {
	_, err := parseGrammar(text, root)
	return err
}
