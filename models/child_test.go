package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The test binary runs itself as a child process: these variables name its task, and the resource
// that it must do without.
const (
	childVariable   = "INFER_MODELS_TEST_CHILD"
	confineVariable = "INFER_MODELS_TEST_CONFINE"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(childVariable); task != "" {
		status := 0
		if how := os.Getenv(confineVariable); how != "" {
			status = confine(how)
		}
		if status == 0 {
			status = child(task)
		}
		os.Exit(status)
	}
	os.Exit(run(m))
}

// run keeps the tests and examples out of the user's own cache folder.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "infer-models-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, name := range cacheVariables {
		if err := os.Setenv(name, dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// cacheVariables are the environment variables that move os.UserCacheDir, of
// all systems.
var cacheVariables = []string{"XDG_CACHE_HOME", "LocalAppData", "HOME"}

// startChild prepares this binary to run again with another task.
func startChild(t *testing.T, task string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), append(env, childVariable+"="+task)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// child does the task and returns the exit status.
func child(task string) int {
	if path, ok := strings.CutPrefix(task, "synthesize "); ok {
		err := Synthesize(context.Background(), path, SynthesizeOptions{Shape: Shape{Layers: 1, Width: 256, Heads: 4, FFN: 1024, Vocab: 2000}, Type: "f16"})
		return report(path, err, filepath.Dir(path))
	}
	path, err := Tiny()
	return report(path, err, os.Getenv("XDG_CACHE_HOME"), os.TempDir())
}

// report prints the path, or the error and the files in the folders: a file system that is mounted
// in the child alone is not visible to others.
func report(path string, err error, folders ...string) int {
	if err == nil {
		fmt.Print(path)
		return 0
	}
	fmt.Println(err)
	fmt.Println("ENOSPC", errors.Is(err, syscall.ENOSPC), "EFBIG", errors.Is(err, syscall.EFBIG))
	for _, dir := range folders {
		left, err := walkFiles(dir)
		fmt.Printf("left %q %v\n", left, err)
	}
	return 1
}

func TestTinyFromSeveralProcesses(t *testing.T) {
	cache, _ := withCache(t)
	var children []*exec.Cmd
	var outputs []*strings.Builder
	for range 4 {
		out := &strings.Builder{}
		cmd := startChild(t, "tiny")
		cmd.Stdout = out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children, outputs = append(children, cmd), append(outputs, out)
	}
	for i, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		if outputs[i].String() != outputs[0].String() {
			t.Errorf("process %d got %q, process 0 %q", i, outputs[i], outputs[0])
		}
	}
	wantTiny(t, outputs[0].String())
	if got := filesUnder(t, cache); len(got) != 1 {
		t.Errorf("the cache folder holds %q", got)
	}
}
