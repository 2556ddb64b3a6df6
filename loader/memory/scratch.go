package memory

import (
	"errors"
	"sync"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// Scratch is a range of addresses all of which lead to the same small piece of memory,
// so that what is written at one place appears at others: a place for bytes that
// nobody will read. The engine has its tensors there until it is told where they really
// are, and on some systems reads into them. It is safe for concurrent use in so far as its content is nobody's.
type Scratch struct {
	s    *span
	once sync.Once
	err  error
}

// MostScratch is how much memory a scratch range takes at most, in bytes.
const MostScratch = 16 << 20

// NewScratch makes a range of size bytes. It takes one piece of memory of the chunk
// size or 16 MiB, whichever is less (chunk 0: 16 MiB), mapped again and again; the
// ledger gets that piece as staging.
//
// The error is a [*Error]; a chunk size that would need more mappings than the
// system leaves is one too.
func NewScratch(size, chunk uint64, ledger *Ledger) (*Scratch, error) {
	return newScratch(space.Current, size, chunk, ledger)
}

func newScratch(sys space.System, size, chunk uint64, ledger *Ledger) (*Scratch, error) {
	if size > space.MostAddresses {
		return nil, refused(probe.Reserving, PurposeStaging, size, errors.New("more than there are addresses"))
	}
	size = space.RoundUp(max(size, 1))
	if chunk == 0 {
		chunk = MostScratch
	}
	piece := min(space.RoundUp(min(chunk, MostScratch)), size)
	if err := CheckMappings(PurposeStaging, size, (size+piece-1)/piece); err != nil {
		return nil, err
	}
	m, err := sys.Share(piece)
	if err != nil {
		return nil, refused(probe.Committing, PurposeStaging, piece, err)
	}
	defer m.Close() // the mappings keep it
	s, err := newViews(sys, ledger, PurposeStaging, size, 0, func(s *span) error {
		for off := uint64(0); off < size; off += piece {
			if err := sys.Alias(space.At(s.base, off), min(piece, size-off), m); err != nil {
				return refused(probe.Mapping, PurposeStaging, piece, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.grant(piece)
	return &Scratch{s: s}, nil
}

// Addr is the range's first address, aligned to a page.
func (s *Scratch) Addr() unsafe.Pointer { return s.s.base }

// Size is the range's size in bytes, which is what was asked for, rounded up.
func (s *Scratch) Size() uint64 { return s.s.size }

// Close gives the range back. Closing twice is safe.
func (s *Scratch) Close() error {
	s.once.Do(func() { s.err = s.s.close() })
	return s.err
}
