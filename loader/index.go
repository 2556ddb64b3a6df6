package loader

import (
	"fmt"

	"iter"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// Index is an open model: its metadata and where its tensors are. It keeps the files
// open, so that replacing them on disk changes nothing. It is immutable and safe for
// concurrent use.
type Index struct {
	path    string
	files   []*file
	version uint32
	align   uint64
	keys    []keyValue
	byKey   map[string]int
	tensors []Tensor
	byName  map[string]int
	bytes   uint64
	closed  atomic.Bool
}

// file is one of a model's files.
type file struct {
	f       *os.File
	path    string
	size    int64
	modTime time.Time
	header  *header
}

// FileInfo describes one of a model's files.
type FileInfo struct {
	Path    string
	Size    int64
	ModTime time.Time
}

// OpenOptions are the options of [OpenWith].
type OpenOptions struct {
	// SkipModel checks the file's structure alone, not whether the engine could load
	// it as a model: for inspecting, and for LoRA adapters.
	SkipModel bool
}

// Open opens a model and validates it: the structure of its files, and what of its
// metadata and vocabulary the engine relies on. path is the model's file, or any of
// its shards. Only the headers are read.
//
// The error is a [*FormatError] for what is wrong with a file, and the system's for
// files that cannot be opened.
func Open(path string) (*Index, error) { return OpenWith(path, OpenOptions{}) }

// OpenWith is Open with options.
func OpenWith(path string, o OpenOptions) (*Index, error) {
	first, err := openFile(path)
	if err != nil {
		return nil, err
	}
	files, err := openShards(first)
	if err != nil {
		return nil, err
	}
	ix := newIndex(files)
	if !o.SkipModel {
		if err := validateModel(ix); err != nil {
			ix.Close()
			return nil, err
		}
	}
	return ix, nil
}

// openFile opens one file and reads its header.
func openFile(path string) (*file, error) {
	// A FIFO would block the open, a device might do anything: look first. What is
	// opened is looked at again.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file, err := readFile(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	return file, nil
}

func readFile(f *os.File, path string) (*file, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	h, err := parseHeader(path, f, info.Size())
	if err != nil {
		return nil, err
	}
	return &file{f: f, path: path, size: info.Size(), modTime: info.ModTime(), header: h}, nil
}

func regular(path string, info os.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &FormatError{File: path, Offset: -1, Field: "file", Value: "a folder", Reason: "name a file in it"}
	default:
		return &FormatError{File: path, Offset: -1, Field: "file", Value: "of mode " + mode.Type().String(), Reason: "only regular files can be mapped"}
	}
}

// newIndex joins the files' headers; the first file's metadata is the model's.
func newIndex(files []*file) *Index {
	first := files[0].header
	ix := &Index{path: files[0].path, files: files, version: first.version, align: first.alignment, keys: first.keys, byKey: map[string]int{}, byName: map[string]int{}}
	for i, kv := range ix.keys {
		ix.byKey[kv.key] = i
	}
	for i, f := range files {
		for _, t := range f.header.tensors {
			t.File = i
			t.Offset += f.header.data
			ix.byName[t.Name] = len(ix.tensors)
			ix.tensors = append(ix.tensors, t)
			ix.bytes += t.Size
		}
	}
	return ix
}

// Close closes the files. What has been mapped stays. Closing twice is safe.
func (ix *Index) Close() error {
	if ix.closed.Swap(true) {
		return nil
	}
	return closeFiles(ix.files)
}

func closeFiles(files []*file) error {
	var first error
	for _, f := range files {
		if err := f.f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Path is the path of the first file.
func (ix *Index) Path() string { return ix.path }

// Files describes the files, as they were when they were opened.
func (ix *Index) Files() []FileInfo {
	out := make([]FileInfo, len(ix.files))
	for i, f := range ix.files {
		out[i] = FileInfo{f.path, f.size, f.modTime}
	}
	return out
}

// File is the i-th open file; it belongs to the Index.
func (ix *Index) File(i int) *os.File { return ix.files[i].f }

// Version is the version of the GGUF format, 2 or 3.
func (ix *Index) Version() uint32 { return ix.version }

// Alignment is that of the tensors, in bytes.
func (ix *Index) Alignment() uint64 { return ix.align }

// Architecture is the value of general.architecture, "" where it is missing.
func (ix *Index) Architecture() string {
	v, _ := ix.Lookup("general.architecture")
	s, _ := v.Str()
	return s
}

// HasTensors tells whether the file is more than a vocabulary.
func (ix *Index) HasTensors() bool { return len(ix.tensors) > 0 }

// Bytes is the size of all tensors.
func (ix *Index) Bytes() uint64 { return ix.bytes }

// Metadata yields keys and values in the order of the first file.
func (ix *Index) Metadata() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, kv := range ix.keys {
			if !yield(kv.key, kv.value) {
				return
			}
		}
	}
}

// Lookup returns the value of a key, and whether there is one.
func (ix *Index) Lookup(key string) (Value, bool) {
	i, ok := ix.byKey[key]
	if !ok {
		return Value{}, false
	}
	return ix.keys[i].value, true
}

// KeyOffset is where a key's value lies in the first file, -1 for unknown keys.
func (ix *Index) KeyOffset(key string) int64 {
	if i, ok := ix.byKey[key]; ok {
		return ix.keys[i].offset
	}
	return -1
}

// Tensors lists the tensors in the order of the files; do not change it.
func (ix *Index) Tensors() []Tensor { return slices.Clip(ix.tensors) }

// Tensor returns a tensor by name, and whether there is one.
func (ix *Index) Tensor(name string) (Tensor, bool) {
	i, ok := ix.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return ix.tensors[i], true
}

// Changed returns an error wrapping [ErrFileChanged] when one of the open files has
// another size or time of modification than when it was opened. A file that was
// replaced, rather than written to, is still the one that is open.
func (ix *Index) Changed() error {
	if ix.closed.Load() {
		return fmt.Errorf("model files: %w", ErrClosed)
	}
	for _, f := range ix.files {
		if err := f.unchanged(); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) unchanged() error {
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.size {
		return fmt.Errorf("%s: %w: %d bytes, were %d: load it again", quotePath(f.path), ErrFileChanged, info.Size(), f.size)
	}
	if !info.ModTime().Equal(f.modTime) {
		return fmt.Errorf("%s: %w: written to at %s: load it again", quotePath(f.path), ErrFileChanged, info.ModTime().Format(time.RFC3339))
	}
	return nil
}
