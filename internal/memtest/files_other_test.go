//go:build !unix

package memtest_test

import "errors"

// What these would be is never asked: the tools are not supported.
var errNoSpace, errReadOnly = errors.New("no space"), errors.New("read-only")
