package main

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/windows"
)

// A pipe between programs that is not anonymous: what reads it may disconnect.
func TestAPipeThatIsDisconnectedEndsItQuietly(t *testing.T) {
	needEngine(t)
	name, err := windows.UTF16PtrFromString(fmt.Sprintf(`\\.\pipe\infer-test-%d`, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	server, err := windows.CreateNamedPipe(name, windows.PIPE_ACCESS_INBOUND, windows.PIPE_TYPE_BYTE|windows.PIPE_WAIT, 1, 1<<12, 1<<12, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(server)
	client, err := windows.CreateFile(name, windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := os.NewFile(uintptr(client), "pipe")
	defer out.Close()
	cmd, stderr := program(t, endless("-q")...)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var n uint32
	if err := windows.ReadFile(server, make([]byte, 1), &n, nil); err != nil || n != 1 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if err := windows.DisconnectNamedPipe(server); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 || withoutWarning(stderr.String()) != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	_, err = out.Write([]byte("x"))
	if !isBrokenPipe(err) {
		t.Errorf("%v is not taken for a pipe that nobody reads", err)
	}
}

func TestErrorsOfBrokenPipes(t *testing.T) {
	for _, err := range []error{windows.ERROR_BROKEN_PIPE, windows.ERROR_NO_DATA, windows.ERROR_PIPE_NOT_CONNECTED} {
		if !isBrokenPipe(&os.PathError{Op: "write", Path: "|1", Err: err}) {
			t.Errorf("%v", err)
		}
	}
	for _, err := range []error{windows.ERROR_DISK_FULL, windows.ERROR_INVALID_HANDLE, windows.ERROR_PIPE_BUSY} {
		if isBrokenPipe(err) {
			t.Errorf("%v", err)
		}
	}
}
