package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/ggufcases/instruct"
)

// startChat starts a chat on a terminal, with a home of its own, and waits for the prompt.
func startChat(t *testing.T, args ...string) (user *os.File, cmd *exec.Cmd, wait func() (seen string, code int)) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("NO_COLOR", "")
	path := filepath.Join(t.TempDir(), "instruct.gguf")
	if err := instruct.Write(tinyF16, path, map[string]string{"tokenizer.chat_template": storyTeller}); err != nil {
		t.Fatal(err)
	}
	user, cmd = onTerminal(t, 100, append([]string{"chat", "-m", path, "--temp", "0", "-t", "1"}, args...)...)
	if seen := readUntil(user, "> "); !strings.Contains(seen, "/help lists the commands") {
		t.Fatalf("%q", seen)
	}
	return user, cmd, func() (string, int) {
		seen := readUntil(user, "")
		cmd.Wait()
		return seen, cmd.ProcessState.ExitCode()
	}
}

// typed types a text and returns what is shown until want.
func typed(t *testing.T, user *os.File, text, want string) string {
	t.Helper()
	if _, err := user.WriteString(text); err != nil {
		t.Fatal(err)
	}
	seen := readUntil(user, want)
	if !strings.Contains(seen, want) {
		t.Fatalf("%q is not in %q", want, seen)
	}
	return seen
}

func TestAChatOnATerminal(t *testing.T) {
	needEngine(t)
	user, _, wait := startChat(t, "-n", "8")
	typed(t, user, "Once upon a time\r", "largest number of tokens")
	typed(t, user, "\x1b[A", "Once upon a time") // the history
	typed(t, user, "\r", "largest number of tokens")
	typed(t, user, "/system one\\\rtwo\r", "the system prompt is set")
	typed(t, user, "/system\r", "one\r\ntwo")
	typed(t, user, "\"\"\"One\rday\"\"\"\r", "largest number of tokens")
	typed(t, user, "/stats\r", "7 messages, 0 left out")
	typed(t, user, "/nosuch\r", "unknown command /nosuch")
	if _, err := user.Write([]byte{4}); err != nil { // Ctrl-D
		t.Fatal(err)
	}
	if seen, code := wait(); code != 0 || !strings.Contains(seen, "infer: loaded ") {
		t.Errorf("exit code %d: %q", code, seen)
	}
	history, err := os.ReadFile(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "infer", "chat_history"))
	if err != nil || !strings.HasPrefix(string(history), "Once upon a time\n") {
		t.Errorf("%q, %v", history, err)
	}
}

// Ctrl-C stops the answer; another one at the prompt ends the program.
func TestCtrlCStopsTheAnswerAndNotTheChat(t *testing.T) {
	needEngine(t)
	user, _, wait := startChat(t, "--ignore-eos", "-c", "100000") // which takes longer than to press Ctrl-C
	typed(t, user, "Once upon a time\r", "lived")
	typed(t, user, "\x03", "the answer was stopped")
	typed(t, user, "/stats\r", "2 messages, 0 left out\x1b[0m\r\n> ")
	typed(t, user, "\x03", "ends the chat")
	if _, err := user.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if seen, code := wait(); code != exitInterrupted {
		t.Errorf("exit code %d: %q", code, seen)
	}
}

// A pasted text is one message, and the user sends it.
func TestPastesIntoAChat(t *testing.T) {
	needEngine(t)
	user, _, wait := startChat(t, "-n", "8")
	home := t.TempDir()
	typed(t, user, "\x1b[200~one\rtwo\r\t/exit\r\x1b[201~", "one␤two␤␉/exit")
	typed(t, user, "!\r", "largest number of tokens")
	saved := filepath.Join(home, "a talk.json")
	typed(t, user, "/save \""+saved+"\"\r", "2 messages were written")
	text, err := os.ReadFile(saved)
	if err != nil || !strings.Contains(string(text), `"one\ntwo\n\t/exit!"`) {
		t.Errorf("%s, %v", text, err)
	}
	typed(t, user, "\x1b[A\x1b[A", "one␤two␤␉/exit!") // the history
	typed(t, user, "\x15/exit\r", "\x1b[?2004l")
	if seen, code := wait(); code != 0 {
		t.Errorf("exit code %d: %q", code, seen)
	}
}

