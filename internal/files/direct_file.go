package files

import "os"

// DirectUnit is the alignment of direct reads in bytes, which every disk supports.
const DirectUnit = 4096

// DirectFile is a file that is open for direct reads.
type DirectFile struct {
	OS      *os.File
	handles handles
}

// ReadAt is like [os.File.ReadAt], but offset, length and address must be multiples of DirectUnit.
// It is safe for concurrent use, and reads run in parallel.
func (d *DirectFile) ReadAt(b []byte, offset int64) (int, error) {
	return d.handles.readAt(d.OS, b, offset)
}

// OpenDirectFile opens an open file again, for reads that bypass the page cache.
func OpenDirectFile(f *os.File) (*DirectFile, error) {
	d, err := openDirect(f)
	if err != nil {
		return nil, err
	}
	return &DirectFile{OS: d, handles: directHandles()}, nil
}

func (d *DirectFile) Close() error {
	d.handles.close()
	return d.OS.Close()
}
