package files

import "os"

// DirectUnit is what direct reads begin at and are multiples of: what every disk takes.
const DirectUnit = 4096

// DirectFile is a file that is open for direct reads.
type DirectFile struct {
	OS      *os.File
	handles handles
}

// ReadAt is like that of [os.File], and several go on at once.
func (d *DirectFile) ReadAt(b []byte, offset int64) (int, error) {
	return d.handles.readAt(d.OS, b, offset)
}

// OpenDirectFile opens a file that is open once more, for reads past the page cache.
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
