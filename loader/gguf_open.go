package loader

import (
	"io/fs"
)

// Options are the options of [OpenIndex].
type Options struct {
	// Check looks at the index before it is returned, and may refuse it; what it warns of is
	// in [Index.Warnings]. With it, the last 4 KiB of the tensors are read, or more where those are
	// zero, and what a download leaves unfinished is warned of. nil: nothing of that.
	Check func(ix *Index, warn func(format string, args ...any)) error
}

// OpenIndex opens a model's files and validates their structure. path is the model's file, or
// any of its shards. Only the headers are read.
//
// The error is a [*FormatError] for what is wrong with a file, and the system's, such
// as one that is [fs.ErrNotExist], for a file that can't be opened.
func OpenIndex(path string, o Options) (*Index, error) {
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

// readHeader opens one file and reads its header.
func readHeader(path string) (*file, error) {
	f, err := openRegularFile(path, irregular)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(path, f.f, f.size)
	if err != nil {
		f.close()
		return nil, err
	}
	return &file{f, h}, nil
}

// irregular is the error of what can't be mapped.
func irregular(path string, mode fs.FileMode) error {
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
