//go:build !(linux && (amd64 || arm64)) && !(windows && amd64)

package memtest

var errCarve = &Unsupported{Tool: "carve", Missing: "an address space can be carved on Linux with amd64 or arm64, and on Windows with amd64"}

// Carve returns an [*Unsupported] on this system.
func Carve(o CarveOptions) (*Carved, error) {
	if _, err := o.withDefaults(4096); err != nil {
		return nil, err
	}
	return nil, errCarve
}

// LargestHole returns an [*Unsupported] on this system.
func LargestHole() (uint64, error) { return 0, errCarve }
