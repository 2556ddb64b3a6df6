package models

import "math"

// A stream is a sequence of random values with random access, so that several goroutines can each
// compute a part. It uses only integer arithmetic and single, correctly rounded floating-point
// operations: the values are the same on every machine.
type stream struct {
	key   uint64
	scale float32
}

// newStream returns the stream of a tensor, with mean 0 and this standard deviation.
func newStream(seed uint64, tensor string, deviation float64) stream {
	key := mix(seed)
	for _, c := range []byte(tensor) {
		key = mix(key ^ uint64(c))
	}
	return stream{key, float32(deviation / laneDeviation)}
}

// golden is 2^64 divided by the golden ratio, the step of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014) after one step: a bijection of
// 64-bit numbers in which every output bit depends on every input bit.
func mix(x uint64) uint64 {
	x += golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// The sum of four 16-bit numbers approximates a normal distribution within 3.46 deviations, at
// the cost of a few integer operations.
const laneMean = 4 * 65535 / 2

var laneDeviation = math.Sqrt(4 * (65536*65536 - 1) / 12.0)

// half fills dst with the values first, first+1, … of the stream, rounded to binary16.
func (s stream) half(dst []uint16, first uint64) {
	x := s.key + first*golden
	for i := range dst {
		x += golden
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		// Two sums of two lanes at once, then their sum.
		z = z&0x0000ffff0000ffff + z>>16&0x0000ffff0000ffff
		sum := int32(uint32(z) + uint32(z>>32))
		dst[i] = toHalf(float32(sum-laneMean) * s.scale)
	}
}
