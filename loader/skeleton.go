package loader

import (
	"io"
	"os"
	"strings"
)

// Skeleton is a file that looks to the engine like the model, without a byte of its
// weights: the validated metadata of all shards in one header of version 3, written
// anew, and behind it a hole as long as the data. The engine reads this file and never
// the model's own, so it sees exactly what was validated, whatever happens to the
// model's files meanwhile, and reads no weights from the disk.
type Skeleton struct {
	path  string
	close func() error
}

// Skeleton makes a skeleton. Only the header takes memory, or space on disk; closing
// it removes it.
func (ix *Index) Skeleton() (*Skeleton, error) {
	f, path, remove, err := skeletonFile()
	if err != nil {
		return nil, err
	}
	s := &Skeleton{path: path, close: func() error {
		err := f.Close()
		if e := remove(); err == nil {
			err = e
		}
		return err
	}}
	_, size, err := ix.WriteSkeleton(f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Path is what the engine opens.
func (s *Skeleton) Path() string { return s.path }

// Close removes the skeleton. Closing twice is safe.
func (s *Skeleton) Close() error {
	if s.close == nil {
		return nil
	}
	err := s.close()
	s.close = nil
	return err
}

// WriteSkeleton writes the header of a skeleton. It returns the header's size and
// that of the whole file, in bytes.
func (ix *Index) WriteSkeleton(w io.Writer) (header, size int64, err error) {
	var out Writer
	out.align = ix.align
	for _, kv := range ix.keys {
		if !strings.HasPrefix(kv.key, "split.") {
			out.Add(kv.key, kv.value)
		}
	}
	for _, t := range ix.tensors {
		out.AddTensor(t.Name, t.Type, t.Shape...)
	}
	header, err = out.WriteHeader(w)
	return header, header + int64(out.DataBytes()), err
}

// tempSkeleton is the way for systems without files in memory: a sparse one.
func tempSkeleton() (f *os.File, path string, remove func() error, err error) {
	f, err = os.CreateTemp("", "infer-*.gguf")
	if err != nil {
		return nil, "", nil, err
	}
	if err := makeSparse(f); err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, "", nil, err
	}
	return f, f.Name(), func() error { return os.Remove(f.Name()) }, nil
}
