//go:build cgo

package llama

// #include "shim.h"
import "C"

import "sync"

// errorPool keeps infer_errors for calls that are made for every token: one is 2 KiB and
// escapes to the heap when C is given its address.
var errorPool = sync.Pool{New: func() any { return new(C.infer_error) }}
