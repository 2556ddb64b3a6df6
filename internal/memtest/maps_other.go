//go:build !linux

package memtest

// Maps returns an [*Unsupported] on this system.
func Maps(int) ([]Region, error) {
	return nil, &Unsupported{Tool: "maps", Missing: "/proc/PID/maps needs Linux"}
}
