package models

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestHalfSurvivesTheWayThereAndBack(t *testing.T) {
	for h := range 1 << 16 {
		f := fromHalf(uint16(h))
		if f != f {
			if got := toHalf(f); got&0x7c00 != 0x7c00 || got&0x3ff == 0 {
				t.Fatalf("NaN %04x became %04x", h, got)
			}
			continue
		}
		if got := toHalf(f); got != uint16(h) {
			t.Fatalf("%04x is %g and came back as %04x", h, f, got)
		}
	}
}

func TestToHalfRoundsToTheNearestAndTiesToEven(t *testing.T) {
	// Between two neighbours everything below the middle goes down, everything
	// above goes up, and the middle goes to the even one.
	for h := uint16(0); h < 0x7bff; h++ {
		low, high := float64(fromHalf(h)), float64(fromHalf(h+1))
		middle := float32((low + high) / 2)
		even := h + h&1
		for _, c := range []struct {
			f    float32
			want uint16
		}{
			{middle, even},
			{math.Nextafter32(middle, 0), h},
			{math.Nextafter32(middle, 1e9), h + 1},
		} {
			if got := toHalf(c.f); got != c.want {
				t.Fatalf("%g became %04x, want %04x", c.f, got, c.want)
			}
			if got := toHalf(-c.f); got != c.want|0x8000 {
				t.Fatalf("%g became %04x, want %04x", -c.f, got, c.want|0x8000)
			}
		}
	}
}

func TestToHalfAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		f    float32
		want uint16
	}{
		{"zero stays zero", 0, 0},
		{"the sign of zero is kept", float32(math.Copysign(0, -1)), 0x8000},
		{"the largest value is kept", 65504, 0x7bff},
		{"just under the middle to the next goes down", 65519, 0x7bff},
		{"the middle to the next is infinite", 65520, 0x7c00},
		{"a large value is infinite", 1e20, 0x7c00},
		{"infinity is infinite", float32(math.Inf(-1)), 0xfc00},
		{"half the smallest value is zero", 0x1p-25, 0},
		{"a little more is the smallest value", math.Nextafter32(0x1p-25, 1), 1},
	} {
		if got := toHalf(c.f); got != c.want {
			t.Errorf("%s: %g became %04x, want %04x", c.name, c.f, got, c.want)
		}
	}
}

func TestToBrainRoundsToTheNearestAndTiesToEven(t *testing.T) {
	for _, c := range []struct {
		f    float32
		want uint16
	}{
		{0, 0}, {1, 0x3f80}, {-2, 0xc000},
		{1 + 0x1p-8, 0x3f80},          // tie, down to even
		{1 + 0x1p-7 + 0x1p-8, 0x3f82}, // tie, up to even
		{1 + 0x1p-8 + 0x1p-20, 0x3f81},
		{1 + 0x1p-8 - 0x1p-20, 0x3f80},
	} {
		if got := toBrain(c.f); got != c.want {
			t.Errorf("%g became %04x, want %04x", c.f, got, c.want)
		}
	}
}

// floatAt returns the i-th float32 of a tensor's data.
func floatAt(data []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
}
