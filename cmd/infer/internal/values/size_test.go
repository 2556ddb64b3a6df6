package values

import "testing"

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"0", 0, true}, {"4096", 4096, true}, {"4096B", 4096, true}, {"1K", 1 << 10, true}, {"64M", 64 << 20, true},
		{"256MiB", 256 << 20, true}, {"256mib", 256 << 20, true}, {"256 MiB", 256 << 20, true}, {"1.5GiB", 3 << 29, true},
		{"2G", 2 << 30, true}, {"1T", 1 << 40, true}, {"1KB", 1000, true}, {"3GB", 3000000000, true}, {".5K", 512, true},
		{"9223372036854775807", 1<<63 - 1, true},
		{"", 0, false}, {"M", 0, false}, {"-1", 0, false}, {"1X", 0, false}, {"1MM", 0, false}, {"1e3", 0, false},
		{"0x10", 0, false}, {"1.2.3", 0, false}, {"NaN", 0, false}, {"inf", 0, false}, {"9000000000T", 0, false}, {"+1", 0, false},
	} {
		got, err := ParseSize(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: %d, %v", tt.text, got, err)
		}
	}
}
