package benchmarks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/seed7adf6694/infer/llama"
)

// beside is a further process that a case's process starts for another job. It ends with the job or
// when its input is closed.
type beside struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      io.Reader
	messages *json.Decoder
}

func startBeside(ctx context.Context, j job) (*beside, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	j.Engine = llama.Engine().Path() // that of this process
	input, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	b := &beside{cmd: exec.CommandContext(ctx, exe, os.Args[1:]...)}
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if b.out, err = b.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	b.messages = json.NewDecoder(b.out)
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := b.in.Write(input); err != nil {
		b.close()
		return nil, fmt.Errorf("another process: %w", err)
	}
	return b, nil
}

// wait reads messages until the process has reached a phase, or, for "", until it has ended.
func (b *beside) wait(phase string) error {
	for {
		var m message
		if err := b.messages.Decode(&m); err != nil {
			return fmt.Errorf("another process: %w", err)
		}
		if m.Error != "" {
			return fmt.Errorf("another process: %s", m.Error)
		}
		if phase != "" && m.Phase == phase || phase == "" && m.End {
			return nil
		}
	}
}

func (b *beside) close() {
	b.in.Close()
	_, _ = io.Copy(io.Discard, b.out)
	_ = b.cmd.Wait()
}
