package memtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// children are the functions run in processes of their own; files of one system add
// theirs.
var children = memtest.Children{
	"echo": func(args []string) int {
		fmt.Print(strings.Join(args, "|"))
		fmt.Fprint(os.Stderr, "to stderr")
		return 7
	},
	"hang": func([]string) int { time.Sleep(time.Hour); return 0 },
	"say and hang": func([]string) int {
		fmt.Print("!")
		time.Sleep(time.Hour)
		return 0
	},
	"nested": func([]string) int {
		if err := exec.Command(os.Args[0], "-test.run=^$").Run(); err != nil {
			return fail(err)
		}
		return 0
	},
}

func TestMain(m *testing.M) { os.Exit(memtest.Main(m, children)) }

// fail is how a child reports an error.
func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// run is Run with the expectation that the child starts and ends.
func run(t *testing.T, l memtest.Limits, name string, args ...string) memtest.Result {
	t.Helper()
	res, err := memtest.Run(context.Background(), memtest.Child(name, args...), l)
	memtest.Need(t, err)
	return res
}

// pass is run with the expectation that the child succeeds.
func pass(t *testing.T, l memtest.Limits, name string, args ...string) memtest.Result {
	t.Helper()
	res := run(t, l, name, args...)
	if res.Code != 0 {
		t.Fatal(res)
	}
	return res
}

func TestChildProcesses(t *testing.T) {
	t.Run("arguments, both outputs and the exit code come through", func(t *testing.T) {
		res := run(t, memtest.Limits{}, "echo", "a b", "-test.v", "c")
		if string(res.Stdout) != "a b|-test.v|c" || string(res.Stderr) != "to stderr" || res.Code != 7 || res.Signal != nil {
			t.Error(res)
		}
	})
	t.Run("a function nobody registered is named", func(t *testing.T) {
		if res := run(t, memtest.Limits{}, "nobody"); res.Code != 2 || !strings.Contains(string(res.Stderr), `"nobody"`) {
			t.Error(res)
		}
	})
	t.Run("a child of a child runs as itself", func(t *testing.T) {
		pass(t, memtest.Limits{}, "nested")
	})
	t.Run("a command that is not there is an error", func(t *testing.T) {
		_, err := memtest.Run(context.Background(), exec.Command(filepath.Join(t.TempDir(), "none")), memtest.Limits{})
		if !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	t.Run("a child that hangs is ended", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		res, err := memtest.Run(ctx, memtest.Child("hang"), memtest.Limits{})
		if !errors.Is(err, context.DeadlineExceeded) || res.Code == 0 {
			t.Error(res, err)
		}
	})
}

func TestUnsupportedNamesWhatIsMissing(t *testing.T) {
	err := error(&memtest.Unsupported{Tool: "cgroup", Missing: "no write access", Err: os.ErrPermission})
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, os.ErrPermission) {
		t.Error("does not match its causes")
	}
	if got := err.Error(); got != "memtest cgroup: not supported here: no write access: permission denied" {
		t.Error(got)
	}
}

func TestBuild(t *testing.T) {
	first := memtest.Build(t, "./internal/memtest/testdata/hello")
	if again := memtest.Build(t, "./internal/memtest/testdata/hello"); again != first {
		t.Errorf("built twice: %s and %s", first, again)
	}
	res, err := memtest.Run(context.Background(), exec.Command(first), memtest.Limits{})
	if err != nil || string(res.Stdout) != "hello\n" {
		t.Error(res, err)
	}
	t.Run("INFER_BIN is taken as it is", func(t *testing.T) {
		t.Setenv("INFER_BIN", first)
		if got := memtest.Infer(t); got != first {
			t.Error(got)
		}
	})
	t.Run("a relative INFER_BIN counts from the module's root", func(t *testing.T) {
		t.Setenv("INFER_BIN", "go.mod")
		if _, err := os.Stat(memtest.Infer(t)); err != nil {
			t.Error(err)
		}
	})
}
