package pull_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/models/pull"
)

const childVariable = "INFER_PULL_TEST"

// TestFullDiskChild pulls while no file may be larger than a megabyte; it is run by the test below.
func TestFullDiskChild(t *testing.T) {
	endpoint, dir, ok := strings.Cut(os.Getenv(childVariable), " ")
	if !ok {
		t.Skip("only in a process of its own")
	}
	signal.Ignore(syscall.SIGXFSZ) // its default ends the process before write can fail
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	_, err := pull.Pull(t.Context(), "org/repo", pull.Options{Endpoint: endpoint, Dir: dir})
	fmt.Println("too large:", errors.Is(err, unix.EFBIG), err)
}

func TestWhatADiskTookIsKept(t *testing.T) {
	data := model(t, 0)
	h := newHub(t, map[string][]byte{"a.gguf": data})
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDiskChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+h.URL+" "+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "too large: true") || strings.Contains(string(out), ".partial") {
		t.Fatalf("%v\n%s", err, out)
	}
	r, err := pull.Pull(t.Context(), "org/repo", options(h, dir))
	if err != nil || r.Downloaded != uint64(len(data))-1<<20 {
		t.Errorf("%+v, %v", r, err)
	}
}