// A shell that stops the program in an answer and continues it sets the terminal's mode.
func TestLinesAreEditedAfterTheProgramWasStopped(t *testing.T) {
	needEngine(t)
	user, _, wait := startChat(t, "--ignore-eos", "-c", "512")
	typed(t, user, "Once upon a time\r", "lived")
	mode, err := unix.IoctlGetTermios(int(user.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	mode.Iflag |= unix.ICRNL
	mode.Lflag |= unix.ICANON | unix.ECHO | unix.ISIG
	if err := unix.IoctlSetTermios(int(user.Fd()), unix.TCSETS, mode); err != nil {
		t.Fatal(err)
	}
	typed(t, user, "\x03", "the answer was stopped")
	typed(t, user, "\x1b[A", "Once upon a time") // the history, without Enter
	if _, err := user.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if seen, code := wait(); code != exitInterrupted {
		t.Errorf("exit code %d: %q", code, seen)
	}
}

func TestATerminationEndsAChatAtItsPrompt(t *testing.T) {
	needEngine(t)
	user, cmd, wait := startChat(t)
	typed(t, user, "/help\r", "begins a message")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if seen, code := wait(); code != 143 || !strings.Contains(seen, "infer: interrupted") {
		t.Errorf("exit code %d: %q", code, seen)
	}
}

// Notes in a file have no colours, wherever the answers go.
func TestNotesInAFileHaveNoColours(t *testing.T) {
	needEngine(t)
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	user, tty := openTerminal(t, 100, 24)
	cmd, notes := program(t, "chat", "-m", instructModel(t, storyTeller), "-n", "2", "-t", "1")
	cmd.Stdin, cmd.Stdout = tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	readUntil(user, "> ")
	user.WriteString("Once\r/exit\r")
	readUntil(user, "")
	if cmd.Wait(); !strings.Contains(notes.String(), "largest number of tokens") || strings.Contains(notes.String(), "\x1b") {
		t.Errorf("%q", notes)
	}
}

// A model is a stranger's file: a terminal is shown its control characters, and obeys none. A pipe gets
// the bytes.
func TestATerminalObeysNoModel(t *testing.T) {
	needEngine(t)
	const grammar = `root ::= "é\x1b[31mred\x07" "\r\n" "x\rY" "\x9b2J"`
	const written, shown = "é\x1b[31mred\a\r\nx\rY\u009b2J", `é\x1b[31mred\x07` + "\r\n" + `x\x0dY\u009b2J`
	file := filepath.Join(t.TempDir(), "g.gbnf")
	if err := os.WriteFile(file, []byte(grammar), 0o600); err != nil {
		t.Fatal(err)
	}
	thinks := instructModel(t, storyTeller+"<think>")
	t.Setenv("NO_COLOR", "1")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for name, args := range map[string][]string{
		"a text":    {"-p", "Once"},
		"an answer": {"-m", instructModel(t, storyTeller), "-p", "Once"},
		"reasoning": {"-m", thinks, "-p", "Once"},
		"a prompt":  {"-p", written, "-n", "0", "--echo"},
	} {
		args = append(args, "--grammar-file", file, "-q", "-t", "1")
		if got := call(t, args...); got.code != 0 || !strings.Contains(got.out, written) {
			t.Errorf("%s in a pipe: %+v", name, got)
		}
		user, cmd := onTerminal(t, 100, args...)
		seen := strings.ReplaceAll(readUntil(user, ""), "\r\r\n", "\r\n")
		if cmd.Wait(); !strings.Contains(seen, shown) || strings.ContainsAny(seen, "\x1b\a\u009b") {
			t.Errorf("%s: the terminal shows %q", name, seen)
		}
	}
	user, cmd := onTerminal(t, 100, "chat", "-m", thinks, "--grammar-file", file, "-q", "-t", "1")
	readUntil(user, "> ")
	typed(t, user, "Once\r", `é\x1b[31mred\x07`)
	readUntil(user, "> ")
	user.Write([]byte{4})
	readUntil(user, "")
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
	}
}
