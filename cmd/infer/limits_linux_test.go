//go:build cgo

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// limitedUser owns no other process. Root is not bound by the limit of processes.
const limitedUser = 64999

// forUser copies files to a folder that another user may use.
func forUser(t *testing.T, uid int, files ...string) (dir string, copies []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "infer-limits-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(f))
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
		copies = append(copies, path)
	}
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	return dir, copies
}

// Below the first value of each row, the system cannot load the program.
func TestALimitThatDoesNotLetItStartIsNamed(t *testing.T) {
	needEngine(t)
	bin := memtest.Infer(t)
	model, err := filepath.Abs(tinyQ4)
	if err != nil {
		t.Fatal(err)
	}
	larger := filepath.Join(t.TempDir(), "larger.gguf")
	if r := call(t, "synthesize", "-q", "--shape", "110m,layers=2", larger); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	for _, row := range []struct {
		ulimit, name string
		values       []int // the first is refused, the last works
		user         bool
		model        string
	}{
		{"ulimit -v", "RLIMIT_AS", []int{100000, 200000, 700000, 1200000, 1300000, 1350000, 1380000, 1400000, 1450000, 1500000, 1600000, 1700000, 2000000, 4000000}, false, model},
		{"ulimit -v", "RLIMIT_AS", []int{1300000, 1400000, 1500000, 1600000, 1700000, 1800000, 4000000}, false, larger},
		{"ulimit -d", "RLIMIT_DATA", []int{60000, 100000, 130000, 140000, 160000, 200000, 300000}, false, model},
		{"ulimit -d", "RLIMIT_DATA", []int{60000, 140000, 160000, 200000, 250000, 300000, 900000}, false, larger},
		{"ulimit -s", "RLIMIT_STACK", []int{16, 24, 32, 64, 128, 256, 511, 512, 1024, 8192}, false, model},
		{"ulimit -n", "RLIMIT_NOFILE", []int{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 32}, false, model},
		{"ulimit -u", "RLIMIT_NPROC", []int{1, 2, 4, 6, 8, 9, 10, 11, 12, 13, 14, 16, 20, 32, 64}, true, model},
	} {
		t.Run(row.ulimit+" "+filepath.Base(row.model), func(t *testing.T) {
			bin, model, dir := bin, row.model, t.TempDir()
			var as *syscall.Credential
			if row.user {
				if os.Geteuid() != 0 {
					t.Skip("another user is needed, whose processes can be counted: only root can be one")
				}
				folder, copies := forUser(t, limitedUser, bin, model)
				bin, model, dir = copies[0], copies[1], folder
				as = &syscall.Credential{Uid: limitedUser, Gid: limitedUser}
			}
			for i, value := range row.values {
				// The shell of some systems has another letter for processes.
				limit := row.ulimit + " " + strconv.Itoa(value)
				script := limit + ` 2>/dev/null || ulimit -p ` + strconv.Itoa(value) + ` || exit 99; exec "$@"`
				cmd := exec.Command("sh", "-c", script, "sh", bin, "-m", model, "-p", "Once", "-n", "5", "--temp", "0", "-q")
				cmd.Dir = dir
				// Of a stack of 16 KiB the system takes up to half by chance, and the environment its size.
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CACHE_HOME=" + dir, "INFER_PACKED_CACHE=" + dir}
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
				r, err := memtest.Run(context.Background(), cmd, memtest.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				text := string(r.Stderr)
				switch {
				case r.Code == 99:
					t.Skipf("the shell can't set it: %v", r)
				case r.Code == 0 && text == "" && len(r.Stdout) > 0 && i > 0:
				case r.Code == exitMemory && i < len(row.values)-1 && strings.HasPrefix(text, "infer: ") && strings.Count(text, "\n") == 1 &&
					strings.Contains(text, row.name) && strings.Contains(text, "needed"):
				default:
					t.Errorf("%s: %v", limit, r)
				}
			}
		})
	}
}
