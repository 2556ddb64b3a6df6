package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == trialArgument {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Setenv(engineVariable, "builtin") // whatever the user of this machine has chosen
	var dir string
	if os.Getenv(runtime.PackedCacheVariable) == "" { // children have it from here
		var err error
		if dir, err = os.MkdirTemp("", "infer-packed-"); err != nil {
			panic(err)
		}
		os.Setenv(runtime.PackedCacheVariable, dir)
	}
	code := memtest.Main(m, nil)
	if dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// result is what a run left.
type result struct {
	code        int
	out, stderr string
}

// call runs the program in this process, with nothing on standard input.
func call(t *testing.T, args ...string) result { return callWith(t, "", args...) }

// callWith runs the program in this process.
func callWith(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return callReading(t, strings.NewReader(stdin), args...)
}

// callReading runs the program in this process, with no standard input where it is nil.
func callReading(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	var out, stderr bytes.Buffer
	code := run(context.Background(), args, stdin, &out, &stderr)
	return result{code, out.String(), stderr.String()}
}
