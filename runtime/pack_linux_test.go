//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

func init() { children["pack"] = childPack }

func TestAFullDiskLeavesNoPackedFile(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking")
	}
	dir := t.TempDir()
	source := model(t, "tiny", "q4_0")
	info, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprint(info.Size() + 1024) // enough for the skeleton, not for the keys of a packed file
	out, err := memtest.Child("pack", source, filepath.Join(dir, "packed.gguf"), limit).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "full: true") {
		t.Errorf("%s", out)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// childPack packs under a limit of file sizes.
func childPack(args []string) int {
	signal.Ignore(syscall.SIGXFSZ)
	limit, err := strconv.ParseUint(args[2], 10, 64)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	err = runtime.Pack(context.Background(), args[0], args[1], runtime.PackOptions{})
	fmt.Println("full:", errors.Is(err, syscall.EFBIG), err)
	return 0
}
