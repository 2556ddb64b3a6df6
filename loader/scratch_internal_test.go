package loader

import (
	"errors"
	"testing"
)

func TestScratch(t *testing.T) {
	unit := granularity()
	for _, tt := range []struct {
		name              string
		size, chunk       uint64
		wantSize, charged uint64
	}{
		{"nothing is a granule", 0, 1 * mib, unit, unit},
		{"less than a chunk is charged as it is", 100 * kib, 1 * mib, roundUp(100 * kib), roundUp(100 * kib)},
		{"more than a chunk is charged as one", 10*mib + 5, 1 * mib, roundUp(10*mib + 5), 1 * mib},
		{"large chunks are not needed", 100 * mib, 64 * mib, 100 * mib, 16 * mib},
		{"nor is any", 100 * mib, 0, 100 * mib, 16 * mib},
		{"a chunk of a byte is a granule", 64 * unit, 1, 64 * unit, unit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l Ledger
			sys := newRefusing(nil)
			s, err := newScratch(sys, tt.size, tt.chunk, &l)
			if err != nil {
				t.Fatal(err)
			}
			if s.Size() != tt.wantSize {
				t.Errorf("%d bytes, want %d", s.Size(), tt.wantSize)
			}
			if got, want := l.Snapshot().Of(PurposeStaging), (PurposeUsage{tt.charged, tt.charged, 1, tt.charged, tt.wantSize}); got != want {
				t.Errorf("the ledger says %+v, want %+v", got, want)
			}
			b := bytesAt(s.Addr(), s.Size())
			for i := range b {
				b[i] = byte(i)
			}
			b[0] = 7
			for off := tt.charged; off < s.Size(); off += tt.charged {
				if b[off] != 7 {
					t.Fatalf("byte %d is not byte 0", off)
				}
			}
			for range 2 {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			sys.nothingLeft(t)
			ledgerEmpty(t, &l)
		})
	}
}

func TestScratchRefused(t *testing.T) {
	for k := 0; ; k++ {
		var l Ledger
		sys := newRefusing(func(_ string, n int, _ uint64) bool { return n == k })
		s, err := newScratch(sys, 1*mib, 64*kib, &l)
		if err == nil {
			s.Close()
			if k < 18 {
				t.Errorf("only %d requests", k)
			}
			return
		}
		if !errors.Is(err, errRefused) {
			t.Error(err)
		}
		sys.nothingLeft(t)
		ledgerEmpty(t, &l)
	}
}

func TestScratchOfImpossibleSize(t *testing.T) {
	for _, size := range []uint64{1<<64 - 1, 1 << 63, 1 << 50} {
		if _, err := NewScratch(size, 16*mib, nil); !errors.Is(err, ErrInsufficientMemory) {
			t.Errorf("%#x: %v", size, err)
		}
	}
}

// Another thread takes the addresses between reservation and view, on systems where
// that can be.
func TestLostAddressesAreTriedElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name string
		lost int
		ok   bool
	}{{"once", 1, true}, {"eight times", 8, true}, {"always", 1000, false}} {
		t.Run(tt.name, func(t *testing.T) {
			var l Ledger
			sys := newRefusing(nil)
			tries := 0
			s, err := newViews(sys, &l, PurposeWeights, 1*mib, 0, func(s *span) error {
				s.grant(64 * kib)
				if tries++; tries <= tt.lost {
					return errLostAddresses
				}
				return nil
			})
			if (err == nil) != tt.ok {
				t.Fatalf("%v after %d tries", err, tries)
			}
			if err == nil {
				if got := l.Snapshot().Total.Current; got != 64*kib {
					t.Errorf("the ledger has %d bytes", got)
				}
				s.close()
			}
			sys.nothingLeft(t)
			ledgerEmpty(t, &l)
		})
	}
}
