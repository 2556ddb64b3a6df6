//go:build cgo

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func TestTheEmbeddedModelRunsFromMemoryWhereNoFolderTakesIt(t *testing.T) {
	needEngine(t)
	nowhere := append(os.Environ(), "HOME=/proc/none", "XDG_CACHE_HOME=/proc/none", "TMPDIR=/proc/none", "INFER_PACKED_CACHE="+t.TempDir())
	for _, args := range [][]string{
		greedy("-m", "tiny", "-p", "Once upon a time", "-q"),
		greedy("-m", "tiny", "-p", "Once upon a time", "-q", "--load", "mmap"),
		greedy("-m", "tiny", "-p", "Once upon a time", "-q", "--load", "stock"),
		{"tokenize", "Once upon a time"},
		{"plan", "--json", "-c", "64"},
		{"check"},
	} {
		results := [2]memtest.Result{}
		for i, env := range [][]string{nil, nowhere} {
			cmd := exec.Command(memtest.Infer(t), args...)
			cmd.Env = env
			var err error
			if results[i], err = memtest.Run(t.Context(), cmd, memtest.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		there, memory := results[0], results[1]
		if memory.Code != 0 || len(memory.Stdout) == 0 || withoutWarning(string(memory.Stderr)) != "" {
			t.Errorf("%v: %v", args, memory)
		}
		if args[0] == "-m" && string(memory.Stdout) != string(there.Stdout) {
			t.Errorf("%v: %q from memory, %q from a file", args, memory.Stdout, there.Stdout)
		}
	}
}

func TestWithoutAnyPlaceTheMessageHasNoEmptyName(t *testing.T) {
	needEngine(t)
	// A limit of files holds for those in memory, too.
	cmd := exec.Command(memtest.Infer(t), "-p", "Once", "-n", "1")
	cmd.Env = append(os.Environ(), "HOME=/proc/none", "XDG_CACHE_HOME=/proc/none", "TMPDIR=/proc/none")
	r, err := memtest.Run(t.Context(), cmd, memtest.Limits{FileSize: 1 << 20})
	memtest.Need(t, err)
	if text := withoutWarning(string(r.Stderr)); r.Code != exitFailure || !strings.HasPrefix(text, "infer: the embedded model (") || strings.Count(text, "\n") != 1 {
		t.Errorf("%v", r)
	}
}
