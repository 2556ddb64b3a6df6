package loader

import (
	"os"
	"time"
)

// sizeAndTime asks for what a file that was written to has others of.
func sizeAndTime(f *os.File) (size int64, modified time.Time, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	return info.Size(), info.ModTime(), nil
}
