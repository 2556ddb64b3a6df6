//go:build !linux || !(amd64 || arm64)

package memtest

import (
	"context"
	"os/exec"
)

// Mark does nothing on this system.
func Mark(string) {}

// Trace returns an [*Unsupported] on this system.
func Trace(context.Context, *exec.Cmd, TraceOptions) (Result, []Call, error) {
	return Result{Code: -1}, nil, &Unsupported{Tool: "trace", Missing: "system calls can be traced on Linux with amd64 or arm64"}
}
