package llama

import (
	"crypto/rand"
	"encoding/binary"
	"math"
)

// RandomSeed, given as a seed, draws one, which [Sampler.Seed] returns.
const RandomSeed uint32 = math.MaxUint32

// drawn replaces RandomSeed, so that a reset repeats the sequence and a clone has the
// seed of its sequence, which the engine's own drawing does not give.
func drawn(seed uint32) uint32 {
	for seed == RandomSeed {
		var b [4]byte
		rand.Read(b[:]) // never fails
		seed = binary.LittleEndian.Uint32(b[:])
	}
	return seed
}

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

// number refuses v unless it is from lo to hi; NaN is not.
func number(name string, v, lo, hi float32) error {
	if !(v >= lo && v <= hi) {
		return argument("%s of %g, %g to %g are possible", name, v, lo, hi)
	}
	return nil
}

// finite is the range of numbers that have no bound of their own.
const finite = math.MaxFloat32

func integer(name string, v, lo, hi int) error {
	if v < lo || v > hi {
		return argument("%s of %d, %d to %d are possible", name, v, lo, hi)
	}
	return nil
}

// minTemperature is the smallest temperature that does not make logits infinite; what
// is below it is greedy for every model, and given to the engine as that.
const minTemperature = 1e-6
