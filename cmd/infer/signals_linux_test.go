package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"golang.org/x/sys/unix"
)

// endBySignals sends Ctrl-C to a command, again and again as a user does, until it has
// ended: the minutes that a test's program has are the bound.
func endBySignals(cmd *exec.Cmd) syscall.WaitStatus {
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for {
		select {
		case <-ended:
			return cmd.ProcessState.Sys().(syscall.WaitStatus)
		default:
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
	}
}

// byCtrlC tells whether a command ended as a shell expects after Ctrl-C.
func byCtrlC(s syscall.WaitStatus) bool {
	return s.Signaled() && s.Signal() == syscall.SIGINT || s.Exited() && s.ExitStatus() == 130
}

func TestASecondSignalEndsACommandThatNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize())
	if err != nil {
		t.Fatal(err)
	}
	cmd, _ := program(t, "inspect", "--full", tinyF16)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	w.Close()
	for n := 0; n < size; { // it waits for a reader when the pipe is full
		if n, err = unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
	}
	if s := endBySignals(cmd); !byCtrlC(s) {
		t.Errorf("ended with %#x", s)
	}
}

func TestSignalsEndAStockLoadThatDoesNotFit(t *testing.T) {
	needEngine(t)
	file := filepath.Join(t.TempDir(), "large.gguf")
	if r := call(t, "synthesize", "-q", "--shape", "110m", file); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if err := memtest.DropCache(file); err != nil { // it is not this process's, then
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--load", "stock"}, {"--load", "stock", "--no-repack"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cg, err := memtest.NewCgroup(120 << 20)
			memtest.Need(t, err)
			defer cg.Close()
			// In the group before the first page is touched.
			cmd, stderr := program(t)
			program := cmd.Path
			cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `read go && exec "$0" "$@"`, program}, append([]string{"-m", file, "-p", "Once", "--ignore-eos", "--context-shift"}, args...)...)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout = new(bytes.Buffer)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			if err := cg.Add(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Write([]byte("go\n")); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { cmd.Wait(); close(ended) }()
			for full := false; !full; {
				u, err := cg.Usage()
				if err != nil {
					t.Fatal(err)
				}
				select {
				case <-ended:
					t.Fatalf("ended before it was interrupted: %v, stderr %q", cmd.ProcessState, stderr)
				default:
					full = u.Failures > 0
				}
			}
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			<-ended
			if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !byCtrlC(s) {
				t.Errorf("ended with %#x, stderr %q", s, stderr)
			}
		})
	}
}
