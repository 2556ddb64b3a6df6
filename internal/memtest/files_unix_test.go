//go:build unix

package memtest_test

import "syscall"

var errNoSpace, errReadOnly error = syscall.ENOSPC, syscall.EROFS
