//go:build unix

package talk

import (
	"io"
	"os"
	"os/signal"
	"reflect"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/peterh/liner"
)

const ctrlZ = 26

// editor edits lines on a terminal, whose input passes through a filter first: liner knows neither
// pastes nor Ctrl-Z.
type editor struct {
	*liner.State
	pastes    pastes
	before    liner.ModeApplier                 // the shell's mode
	mode      liner.ModeApplier                 // between lines; nil without a filter
	editing   atomic.Bool                       // a line
	edited    atomic.Pointer[liner.ModeApplier] // the mode in which a line was suspended
	continued chan os.Signal
	again     chan struct{} // gets a value when the mode was set again
}

func newEditor() *editor {
	e := &editor{}
	in := os.Stdin
	r, w, err := os.Pipe()
	if err != nil || !liner.TerminalSupported() {
		e.State = liner.NewLiner()
		return e
	}
	e.before, _ = liner.TerminalMode()
	os.Stdin = r // which liner reads; it asks the terminal itself for its mode and size
	e.State = liner.NewLiner()
	os.Stdin = in
	e.mode, _ = liner.TerminalMode()
	os.Stdout.WriteString(pasteOn)
	e.continued, e.again = make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(e.continued, syscall.SIGCONT)
	go func() {
		for range e.continued {
			e.goOn()
		}
	}()
	go e.pass(in, w) // ends with the terminal, or the process
	return e
}

// pass passes on what is typed.
func (e *editor) pass(in io.Reader, out io.WriteCloser) {
	defer out.Close()
	b := make([]byte, 4096)
	for {
		n, err := in.Read(b)
		typed := e.pastes.filter(b[:n])
		if len(typed) == 1 && typed[0] == ctrlZ {
			e.suspend()
			typed = nil
		}
		if _, bad := out.Write(typed); err != nil || bad != nil {
			return
		}
	}
}

// patience is how long a job may take to stop. One without a shell does not stop.
const patience = 200 * time.Millisecond

// suspend stops the process's job, as Ctrl-Z does between lines, until it is continued.
func (e *editor) suspend() {
	if now, err := liner.TerminalMode(); err == nil {
		e.edited.Store(&now)
	}
	os.Stdout.WriteString(pasteOff)
	e.before.ApplyMode()
	_ = syscall.Kill(0, syscall.SIGTSTP)
	select {
	case <-e.again:
	case <-time.After(patience):
		e.goOn()
	}
}

// goOn sets the mode again after the process was stopped, as the shell has its own, and shows the line.
func (e *editor) goOn() {
	mode := e.mode
	if edited := e.edited.Load(); edited != nil && e.editing.Load() {
		mode = *edited
	}
	mode.ApplyMode()
	os.Stdout.WriteString(pasteOn)
	if e.editing.Load() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGWINCH)
	}
	select {
	case e.again <- struct{}{}:
	default:
	}
}

// Prompt reads a line.
func (e *editor) Prompt(prompt string) (string, error) {
	if now, err := liner.TerminalMode(); e.mode != nil && err == nil && !reflect.DeepEqual(now, e.mode) {
		e.goOn()
	}
	e.editing.Store(true)
	defer e.editing.Store(false)
	line, err := e.State.Prompt(prompt)
	return e.pastes.message(line), err
}

func (e *editor) Close() error {
	if e.mode != nil {
		signal.Stop(e.continued)
		os.Stdout.WriteString(pasteOff)
	}
	return e.State.Close()
}
