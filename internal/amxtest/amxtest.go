package amxtest

import (
	"debug/elf"
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
)

//go:embed testdata/amx.c
var emulator []byte

// The engine's library for CPUs with AMX, and what else it needs of the CPU, as Linux names it.
const library = "libggml-cpu-sapphirerapids.so"

var needed = []string{"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vbmi", "avx512_vnni", "avx512_bf16"}

// running is set in the process that Rerun starts.
const running = "INFER_TEST_AMX"

// Running reports whether this process was started by [Rerun].
func Running() bool { return os.Getenv(running) != "" }

// Rerun runs the tests of this binary that match a pattern again, without those that match skip, in a process whose engine is that
// of $INFER_TEST_ENGINE with AMX. It skips the test if something is missing for that.
func Rerun(t *testing.T, pattern, skip string) {
	t.Helper()
	if Running() {
		t.Skip("this is the process with AMX")
	}
	folder := copyEngine(t, enginetest.Folder(t))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run", pattern, "-test.skip", skip, "-test.v")
	cmd.Env = append(os.Environ(), enginetest.Variable+"="+folder, running+"=1", "LD_PRELOAD="+preload(t), "INFER_PACKED_CACHE="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(s string) bool {
			return strings.HasPrefix(s, "===") || strings.Contains(s, "--- PASS")
		})
		t.Fatalf("%v:\n%s", err, strings.Join(lines, "\n"))
	}
	t.Logf("%d tests passed, %d were skipped", strings.Count(string(out), "--- PASS"), strings.Count(string(out), "--- SKIP"))
}

// preload compiles the library that emulates AMX. It leaves real AMX alone.
func preload(t *testing.T) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("AMX is not emulated: gcc is missing")
	}
	source, path := filepath.Join(t.TempDir(), "amx.c"), filepath.Join(t.TempDir(), "amx.so")
	if err := os.WriteFile(source, emulator, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-O3", "-march=native", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return path
}

// copyEngine copies an engine that has the library for AMX only, which the engine then chooses on any CPU.
func copyEngine(t *testing.T, folder string) string {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skipf("AMX is not emulated on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip("the CPU's features are not known:", err)
	}
	flags := strings.Fields(string(cpu))
	has := map[string]bool{}
	for _, f := range flags {
		has[f] = true
	}
	for _, f := range needed {
		if !has[f] {
			t.Skipf("AMX is not emulated on this CPU, which lacks %s", f)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, library)); err != nil {
		t.Skipf("the engine has no library for AMX: %v", err)
	}
	to := filepath.Join(t.TempDir(), "amx")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() || strings.HasPrefix(f.Name(), "libggml-cpu-") && f.Name() != library {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() == library {
			if err := chosen(b, filepath.Join(folder, library)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// chosen replaces the function that tells how well a library fits the CPU: it returns 1000.
func chosen(b []byte, path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		if s.Name != "ggml_backend_score" {
			continue
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Filesz {
				code := b[p.Off+s.Value-p.Vaddr:]
				code[0] = 0xB8 // MOV EAX, …
				binary.LittleEndian.PutUint32(code[1:], 1000)
				code[5] = 0xC3 // RET
				return nil
			}
		}
	}
	return fmt.Errorf("%s has no function ggml_backend_score", path)
}
