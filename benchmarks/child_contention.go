package benchmarks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// Phases of the processes that run beside the case's process.
const (
	spinning = "spinning"
	ready    = "ready"
)

// spin keeps a processor busy until its input is closed.
func spin(_ context.Context, _ job, r *reporter) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, r.in)
	}()
	r.phase(spinning, 0, 0)
	for {
		select {
		case <-ended:
			return nil
		default:
			for range 1 << 16 { // long compared with a check of the channel
			}
		}
	}
}

// contend generates in the job's number of processes and sessions, while other processes keep
// processors busy, and reports the total rate in tokens per second.
func contend(ctx context.Context, j job, r *reporter) error {
	start := func(n int, what string, phase string) ([]*beside, error) {
		var all []*beside
		for range n {
			other := j
			other.Do = what
			b, err := startBeside(ctx, other)
			if err != nil {
				return all, err
			}
			all = append(all, b)
		}
		for _, b := range all {
			if err := b.wait(phase); err != nil {
				return all, err
			}
		}
		return all, nil
	}
	closeAll := func(all []*beside) {
		for _, b := range all {
			b.close()
		}
	}
	others, err := start(j.Processes-1, "streams", ready)
	defer func() { closeAll(others) }()
	if err != nil {
		return err
	}
	own, err := openStreams(ctx, j, r)
	if err != nil {
		return err
	}
	defer own.close()
	busy, err := start(j.Busy, "spin", spinning)
	defer func() { closeAll(busy) }()
	if err != nil {
		return err
	}

	began := clock.Now()
	for _, b := range others {
		b.in.Close() // closing the input starts it
	}
	err = own.run(ctx, r)
	for _, b := range others {
		err = errors.Join(err, b.wait(""))
	}
	if err != nil {
		return err
	}
	took := clock.Since(began).Seconds()
	r.metrics(map[string]float64{totalRate: float64(j.Tokens*j.Sessions*j.Processes) / took, testSeconds: took})
	return nil
}

// streamsBeside generates in a process beside the case's process. It starts when its input is
// closed.
func streamsBeside(ctx context.Context, j job, r *reporter) error {
	s, err := openStreams(ctx, j, r)
	if err != nil {
		return err
	}
	defer s.close()
	r.phase(ready, 0, 0)
	_, _ = io.Copy(io.Discard, r.in)
	return s.run(ctx, r)
}

// streams are sessions of one model that generate at the same time.
type streams struct {
	job      job
	model    *runtime.Model
	sessions []*runtime.Session
}

func openStreams(ctx context.Context, j job, r *reporter) (*streams, error) {
	m, first, err := j.open(ctx, r)
	if err != nil {
		return nil, err
	}
	s := &streams{job: j, model: m, sessions: []*runtime.Session{first}}
	for len(s.sessions) < j.Sessions {
		more, err := m.NewSession(ctx, j.session())
		if err != nil {
			s.close()
			return nil, err
		}
		s.sessions = append(s.sessions, more)
	}
	return s, nil
}

func (s *streams) close() {
	for _, one := range s.sessions {
		one.Close()
	}
	s.model.Close()
}

// run generates in all sessions at once.
func (s *streams) run(ctx context.Context, r *reporter) error {
	var wg sync.WaitGroup
	errs := make([]error, len(s.sessions))
	for i, one := range s.sessions {
		wg.Go(func() {
			n := 0
			for _, err := range one.Generate(ctx, s.job.Prompt, runtime.GenerateOptions{MaxTokens: s.job.Tokens, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
				if err != nil {
					errs[i] = err
					return
				}
				if n++; i == 0 {
					r.phase("generating", uint64(n), uint64(s.job.Tokens))
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

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
