package gguf

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/ggufcases"
)

// unreliable is a file that comes in pieces and fails.
type unreliable struct {
	content []byte
	piece   int          // largest piece, 0 for any
	failAt  int64        // no byte from here on can be read, -1 for none
	err     error        // what reading there says
	every   func() error // called at each read; an error is what that read says
}

func (u *unreliable) ReadAt(b []byte, off int64) (int, error) {
	if u.every != nil {
		if err := u.every(); err != nil {
			return 0, err
		}
	}
	if off >= int64(len(u.content)) {
		return 0, io.EOF
	}
	if u.piece > 0 {
		b = b[:min(len(b), u.piece)]
	}
	if u.failAt >= 0 {
		if off >= u.failAt {
			return 0, u.err
		}
		if off+int64(len(b)) > u.failAt {
			n := copy(b, u.content[off:u.failAt])
			return n, u.err
		}
	}
	n := copy(b, u.content[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func TestShortReadsChangeNothing(t *testing.T) {
	small := ggufcases.Small()
	want, err := parse(small)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []int{1, 2, 3, 7, 8, 100} {
		got, err := parseHeader("x", &unreliable{content: small, piece: piece, failAt: -1}, int64(len(small)))
		if err != nil {
			t.Errorf("pieces of %d bytes: %v", piece, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("pieces of %d bytes: %v, want %v", piece, got, want)
		}
	}
}

func TestErrorInTheMiddleIsReported(t *testing.T) {
	broken := errors.New("input/output error")
	small := ggufcases.Small()
	for at := range int64(len(small)) {
		for _, piece := range []int{0, 1} {
			_, err := parseHeader("x", &unreliable{content: small, piece: piece, failAt: at, err: broken}, int64(len(small)))
			var format *FormatError
			if !errors.Is(err, broken) || !errors.As(err, &format) {
				t.Fatalf("a disk broken at byte %d: %v", at, err)
			}
			if format.Offset < 0 || format.Offset > at || format.Field == "" {
				t.Fatalf("a disk broken at byte %d: reported at %d, %q", at, format.Offset, format.Field)
			}
		}
	}
}

func TestFileThatShrinksWhileItIsRead(t *testing.T) {
	small := ggufcases.Small()
	for n := range len(small) {
		_, err := parseHeader("x", bytes.NewReader(small[:n]), int64(len(small)))
		if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, ErrFormat) {
			t.Fatalf("%d of %d bytes are left: %v", n, len(small), err)
		}
	}
}

func TestReaderThatBringsNothingIsGivenUp(t *testing.T) {
	err := files.ReadFull(readerFunc(func([]byte, int64) (int, error) { return 0, nil }), make([]byte, 1), 0)
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

func TestReaderThatLiesIsGivenUp(t *testing.T) {
	for _, n := range []int{-1, 100} {
		if err := files.ReadFull(readerFunc(func([]byte, int64) (int, error) { return n, nil }), make([]byte, 10), 0); err == nil {
			t.Errorf("a reader that returned %d of 10 bytes was believed", n)
		}
	}
}

type readerFunc func([]byte, int64) (int, error)

func (f readerFunc) ReadAt(b []byte, off int64) (int, error) { return f(b, off) }
