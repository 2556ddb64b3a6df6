package engines

import "golang.org/x/sys/unix"

// hasAccessList reports whether a file has an access list beside its mode.
func hasAccessList(path string) bool {
	n, err := unix.Lgetxattr(path, "system.posix_acl_access", nil)
	return err == nil && n > 0
}
