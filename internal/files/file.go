package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// File is a regular file that is open for reading, with its size and modification time when it was
// opened. It is safe for concurrent use.
type File struct {
	OS      *os.File
	Path    string
	Size    int64
	ModTime time.Time

	handles handles
}

// Open opens a file. irregular returns the error for a path that is no regular file.
func Open(path string, irregular func(string, fs.FileMode) error) (*File, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	// Opening a device may have side effects: check first, and again after opening.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, irregular(path, info.Mode())
	}
	f, err := OpenRegular(path)
	if err != nil {
		return nil, err
	}
	of, err := NewFile(f, path, irregular)
	if err != nil {
		f.Close()
		return nil, err
	}
	return of, nil
}

// NewFile is [Open] for a file that is open already; it owns f if it succeeds.
func NewFile(f *os.File, path string, irregular func(string, fs.FileMode) error) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, irregular(path, info.Mode())
	}
	return &File{OS: f, Path: path, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// ReadAt reads from the file. Concurrent reads run in parallel.
func (f *File) ReadAt(b []byte, offset int64) (int, error) {
	return f.handles.readAt(f.OS, b, offset)
}

// Read reads all of b. If the file is too short now, the error wraps [ErrFileChanged].
func (f *File) Read(b []byte, offset int64) error {
	err := ReadFull(f, b, offset)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w: it ends before byte %d: load it again", words.QuotePath(f.Path), ErrFileChanged, offset+int64(len(b)))
	}
	return err
}

// Unchanged returns an error that wraps [ErrFileChanged] if the file's size or modification time
// has changed since it was opened.
func (f *File) Unchanged() error {
	size, modified, err := sizeAndTime(f.OS)
	switch {
	case err != nil:
		return fmt.Errorf("%s: can't be looked at: %w", words.QuotePath(f.Path), err)
	case size != f.Size:
		return fmt.Errorf("%s: %w: it has %d bytes and had %d: load it again", words.QuotePath(f.Path), ErrFileChanged, size, f.Size)
	case !modified.Equal(f.ModTime):
		return fmt.Errorf("%s: %w: it was written to at %s: load it again", words.QuotePath(f.Path), ErrFileChanged, modified.Format(time.RFC3339Nano))
	}
	return nil
}

// Close closes the file. Closing twice is an error, and safe.
func (f *File) Close() error {
	f.handles.close()
	return f.OS.Close()
}
