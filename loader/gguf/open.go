package gguf

import (
	"io/fs"

	"github.com/seed7adf6694/infer/internal/files"
)

// Options are the options of [Open].
type Options struct {
	// Check is called with the index before Open returns, and may return an error; its warnings are
	// in [Index.Warnings]. With Check, Open also reads the last 4 KiB of the tensors, or more if
	// those are zero, and warns of unfinished downloads. nil: no checks beyond the structure.
	Check func(ix *Index, warn func(format string, args ...any)) error
}

// Open opens a model's files and validates their structure. path is the model's file, or any of its
// shards. Only the headers are read.
//
// The error is a [*FormatError] for invalid content, and the system's, such as one that is
// [fs.ErrNotExist], for a file that cannot be opened.
func Open(path string, o Options) (*Index, error) {
	one, err := readHeader(path)
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
	if err == nil && o.Check != nil {
		if err = o.Check(ix, ix.warn); err == nil {
			ix.warnUnfinished()
			ix.warnZeros()
		}
	}
	if err != nil {
		closeFiles(files)
		return nil, err
	}
	return ix, nil
}

// readHeader opens a file and reads its header.
func readHeader(path string) (*file, error) {
	f, err := files.Open(path, Irregular)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(path, f.OS, f.Size)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &file{f, h}, nil
}

// CheckHeader checks the header of one file, which need not be complete and may be a shard. An error
// that wraps [ErrTruncated] says that the header does not end in the file.
func CheckHeader(path string) error {
	f, err := readHeader(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// Irregular returns the error for a path that is no regular file and cannot be mapped.
func Irregular(path string, mode fs.FileMode) error {
	bad := &FormatError{File: path, Offset: -1, Field: "file"}
	switch {
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
