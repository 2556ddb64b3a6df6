package gguf

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"

	"github.com/seed7adf6694/infer/internal/words"
)

// A Skeleton is a file that looks to the engine like the model, without a byte of its
// weights: the validated metadata of all shards in one header of version 3, written
// anew, and behind it a hole as long as the data. The engine reads this file and never
// the model's own, so that it sees exactly what was validated, whatever happens to the
// model's files meanwhile, and reads no weights from the disk.
//
// Its methods are safe for concurrent use.
type Skeleton struct {
	path  string
	once  sync.Once
	close func() error
	err   error
}

// skeletonFile is where a skeleton is written.
type skeletonFile struct {
	*os.File
	path   string       // by which the engine opens it
	finish func() error // what is left to do when it has been written; nil for nothing
	remove func() error // what is left to do when it has been closed; nil for nothing
}

// Skeleton makes a skeleton: in memory where the system can do that, otherwise as a
// sparse file in the folder for temporary files. Only the header takes memory, or space
// on disk. The index may be closed before the skeleton is.
func (ix *Index) Skeleton() (*Skeleton, error) {
	f, err := createSkeleton()
	if err != nil {
		return nil, fmt.Errorf("making the engine's view of %s: %w", words.QuotePath(ix.Path()), err)
	}
	s := &Skeleton{path: f.path, close: f.close}
	if err := ix.fillSkeleton(f); err != nil {
		s.Close()
		return nil, fmt.Errorf("making the engine's view of %s: %w", words.QuotePath(ix.Path()), err)
	}
	return s, nil
}

func (ix *Index) fillSkeleton(f *skeletonFile) error {
	_, size, err := ix.WriteSkeleton(f)
	if err != nil {
		return err
	}
	if err := extend(f.File, size); err != nil {
		return err
	}
	if f.finish != nil {
		return f.finish()
	}
	return nil
}

func (f *skeletonFile) close() error {
	err := f.Close()
	if f.remove != nil {
		err = errors.Join(err, f.remove())
	}
	return err
}

// Path returns what the engine opens. It is meaningful in this process only, and until
// Close.
func (s *Skeleton) Path() string { return s.path }

// Close removes the skeleton. What the engine has open of it stays. Closing twice is
// safe.
func (s *Skeleton) Close() error {
	s.once.Do(func() { s.err = s.close() })
	return s.err
}

// WriteSkeleton writes the header of a skeleton: the keys of the model without those
// of its shards, and all tensors one behind the other at the alignment of the first
// file. It returns the size of the header with its padding and that of the whole
// file, in bytes.
func (ix *Index) WriteSkeleton(w io.Writer) (header, size int64, err error) {
	var out Writer
	for _, kv := range ix.keys {
		if !strings.HasPrefix(kv.key, "split.") {
			out.Add(kv.key, kv.value)
		}
	}
	for i := range ix.tensors {
		t := &ix.tensors[i]
		if ix.packed != nil && strings.HasPrefix(t.Name, packedPrefix) {
			continue // a second copy, which the model does not know of
		}
		out.AddTensor(t.Name, t.Type, t.Shape...)
	}
	header, err = out.WriteHeader(w)
	if err != nil {
		return 0, 0, err
	}
	if out.DataBytes() > uint64(math.MaxInt64-header) {
		return 0, 0, errors.New("the tensors are larger than a file can be")
	}
	return header, header + int64(out.DataBytes()), nil
}

// tempSkeleton is the way for systems without files in memory: a sparse one on disk.
func tempSkeleton() (*skeletonFile, error) {
	f, err := os.CreateTemp("", "infer-*.gguf")
	if err != nil {
		return nil, err
	}
	if err := makeSparse(f); err != nil {
		err = fmt.Errorf("a file with a hole in %s: %w", words.QuotePath(os.TempDir()), err)
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return &skeletonFile{File: f, path: f.Name(), remove: func() error { return os.Remove(f.Name()) }}, nil
}
