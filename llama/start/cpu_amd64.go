//go:build cgo

package start

// The code that looks at the CPU must run on any: this comes after CGO_CFLAGS, and the last
// -march counts.

// #cgo CFLAGS: -march=x86-64
import "C"

import _ "github.com/seed7adf6694/infer/llama/start/target"
