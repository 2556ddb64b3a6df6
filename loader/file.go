package loader

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// openFile is a regular file that is open for reading, with what it was when it was
// opened. It is safe for concurrent use.
type openFile struct {
	f       *os.File
	path    string
	size    int64
	modTime time.Time

	handles handles
}

// openRegularFile opens a file. irregular makes the error of a path where there is no regular
// file.
func openRegularFile(path string, irregular func(string, fs.FileMode) error) (*openFile, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	// To open a device may do anything: look first. What is opened is looked at again.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, irregular(path, info.Mode())
	}
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	of, err := newOpenFile(f, path, irregular)
	if err != nil {
		f.Close()
		return nil, err
	}
	return of, nil
}

func newOpenFile(f *os.File, path string, irregular func(string, fs.FileMode) error) (*openFile, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, irregular(path, info.Mode())
	}
	return &openFile{f: f, path: path, size: info.Size(), modTime: info.ModTime()}, nil
}

// ReadAt reads from the file, several reads at once.
func (f *openFile) ReadAt(b []byte, offset int64) (int, error) {
	return f.handles.readAt(f.f, b, offset)
}

// read reads all of b. A file that ends before gives [ErrFileChanged].
func (f *openFile) read(b []byte, offset int64) error {
	err := readFull(f, b, offset)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w: it ends before byte %d: load it again", quotePath(f.path), ErrFileChanged, offset+int64(len(b)))
	}
	return err
}

// unchanged returns an error wrapping [ErrFileChanged] when the file has another size or time
// of modification than when it was opened.
func (f *openFile) unchanged() error {
	size, modified, err := sizeAndTime(f.f)
	switch {
	case err != nil:
		return fmt.Errorf("%s: can't be looked at: %w", quotePath(f.path), err)
	case size != f.size:
		return fmt.Errorf("%s: %w: it has %d bytes and had %d: load it again", quotePath(f.path), ErrFileChanged, size, f.size)
	case !modified.Equal(f.modTime):
		return fmt.Errorf("%s: %w: it was written to at %s: load it again", quotePath(f.path), ErrFileChanged, modified.Format(time.RFC3339Nano))
	}
	return nil
}

func (f *openFile) close() error {
	f.handles.close()
	return f.f.Close()
}
