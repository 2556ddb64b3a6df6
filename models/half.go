package models

import "math"

// toHalf rounds to the nearest IEEE binary16 value, ties to even; values out of range become infinite.
func toHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	bits &= 0x7fffffff
	switch {
	case bits > 0x7f800000: // NaN stays NaN
		return sign | 0x7e00
	case bits >= 0x47800000: // 65536 and more
		return sign | 0x7c00
	case bits < 0x38800000:
		// Subnormal. Adding 0.5 shifts the lowest significant bit, 2^-24, to the lowest bit of the
		// sum, so that the addition rounds.
		return sign | uint16(math.Float32bits(math.Float32frombits(bits)+0.5)-0x3f000000)
	}
	// Change the exponent's bias from 127 to 15 and round off 13 bits; a carry correctly
	// increments the exponent, up to infinity.
	bits += (15-127+256)<<23 + 0xfff + bits>>13&1
	return sign | uint16(bits>>13)
}

// fromHalf converts exactly.
func fromHalf(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	magnitude := uint32(h & 0x7fff)
	switch {
	case magnitude >= 0x7c00: // infinite or NaN
		return math.Float32frombits(sign | 0x7f800000 | magnitude<<13&0x7fffff)
	case magnitude < 0x0400: // subnormal: the inverse of toHalf
		f := math.Float32frombits(0x3f000000+magnitude) - 0.5
		return math.Float32frombits(sign | math.Float32bits(f))
	}
	return math.Float32frombits(sign | magnitude<<13 + (127-15)<<23)
}

// toBrain rounds a finite value to the nearest bfloat16, ties to even.
func toBrain(f float32) uint16 {
	bits := math.Float32bits(f)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
