package gguf

import (
	"io"

	"github.com/seed7adf6694/infer/internal/files"
)

const (
	firstSegment = 64 << 10 // bytes of the header in the first segment
	maxSegment   = 1 << 20  // bytes in a later segment, at most
)

// source reads the header of a file sequentially. It keeps what it has read in segments that are never
// moved or overwritten, so that keys and values can be views of them. Each result is contiguous
// in one segment.
type source struct {
	src     io.ReaderAt
	size    int64 // of the file
	base    int64 // offset of the current segment
	segment []byte
	filled  int // bytes read into it
	next    int // index in it of the next byte
}

// at returns the offset of the next byte.
func (s *source) at() int64 { return s.base + int64(s.next) }

// left returns how many bytes of the file remain.
func (s *source) left() uint64 { return uint64(s.size - s.at()) }

// peek returns the next n bytes without consuming them. The file must have as many left.
func (s *source) peek(n int) ([]byte, error) {
	if s.filled-s.next < n {
		if err := s.fill(n); err != nil {
			return nil, err
		}
	}
	return s.segment[s.next : s.next+n : s.next+n], nil
}

// take returns the next n bytes and consumes them.
func (s *source) take(n int) ([]byte, error) {
	b, err := s.peek(n)
	if err == nil {
		s.next += n
	}
	return b, err
}

// fill reads until the current segment, or a new one, holds the next n bytes.
func (s *source) fill(n int) error {
	if len(s.segment)-s.next < n {
		size := min(max(firstSegment, 2*len(s.segment)), maxSegment)
		segment := make([]byte, min(uint64(max(n, size)), s.left()))
		s.filled = copy(segment, s.segment[s.next:s.filled])
		s.segment, s.base, s.next = segment, s.at(), 0
	}
	err := files.ReadFull(s.src, s.segment[s.filled:], s.base+int64(s.filled))
	if err != nil {
		return err
	}
	s.filled = len(s.segment)
	return nil
}
