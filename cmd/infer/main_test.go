package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func TestMain(m *testing.M) { os.Exit(memtest.Main(m, nil)) }

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
	var out, stderr bytes.Buffer
	code := run(context.Background(), args, strings.NewReader(stdin), &out, &stderr)
	return result{code, out.String(), stderr.String()}
}
