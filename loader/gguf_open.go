package loader

import (
	"fmt"
	"io/fs"
	"os"
)

// OpenOptions are the options of [OpenWith]. The zero value is what [Open] does.
type OpenOptions struct {
	// SkipModel checks the structure of the files alone, not whether the engine could
	// load them as a model: for looking at a file, and for those that are no model,
	// such as LoRA adapters and importance matrices. Such an index must not reach the
	// engine as a model.
	SkipModel bool
}

// Open opens a model and validates it: the structure of its files, and what of its
// metadata and vocabulary the engine relies on. path is the model's file, or any of
// its shards. Only the headers are read, and the last 4 KiB of the tensors, or more where
// those are zero: see [Index.Warnings].
//
// The error is a [*FormatError] for what is wrong with a file, and the system's, such
// as one that is [fs.ErrNotExist], for a file that can't be opened.
func Open(path string) (*Index, error) { return OpenWith(path, OpenOptions{}) }

// OpenWith is [Open] with options.
func OpenWith(path string, o OpenOptions) (*Index, error) {
	one, err := openFile(path)
	if err != nil {
		return nil, err
	}
	files, err := openShards(one)
	if err != nil {
		return nil, err
	}
	ix, err := newIndex(files)
	if err == nil {
		err = ix.readPacked()
	}
	if err == nil && !o.SkipModel {
		err = ix.validate()
	}
	if err != nil {
		closeFiles(files)
		return nil, err
	}
	return ix, nil
}

// The engine compares each key with each other, and each tensor's name. No model
// comes near these numbers, with which that takes it a second.
const (
	maxModelKeys    = 1 << 14
	maxModelTensors = 1 << 15
)

// validate checks what the engine would trip over.
func (ix *Index) validate() error {
	few := func(what string, n, limit int) error {
		if n <= limit {
			return nil
		}
		return &FormatError{File: ix.Path(), Offset: -1, Field: what, Value: fmt.Sprint(n),
			Reason: fmt.Sprintf("the engine would take minutes over more than %d", limit)}
	}
	return firstError(
		func() error { return few("key count", len(ix.keys), maxModelKeys) },
		func() error { return few("tensor count", len(ix.tensors), maxModelTensors) },
		func() error { return validateModel(ix) },
		func() error {
			ix.warnUnfinished()
			ix.warnZeros()
			return nil
		},
	)
}

func firstError(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// openFile opens one file and reads its header.
func openFile(path string) (*file, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	// To open a device may do anything: look first. What is opened is looked at again.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := openRegular(path)
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

// regular refuses what can't be mapped.
func regular(path string, info fs.FileInfo) error {
	bad := &FormatError{File: path, Offset: -1, Field: "file"}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		bad.Value, bad.Reason = "a folder", "name a file in it"
	case mode&fs.ModeNamedPipe != 0:
		bad.Value, bad.Reason = "a named pipe", "only a regular file can be mapped"
	case mode&fs.ModeSocket != 0:
		bad.Value, bad.Reason = "a socket", "only a regular file can be mapped"
	case mode&fs.ModeDevice != 0:
		bad.Value, bad.Reason = "a device", "only a regular file can be mapped"
	default:
		bad.Value, bad.Reason = "of mode "+mode.Type().String(), "only a regular file can be mapped"
	}
	return bad
}
