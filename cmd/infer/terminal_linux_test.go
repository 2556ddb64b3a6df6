package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal of the given size.
func openTerminal(t *testing.T, columns, rows uint16) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals:", err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skip("no pseudo-terminals:", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skip("no pseudo-terminals:", err)
	}
	resize(t, user, columns, rows)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals:", err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

// resize gives a terminal another size, of which the program there is told.
func resize(t *testing.T, user *os.File, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(user.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

// onTerminal starts the program on a terminal of its own.
func onTerminal(t *testing.T, columns uint16, args ...string) (user *os.File, cmd *exec.Cmd) {
	t.Helper()
	return onTerminalOf(t, "xterm", columns, 24, args...)
}

// onTerminalOf is onTerminal with a kind of terminal and its rows.
func onTerminalOf(t *testing.T, kind string, columns, rows uint16, args ...string) (user *os.File, cmd *exec.Cmd) {
	t.Helper()
	user, tty := openTerminal(t, columns, rows)
	cmd, _ = program(t, args...)
	cmd.Env = append(os.Environ(), "TERM="+kind)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	tty.Close()
	return user, cmd
}

// readUntil reads what the program shows until it contains a text, or to the end.
func readUntil(user *os.File, text string) string {
	var seen bytes.Buffer
	b := make([]byte, 4096)
	for text == "" || !strings.Contains(seen.String(), text) {
		n, err := user.Read(b)
		seen.Write(b[:n])
		if err != nil { // EIO, once the program has ended
			break
		}
	}
	return seen.String()
}

func TestProgressOnATerminal(t *testing.T) {
	for _, columns := range []uint16{100, 20} {
		t.Run(fmt.Sprintf("%d columns", columns), func(t *testing.T) {
			dir := t.TempDir()
			// Large enough that the load still runs when the bar appears.
			user, cmd := onTerminal(t, columns, "synthesize", "--shape", "7b", filepath.Join(dir, "large.gguf"))
			seen := readUntil(user, "writing")
			if !strings.Contains(seen, "writing") {
				t.Fatalf("no progress in %q", seen)
			}
			if _, err := user.Write([]byte{3}); err != nil { // Ctrl-C
				t.Fatal(err)
			}
			seen += readUntil(user, "")
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(seen, terminal.ClearLine+"infer: interrupted\r\n") {
				t.Errorf("exit code %d, the terminal shows %q", code, seen)
			}
			for _, line := range strings.Split(seen, terminal.ClearLine) {
				if strings.HasPrefix(line, "writing") && len(strings.TrimSuffix(line, "^C")) > int(columns)-1 {
					t.Errorf("%d columns: %q", len(line), line)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestGenerateOnATerminal(t *testing.T) {
	needEngine(t)
	user, cmd := onTerminal(t, 80, "-n", "5", "--echo", "--temp", "0")
	seen := readUntil(user, "")
	cmd.Wait()
	text, figures, ok := strings.Cut(withoutWarning(seen), "\r\ninfer: loaded ")
	if code := cmd.ProcessState.ExitCode(); code != 0 || !ok || !strings.HasPrefix(text, defaultPrompt) || strings.Contains(seen, "\x1b") {
		t.Errorf("exit code %d, the terminal shows %q, figures %q", code, seen, figures)
	}
	user, cmd = onTerminal(t, 80, "-m", tinyF16)
	seen = readUntil(user, "")
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(seen, "no prompt") {
		t.Errorf("exit code %d, the terminal shows %q", code, seen)
	}
}

func TestHelpOnANarrowTerminal(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help", "memory"}, {"bench", "--help"}} {
		user, cmd := onTerminal(t, 40, args...)
		seen := readUntil(user, "")
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 || len(seen) < 200 {
			t.Errorf("%q: exit code %d, the terminal shows %q", args, code, seen)
		}
		for line := range strings.SplitSeq(seen, "\r\n") {
			if n := utf8.RuneCountInString(line); n > 40 {
				t.Errorf("%q: %d columns: %q", args, n, line)
			}
		}
	}
}
