//go:build !unix

package memtest_test

import "errors"

// Unused: the tools are not supported on this system.
var errNoSpace, errReadOnly = errors.New("no space"), errors.New("read-only")
