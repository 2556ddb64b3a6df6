package models

import (
	"math"
	"slices"
	"testing"
)

func TestStreamCanBeEnteredAnywhere(t *testing.T) {
	s := newStream(7, "blk.0.attn_q.weight", 0.02)
	whole := make([]uint16, 1000)
	s.half(whole, 0)
	for _, at := range []int{0, 1, 63, 500, 999} {
		part := make([]uint16, len(whole)-at)
		s.half(part, uint64(at))
		if !slices.Equal(part, whole[at:]) {
			t.Errorf("values from %d on differ when the stream is entered there", at)
		}
	}
}

func TestStreamHasTheDistributionItPromises(t *testing.T) {
	const n, deviation = 1 << 20, 0.02
	values := make([]uint16, n)
	newStream(1, "x", deviation).half(values, 0)
	var sum, squares float64
	var within, neighbours float64
	for i, h := range values {
		f := float64(fromHalf(h)) / deviation
		sum += f
		squares += f * f
		if math.Abs(f) < 1 {
			within++
		}
		if i > 0 {
			neighbours += f * float64(fromHalf(values[i-1])) / deviation
		}
		if math.Abs(f) > 3.47 {
			t.Fatalf("value %d is %g deviations from the mean", i, f)
		}
	}
	for _, c := range []struct {
		what            string
		got, want, tole float64
	}{
		{"mean", sum / n, 0, 0.005},
		{"variance", squares / n, 1, 0.01},
		{"correlation of neighbours", neighbours / n, 0, 0.005},
		{"share within one deviation", within / n, 0.674, 0.01},
	} {
		if math.Abs(c.got-c.want) > c.tole {
			t.Errorf("%s is %.4f, want %.4f", c.what, c.got, c.want)
		}
	}
}

func TestStreamsOfOtherSeedsAndTensorsDiffer(t *testing.T) {
	seen := map[uint64]string{}
	for seed := range uint64(50) {
		for _, tensor := range []string{"", "a", "b", "ab", "ba", "blk.0.ffn_up.weight", "blk.1.ffn_up.weight"} {
			key := newStream(seed, tensor, 1).key
			if other, ok := seen[key]; ok {
				t.Fatalf("seed %d, tensor %q has the stream of %s", seed, tensor, other)
			}
			seen[key] = tensor
		}
	}
}

// The values must not change: a change here changes every file that is made from a seed.
func TestStreamIsTheSameForEver(t *testing.T) {
	got := make([]uint16, 8)
	newStream(1, "token_embd.weight", 1).half(got, 0)
	want := []uint16{0xaffc, 0xb660, 0x3d8f, 0x3d7d, 0xb9ba, 0xbabe, 0xbabe, 0xb1d4}
	if !slices.Equal(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

func BenchmarkStreamHalf(b *testing.B) {
	s := newStream(1, "x", 0.02)
	dst := make([]uint16, 1<<16)
	b.SetBytes(int64(len(dst)))
	for b.Loop() {
		s.half(dst, 0)
	}
}
