package memtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Children are the functions that a test binary can run in a child process, by name. A function gets
// the child's arguments and returns its exit code.
type Children map[string]func(args []string) int

const childEnv = "MEMTEST_CHILD"

// Main must be called by TestMain. It runs m's tests, or in a process started by [Child] the named
// function, and returns the exit code. Afterwards it removes what [Build] has built.
func Main(m interface{ Run() int }, children Children) int {
	if name := os.Getenv(childEnv); name != "" {
		f := children[name]
		if f == nil {
			fmt.Fprintf(os.Stderr, "memtest: no child function %q is registered\n", name)
			return 2
		}
		// A child's own children must not run the function again.
		if err := os.Unsetenv(childEnv); err != nil {
			fmt.Fprintln(os.Stderr, "memtest:", err)
			return 2
		}
		// The memory profiler maps 1.4 MiB at some allocation, which would count as the program's.
		runtime.MemProfileRate = 0
		return f(os.Args[1:])
	}
	defer builds.remove()
	builds.enable()
	return m.Run()
}

// Child returns a command that runs the function registered under name with args in a new process of
// this binary. Its environment is this process's, with MALLOC_ARENA_MAX=1 unless that is set.
func Child(name string, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0] // Start then returns the error
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(oneArena(os.Environ()), childEnv+"="+name)
	return cmd
}

// oneArena prevents glibc from reserving 64 MiB of addresses for each thread.
func oneArena(env []string) []string {
	const name = "MALLOC_ARENA_MAX="
	if slices.ContainsFunc(env, func(s string) bool { return strings.HasPrefix(s, name) }) {
		return env
	}
	return append(env, name+"1")
}

// Infer returns the path of the infer command: the value of INFER_BIN, relative to the module's root,
// or a build of ./cmd/infer by [Build].
func Infer(t TB) string {
	t.Helper()
	bin := os.Getenv("INFER_BIN")
	if bin == "" {
		return Build(t, "./cmd/infer")
	}
	if !filepath.IsAbs(bin) {
		root, err := moduleRoot()
		Need(t, err)
		bin = filepath.Join(root, bin)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatal(fmt.Errorf("INFER_BIN: %w", err))
	}
	return bin
}

// Build compiles a main package with the flags of the environment (CGO_CFLAGS, GOFLAGS, …) and returns
// the program's path. pkg is a path relative to the module's root. A package is built once per test
// binary; [Main] removes it and must be in use. Without a go command Build skips the test.
func Build(t TB, pkg string) string {
	t.Helper()
	bin, err := builds.get(pkg)
	Need(t, err)
	return bin
}

var builds buildCache

type buildCache struct {
	mu   sync.Mutex
	main bool
	dir  string
	done map[string]func() (string, error)
}

func (b *buildCache) enable() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.main = true
}

func (b *buildCache) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
	b.dir, b.done, b.main = "", nil, false
}

func (b *buildCache) get(pkg string) (string, error) {
	b.mu.Lock()
	if !b.main {
		b.mu.Unlock()
		return "", fmt.Errorf("memtest: building %s: TestMain must call memtest.Main", pkg)
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "memtest-build-")
		if err != nil {
			b.mu.Unlock()
			return "", err
		}
		b.dir, b.done = dir, make(map[string]func() (string, error))
	}
	f := b.done[pkg]
	if f == nil {
		out := filepath.Join(b.dir, fmt.Sprintf("%d-%s%s", len(b.done), filepath.Base(pkg), exeSuffix))
		f = sync.OnceValues(func() (string, error) { return out, build(pkg, out) })
		b.done[pkg] = f
	}
	b.mu.Unlock()
	return f()
}

func build(pkg, out string) error {
	gocmd, err := exec.LookPath("go")
	if err != nil {
		return &Unsupported{Tool: "build", Missing: "the go command is not in PATH", Err: err}
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	cmd := exec.Command(gocmd, "build", "-o", out, pkg)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("memtest: go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// moduleRoot returns the closest folder with a go.mod, from the working directory upwards. go test
// sets the working directory to the folder of the package.
func moduleRoot() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", &Unsupported{Tool: "build", Missing: "no go.mod in " + wd + " or above it"}
		}
	}
}
