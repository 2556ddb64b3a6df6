package system

import "fmt"

// Readahead is how much the kernel reads ahead of a program from one disk.
type Readahead struct {
	Disk string // name, as in vda
	File string // of the setting, in KiB
}

// Set changes the setting, in bytes, for files that are opened from now on. If the kernel keeps
// another value than this, the error says which.
func (r *Readahead) Set(bytes uint64) error {
	if bytes%1024 != 0 {
		return fmt.Errorf("%s: %d bytes are no multiple of 1024", r.File, bytes)
	}
	if err := r.write(bytes); err != nil {
		return err
	}
	if now, err := r.Bytes(); err != nil || now != bytes {
		return fmt.Errorf("%s: set to %d bytes, it is %d (%v)", r.File, bytes, now, err)
	}
	return nil
}
