//go:build linux || darwin

package engines

import "golang.org/x/sys/unix"

// systemVersion is the release of the kernel.
func systemVersion() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
