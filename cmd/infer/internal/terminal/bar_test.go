package terminal

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// screen is a terminal of one line: what is written after \r and a clear replaces it.
type screen struct {
	bytes.Buffer
	columns int
}

// lines are the states that the line was in.
func (s *screen) lines() []string {
	return strings.Split(s.String(), ClearLine)[1:]
}

func newTestBar(columns int) (*Bar, *screen) {
	s := &screen{columns: columns}
	return &Bar{screen: s, width: func() int { return s.columns }}, s
}

func TestBar(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name    string
		columns int
		want    []string
	}{
		{"a wide window shows bytes, rate and time left", 100, []string{"loading (mmap)", "50%", "=>", "(512 MiB/1.0 GiB", "/s)", "[", ":"}},
		{"80 columns show all of it", 80, []string{"50%", "(512 MiB/1.0 GiB", "/s)"}},
		{"a narrow window shows how far it is", 40, []string{"loading (mmap)", "50%", "=>"}},
		{"20 columns", 20, []string{"loading (mmap)  50%"}},
		{"next to nothing", 5, []string{"load"}},
		{"a terminal that does not say how wide it is", 0, []string{"50%", "(512 MiB/1.0 GiB"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, s := newTestBar(tt.columns)
			b.Show("loading (mmap)", 0, gib)
			for start := time.Now(); !time.Now().After(start); { // clocks of Windows are coarse
			}
			b.Show("loading (mmap)", gib/2, gib)
			lines := s.lines()
			last := lines[len(lines)-1]
			for _, w := range tt.want {
				if !strings.Contains(last, w) {
					t.Errorf("%q is missing in %q", w, last)
				}
			}
			if tt.columns > 0 && len(last) > tt.columns-1 {
				t.Errorf("%d columns in a window of %d: %q", len(last), tt.columns, last)
			}
			b.Clear()
			if lines := s.lines(); lines[len(lines)-1] != "" {
				t.Errorf("not cleared: %q", lines)
			}
		})
	}
}

func TestBarOfWhatIsDoneAtOnceIsNeverSeen(t *testing.T) {
	b, s := newTestBar(80)
	b.delay = time.Hour
	for i := range uint64(101) {
		b.Show("loading", i, 100)
	}
	b.Clear()
	if s.Len() != 0 {
		t.Errorf("%q", s.String())
	}
}

func TestBarStaysInAWindowThatShrinks(t *testing.T) {
	b, s := newTestBar(100)
	b.Show("loading", 2, 100)
	s.columns = 30
	b.Show("loading", 3, 100)
	for _, line := range s.lines()[1:] {
		if len(line) > 29 {
			t.Errorf("%q", line)
		}
	}
}

func TestBarBeginsAnewForAnotherLabel(t *testing.T) {
	b, s := newTestBar(80)
	b.Show("loading (copy)", 1, 100)
	first := b.bar
	b.Show("loading (mmap)", 1, 100)
	if b.bar == first {
		t.Error("the old bar goes on")
	}
	b.Show("", 5, 0)                                                // shows nothing and does not fail
	if strings.Contains(s.String(), "NaN") || len(s.lines()) != 3 { // one, its end, the other
		t.Errorf("%q", s.lines())
	}
}

func TestBarCountsItems(t *testing.T) {
	b, s := newTestBar(80)
	b.Items = "tensors"
	b.Show("quantizing", 25, 50)
	if !strings.Contains(s.String(), "(25/50") {
		t.Errorf("%q", s.String())
	}
}

func TestNoBarWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	b := NewBar(&out, true)
	b.Show("loading", 1, 2)
	b.Clear()
	if out.Len() != 0 {
		t.Errorf("%q", out.String())
	}
}
