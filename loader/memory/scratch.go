package memory

import (
	"errors"
	"sync"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// Scratch is a range of addresses that maps the same small memory repeatedly, so that a write at one
// address shows at others: for data that nobody reads. The engine's tensors point there until the
// weights are bound, and on some systems it reads into them. It is safe for concurrent use, as
// its content has no meaning.
type Scratch struct {
	s    *reservation
	once sync.Once
	err  error
}

// MostScratch is the maximum of memory that a scratch range takes, in bytes.
const MostScratch = 16 << 20

// NewScratch maps a range of size bytes, rounded up to the granularity. It takes memory of the chunk
// size or 16 MiB, whichever is less (chunk 0: 16 MiB), and maps it repeatedly; the ledger counts
// that memory as staging.
//
// The error is an [*Error], also if a small chunk size needs more mappings than the system leaves.
func NewScratch(size, chunk uint64, ledger *Ledger) (*Scratch, error) {
	return newScratch(space.Current, size, chunk, ledger)
}

func newScratch(sys space.System, size, chunk uint64, ledger *Ledger) (*Scratch, error) {
	if size > space.MostAddresses {
		return nil, refused(probe.Reserving, PurposeStaging, size, errors.New("larger than the address space"))
	}
	size = space.RoundUp(max(size, 1))
	if chunk == 0 {
		chunk = MostScratch
	}
	shared := min(space.RoundUp(min(chunk, MostScratch)), size)
	if err := CheckMappings(PurposeStaging, size, (size+shared-1)/shared); err != nil {
		return nil, err
	}
	m, err := sys.Share(shared)
	if err != nil {
		return nil, refused(probe.Committing, PurposeStaging, shared, err)
	}
	defer m.Close() // the mappings keep it
	s, err := newViews(sys, ledger, PurposeStaging, size, 0, func(s *reservation) error {
		for off := uint64(0); off < size; off += shared {
			if err := sys.Alias(space.At(s.base, off), min(shared, size-off), m); err != nil {
				return refused(probe.Mapping, PurposeStaging, shared, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.grant(shared)
	return &Scratch{s: s}, nil
}

// Addr returns the first address, aligned to a page.
func (s *Scratch) Addr() unsafe.Pointer { return s.s.base }

// Size returns the size in bytes, rounded up to the granularity.
func (s *Scratch) Size() uint64 { return s.s.size }

// Close unmaps the range. Closing twice is safe.
func (s *Scratch) Close() error {
	s.once.Do(func() { s.err = s.s.close() })
	return s.err
}
