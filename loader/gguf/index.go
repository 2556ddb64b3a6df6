package gguf

import (
	"fmt"
	"iter"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
)

// An Index is an open model: its metadata, and the offsets of its tensors. It keeps the files open, so
// that replacing them on disk has no effect. It is immutable and safe for concurrent use.
type Index struct {
	files   []*file
	version uint32
	align   uint64
	keys    []keyValue
	byKey   map[string]int32
	tensors []Tensor
	byName  map[string]int32
	bytes   uint64
	packed  *Packed // nil: not a packed file

	warnings []string
	closed   atomic.Bool
}

// file is one of a model's files.
type file struct {
	*files.File
	header *header // nil after newIndex
}

// FileInfo describes one of a model's files.
type FileInfo struct {
	Path    string
	Size    int64 // bytes
	ModTime time.Time
}

// newIndex combines the headers of all files. The metadata is that of the first. A name that occurs
// in two files is an error.
func newIndex(files []*file) (*Index, error) {
	first := files[0].header
	ix := &Index{
		files: files, version: first.version, align: first.alignment,
		keys: first.keys, byKey: first.byKey,
		tensors: first.tensors, byName: first.byName,
	}
	for i := range ix.tensors {
		ix.tensors[i].Offset += first.data
		ix.bytes += ix.tensors[i].Size
	}
	for i, f := range files[1:] {
		for _, t := range f.header.tensors {
			if other, again := ix.byName[t.Name]; again {
				return nil, &FormatError{File: f.Path, Offset: -1, Field: "tensor " + words.Literal(t.Name), Reason: "is in " + words.QuotePath(files[ix.tensors[other].File].Path) + " too"}
			}
			t.File = i + 1
			t.Offset += f.header.data
			ix.byName[t.Name] = int32(len(ix.tensors))
			ix.tensors = append(ix.tensors, t)
			ix.bytes += t.Size
		}
	}
	for _, f := range files {
		f.header = nil
	}
	return ix, nil
}

// Close closes the files. Mappings of them stay valid. Closing twice is safe.
func (ix *Index) Close() error {
	if ix.closed.Swap(true) {
		return nil
	}
	return closeFiles(ix.files)
}

func closeFiles(files []*file) error {
	var first error
	for _, f := range files {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Path returns the path of the first file.
func (ix *Index) Path() string { return ix.files[0].Path }

// Files describes the files in shard order, as they were when opened.
func (ix *Index) Files() []FileInfo {
	out := make([]FileInfo, len(ix.files))
	for i, f := range ix.files {
		out[i] = FileInfo{f.Path, f.Size, f.ModTime}
	}
	return out
}

// File returns the i-th open file of [Index.Files]. It belongs to the index, which closes it; use it
// only to map it and to read at offsets.
func (ix *Index) File(i int) *os.File { return ix.files[i].OS }

// ReadTensor reads len(b) bytes of a tensor, from an offset in the tensor. If the file is too short
// now, the error wraps [files.ErrFileChanged].
func (ix *Index) ReadTensor(t Tensor, b []byte, offset int64) error {
	if offset < 0 || uint64(offset) > t.Size || uint64(len(b)) > t.Size-uint64(offset) {
		return fmt.Errorf("tensor %s: %d bytes at offset %d exceed its size of %d", words.Literal(t.Name), len(b), offset, t.Size)
	}
	return ix.files[t.File].Read(b, t.Offset+offset)
}

// ReadAt reads len(b) bytes of the i-th file of [Index.Files]. If the file is too short now, the
// error wraps [files.ErrFileChanged]. It is safe for concurrent use.
func (ix *Index) ReadAt(i int, b []byte, offset int64) error { return ix.files[i].Read(b, offset) }

// Version returns the version of the first file's format: 2 or 3.
func (ix *Index) Version() uint32 { return ix.version }

// Alignment returns the alignment of tensors in the first file, in bytes: a power of two.
func (ix *Index) Alignment() uint64 { return ix.align }

// Architecture returns the value of general.architecture, such as "llama". It is "" if the key is
// missing, which only [loader.OpenOptions.SkipModel] permits.
func (ix *Index) Architecture() string {
	v, _ := ix.Lookup(KeyArchitecture)
	s, _ := v.Str()
	return s
}

// Warnings returns one line for each problem that does not prevent loading: special tokens outside
// the vocabulary, or weights at the end of a file that are zero, as after an interrupted
// download.
func (ix *Index) Warnings() []string { return slices.Clip(ix.warnings) }

func (ix *Index) warn(format string, args ...any) {
	ix.warnings = append(ix.warnings, words.QuotePath(ix.Path())+": "+words.Printable(fmt.Sprintf(format, args...), words.MostShown))
}

// HasTensors reports whether the file has tensors, not only a vocabulary.
func (ix *Index) HasTensors() bool { return len(ix.tensors) > 0 }

// Bytes returns the size of all tensors together.
func (ix *Index) Bytes() uint64 { return ix.bytes }

// Metadata iterates over keys and values, in the order of the first file. Metadata of other shards is
// not used.
func (ix *Index) Metadata() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, kv := range ix.keys {
			if !yield(kv.key, kv.value) {
				return
			}
		}
	}
}

// KeyCount returns the number of keys.
func (ix *Index) KeyCount() int { return len(ix.keys) }

// Lookup returns the value of a key, and whether there is one.
func (ix *Index) Lookup(key string) (Value, bool) {
	i, ok := ix.byKey[key]
	if !ok {
		return Value{}, false
	}
	return ix.keys[i].value, true
}

// KeyOffset returns the offset of a key's value in the first file, -1 for an unknown key.
func (ix *Index) KeyOffset(key string) int64 {
	if i, ok := ix.byKey[key]; ok {
		return ix.keys[i].offset
	}
	return -1
}

// Tensors returns the tensors in the order of the files and of their offsets. Do not change the
// slice.
func (ix *Index) Tensors() []Tensor { return slices.Clip(ix.tensors) }

// Tensor returns a tensor by its name, and whether there is one.
func (ix *Index) Tensor(name string) (Tensor, bool) {
	i, ok := ix.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return ix.tensors[i], true
}

// KeyError returns an error about a key of the metadata, with its offset and value in the first file
// if it is there.
func (ix *Index) KeyError(key, reason string) *FormatError {
	e := &FormatError{File: ix.Path(), Offset: -1, Field: "key " + words.Literal(key), Reason: reason}
	if i, ok := ix.byKey[key]; ok {
		kv := ix.keys[i]
		e.Offset, e.Value = kv.offset, kv.value.String()
		if s, ok := kv.value.Str(); ok {
			e.Value = words.Literal(s)
		}
	}
	return e
}

// TensorError returns an error about a tensor, which need not exist.
func (ix *Index) TensorError(name, value, reason string) *FormatError {
	e := &FormatError{File: ix.Path(), Offset: -1, Field: "tensor " + words.Literal(name), Value: value, Reason: reason}
	if t, ok := ix.Tensor(name); ok {
		e.File = ix.files[t.File].Path
	}
	return e
}
