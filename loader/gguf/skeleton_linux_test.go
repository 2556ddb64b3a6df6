package gguf

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSkeletonOfTerabytesTakesNoMemory(t *testing.T) {
	s, err := largeIndex(t).Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var info unix.Stat_t
	if err := unix.Stat(s.Path(), &info); err != nil {
		t.Fatal(err)
	}
	if info.Size < 3<<40 || info.Blocks*512 > 64<<10 {
		t.Errorf("%d bytes in size, %d in use", info.Size, info.Blocks*512)
	}
}

func TestSkeletonInMemoryCannotBeChanged(t *testing.T) {
	s, err := largeIndex(t).Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.HasPrefix(s.Path(), "/proc/") {
		t.Skip("this system has no files in memory")
	}
	f, err := os.OpenFile(s.Path(), os.O_RDWR, 0)
	if err != nil {
		return // also fine
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("GGUF"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing to it: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("cutting it short: %v", err)
	}
}

func TestSkeletonBeyondTheLimitOfTheProcess(t *testing.T) {
	const env = "LOADER_TEST_FILE_LIMIT"
	if os.Getenv(env) == "" {
		// The limit holds for a whole process: use a child.
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), env+"=1")
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	s, err := largeIndex(t).Skeleton()
	if err == nil {
		s.Close()
		t.Fatal("no error")
	}
	if !errors.Is(err, unix.EFBIG) || !strings.Contains(err.Error(), "ulimit") {
		t.Errorf("error %v", err)
	}
}

func TestSkeletonWithoutFilesInMemory(t *testing.T) {
	// A process that may open no more files can make none in memory either.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	ix := largeIndex(t)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	s, err := ix.Skeleton()
	if e := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); e != nil {
		t.Fatal(e)
	}
	if err == nil {
		s.Close()
		t.Fatal("a file was opened beyond the limit")
	}
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "large.gguf") {
		t.Errorf("error %v", err)
	}
}
