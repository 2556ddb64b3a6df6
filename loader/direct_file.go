package loader

import "os"

// directUnit is what direct reads begin at and are multiples of: what every disk takes.
const directUnit = 4096

// directFile is a file that is open for direct reads.
type directFile struct {
	f       *os.File
	handles handles
}

// ReadAt is like that of [os.File], and several go on at once.
func (d *directFile) ReadAt(b []byte, offset int64) (int, error) {
	return d.handles.readAt(d.f, b, offset)
}

// openDirectFile opens a file that is open once more, for reads past the page cache.
func openDirectFile(f *os.File) (*directFile, error) {
	d, err := openDirect(f)
	if err != nil {
		return nil, err
	}
	return &directFile{f: d, handles: directHandles()}, nil
}

func (d *directFile) close() error {
	d.handles.close()
	return d.f.Close()
}
