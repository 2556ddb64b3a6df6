//go:build !linux

package memtest

// Maps reads the mappings of process pid, 0 for the calling one, in address order. It
// returns an [*Unsupported] on systems without /proc/PID/maps.
func Maps(int) ([]Region, error) {
	return nil, &Unsupported{Tool: "maps", Missing: "/proc/PID/maps needs Linux"}
}
