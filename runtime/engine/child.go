package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/llama/engines"
	"github.com/seed7adf6694/infer/runtime"
)

const (
	mostOutput = 1 << 20 // of a trial that is kept, in bytes
	mostErrors = 64 << 10
)

var errTimeout = errors.New("the time limit of the trial has passed")

// try tries an engine in a child process and stores the verdict. The error says why there is none.
func (o Options) try(ctx context.Context, c candidate) (v engines.Verdict, r report, err error) {
	input, err := json.Marshal(order{c.path()})
	if err != nil {
		return v, r, err
	}
	timeout := cmp.Or(o.Timeout, DefaultTimeout)
	limited, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, o.Command[0], o.Command[1:]...)
	// A crash is to write one line and no core.
	cmd.Env = append(os.Environ(), "GOTRACEBACK=single")
	out, errs := head{most: mostOutput}, head{most: mostErrors}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &errs
	cmd.WaitDelay = time.Second // for what the library has started
	ended := cmd.Run()
	if ctx.Err() != nil {
		return v, r, context.Cause(ctx)
	}
	r, reported := readReport(out.text)
	switch {
	case reported:
	case errors.Is(context.Cause(limited), errTimeout):
		r.Failure, r.Reason = Hang, fmt.Sprintf("its trial did not end within %s", timeout)
	case cmd.ProcessState == nil:
		return v, r, fmt.Errorf("trial of an engine: %w", ended)
	case killed(cmd.ProcessState):
		return v, r, fmt.Errorf("trial of the engine %s: its process was killed", cmp.Or(c.folder.Path, Builtin))
	default:
		r.Failure, r.Reason = Crash, "it ended the process of its trial: "+lastWords(errs.text, cmd.ProcessState)
	}
	if r.Memory {
		return v, r, fmt.Errorf("%w: trial of the engine %s: %s", runtime.ErrInsufficientMemory, cmp.Or(c.folder.Path, Builtin), r.Reason)
	}
	v = engines.Verdict{
		Hash: c.hash, OK: r.Failure == "", Failure: string(r.Failure), Reason: r.Reason,
		ABI: r.Engine.ABI, Version: r.Engine.Version, Time: time.Now(), Checker: checker(),
	}
	if c.builtin {
		return v, r, nil
	}
	if now, err := c.folder.Hash(); err == nil && len(c.folder.Engines) == 1 && now != c.hash {
		return v, r, fmt.Errorf("trial of the engine %s: its libraries were changed meanwhile: try again", c.folder.Path)
	}
	// Without a folder for data the next process tries again.
	if err := engines.StoreVerdict(v); err != nil && !errors.Is(err, engines.ErrNoHome) && !errors.Is(err, os.ErrPermission) {
		return v, r, err
	}
	return v, r, nil
}

// readReport finds the report in what the child process and its libraries printed.
func readReport(out []byte) (r report, ok bool) {
	for _, line := range slices.Backward(bytes.Split(out, []byte("\n"))) {
		r = report{}
		if json.Unmarshal(line, &r) == nil && r.Trial {
			return r, true
		}
	}
	return report{}, false
}

// lastWords says how a process ended that was to report: by the line of Go about a signal or an
// exception, or by the last line.
func lastWords(errs []byte, state *os.ProcessState) string {
	last := ""
	for line := range strings.Lines(string(errs)) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"SIG", "Exception 0x", "[signal "} {
			if strings.HasPrefix(line, mark) {
				return strings.Trim(line, "[]")
			}
		}
		last = cmp.Or(line, last)
	}
	if last == "" {
		return state.String()
	}
	return state.String() + ": " + last
}

// head keeps the beginning of what is written.
type head struct {
	text []byte
	most int
}

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), h.most-len(h.text))]...)
	return len(p), nil
}
