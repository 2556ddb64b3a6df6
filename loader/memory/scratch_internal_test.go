package memory

import (
	"errors"
	"testing"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
)

func TestScratch(t *testing.T) {
	unit := space.Granularity()
	for _, tt := range []struct {
		name              string
		size, chunk       uint64
		wantSize, charged uint64
	}{
		{"nothing is a granule", 0, 1 * spacetest.MiB, unit, unit},
		{"less than a chunk is charged as it is", 100 * spacetest.KiB, 1 * spacetest.MiB, space.RoundUp(100 * spacetest.KiB), space.RoundUp(100 * spacetest.KiB)},
		{"more than a chunk is charged as one", 10*spacetest.MiB + 5, 1 * spacetest.MiB, space.RoundUp(10*spacetest.MiB + 5), 1 * spacetest.MiB},
		{"large chunks are not needed", 100 * spacetest.MiB, 64 * spacetest.MiB, 100 * spacetest.MiB, 16 * spacetest.MiB},
		{"nor is any", 100 * spacetest.MiB, 0, 100 * spacetest.MiB, 16 * spacetest.MiB},
		{"a chunk of a byte is a granule", 64 * unit, 1, 64 * unit, unit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l Ledger
			sys := spacetest.NewRefusing(nil)
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
			b := space.BytesAt(s.Addr(), s.Size())
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
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)
		})
	}
}

func TestScratchRefused(t *testing.T) {
	for k := 0; ; k++ {
		var l Ledger
		sys := spacetest.NewRefusing(func(_ string, n int, _ uint64) bool { return n == k })
		s, err := newScratch(sys, 1*spacetest.MiB, 64*spacetest.KiB, &l)
		if err == nil {
			s.Close()
			if k < 18 {
				t.Errorf("only %d requests", k)
			}
			return
		}
		if !errors.Is(err, spacetest.ErrRefused) {
			t.Error(err)
		}
		sys.NothingLeft(t)
		ledgerEmpty(t, &l)
	}
}

func TestScratchOfImpossibleSize(t *testing.T) {
	for _, size := range []uint64{1<<64 - 1, 1 << 63, 1 << 50} {
		if _, err := NewScratch(size, 16*spacetest.MiB, nil); !errors.Is(err, ErrInsufficientMemory) {
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
			sys := spacetest.NewRefusing(nil)
			tries := 0
			s, err := newViews(sys, &l, PurposeWeights, 1*spacetest.MiB, 0, func(s *reservation) error {
				s.grant(64 * spacetest.KiB)
				if tries++; tries <= tt.lost {
					return space.ErrLostAddresses
				}
				return nil
			})
			if (err == nil) != tt.ok {
				t.Fatalf("%v after %d tries", err, tries)
			}
			if err == nil {
				if got := l.Snapshot().Total.Current; got != 64*spacetest.KiB {
					t.Errorf("the ledger has %d bytes", got)
				}
				s.close()
			}
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)
		})
	}
}
