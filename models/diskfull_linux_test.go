package models

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// confine restricts this process before its task, and returns exit status 0 if it could.
func confine(how string) int {
	name, arg, _ := strings.Cut(how, " ")
	switch name {
	case "limit-size": // of files, to arg bytes
		limit, _ := strconv.ParseUint(arg, 10, 64)
		// The signal's default action ends the process before write can fail.
		signal.Ignore(syscall.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
	case "small-disk": // mounted on cache and temporary folder
		for _, dir := range []string{os.Getenv("XDG_CACHE_HOME"), os.TempDir()} {
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+arg); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 3
			}
		}
	default:
		fmt.Fprintf(os.Stderr, "unknown limit %q\n", how)
		return 2
	}
	return 0
}

func TestAFullDiskLeavesNothingBehind(t *testing.T) {
	for _, c := range []struct {
		name, limit, errno string
		mounts             bool
	}{
		{"files may not grow past one byte", "limit-size 1", "EFBIG true", false},
		{"files may not grow past a megabyte", "limit-size 1000000", "EFBIG true", false},
		{"the disk has one page", "small-disk 4k", "ENOSPC true", true},
		{"the disk has a megabyte", "small-disk 1m", "ENOSPC true", true},
	} {
		for _, what := range []string{"extracting the embedded model", "writing a synthetic model"} {
			t.Run(c.name+", "+what, func(t *testing.T) {
				cache, temp := withCache(t)
				task, left := "tiny", 2
				if strings.HasPrefix(what, "writing") {
					task, left = "synthesize "+cache+"/model.gguf", 1
				}
				cmd := startChild(t, task, confineVariable+"="+c.limit)
				if c.mounts {
					cmd.SysProcAttr = privateMounts()
				}
				out, err := cmd.Output()
				var exit *exec.ExitError
				switch {
				case err == nil && c.mounts && task == "tiny" && strings.HasPrefix(string(out), "/proc/"):
					return // it lies in memory
				case err == nil:
					t.Fatalf("it fitted: %s", out)
				case !errors.As(err, &exit) || exit.ExitCode() == 3:
					t.Skipf("no own mounts or limits here: %v", err)
				case exit.ExitCode() != 1:
					t.Fatalf("%v: %s", err, out)
				}
				if !strings.Contains(string(out), c.errno) {
					t.Errorf("want %s, got %s", c.errno, out)
				}
				if n := strings.Count(string(out), "left [] <nil>"); n != left {
					t.Errorf("files were left behind: %s", out)
				}
				wantOnly(t, cache)
				wantOnly(t, temp)
			})
		}
	}
}

// privateMounts gives the child mounts that nobody else sees.
func privateMounts() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}
