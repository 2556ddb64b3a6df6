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

// A Skeleton is a file that the engine reads instead of the model: the validated metadata of all
// shards in one header of version 3, followed by a hole of the size of the data. So the
// engine sees exactly what was validated, even if the model's files change, and reads
// no weights.
//
// Its methods are safe for concurrent use.
type Skeleton struct {
	path  string
	once  sync.Once
	close func() error
	err   error
}

// skeletonFile is the file of a skeleton.
type skeletonFile struct {
	*os.File
	path   string       // path under which the engine opens it
	finish func() error // called after writing; may be nil
	remove func() error // called after closing; may be nil
}

// Skeleton makes a skeleton: in memory if the system supports it, otherwise as a sparse file in the
// folder for temporary files. Only the header takes space. The index may be closed before the
// skeleton.
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

// Path returns the path for the engine. It is valid in this process only, until Close.
func (s *Skeleton) Path() string { return s.path }

// Close removes the skeleton. Files that the engine has open stay valid. Closing twice is safe.
func (s *Skeleton) Close() error {
	s.once.Do(func() { s.err = s.close() })
	return s.err
}

// WriteSkeleton writes the header of a skeleton: the model's keys without those of shards, and all
// tensors in sequence with the alignment of the first file. It returns the size of the padded
// header and that of the whole file, in bytes.
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
			continue // a second layout of a tensor, which is not in the model
		}
		out.AddTensor(t.Name, t.Type, t.Shape...)
	}
	header, err = out.WriteHeader(w)
	if err != nil {
		return 0, 0, err
	}
	if out.DataBytes() > uint64(math.MaxInt64-header) {
		return 0, 0, errors.New("the tensors exceed the largest file size")
	}
	return header, header + int64(out.DataBytes()), nil
}

// tempSkeleton makes a sparse file on disk, for systems without files in memory.
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
