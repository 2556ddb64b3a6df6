package serving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
)

// Times of a server's process.
const (
	poll  = 20 * time.Millisecond // between two looks at it
	grace = 30 * time.Second      // to end after it was asked to
)

// Server is a server in a process of its own, which may start others.
type Server struct {
	URL      string
	LoadTime time.Duration // from its start on, or for [Ollama] from the request to load the model

	client Client // what its clients have to know
	folder string // removed with it; "": none
	cmd    *exec.Cmd
	group  *memtest.Cgroup // nil: none
	errs   tail
	ended  chan struct{} // the process has ended
	stop   chan struct{} // no more samples
	done   sync.WaitGroup
	peak   Memory
}

// Memory are the largest amounts of memory of a server, in bytes; 0 if unknown.
type Memory struct {
	RSS   uint64 // resident, with the pages of files that it maps
	Anon  uint64 // private memory
	Group uint64 // of its control group, with the page cache
}

// Start starts a server on a free port of this machine, which the arguments get as --host and --port,
// in a control group with a memory limit if that is not 0. It returns when the server may be used.
func Start(ctx context.Context, command []string, limit uint64) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := append(append([]string{}, command[1:]...), "--host", "127.0.0.1", "--port", strconv.Itoa(port))
	return start(ctx, exec.Command(command[0], args...), &Server{URL: "http://127.0.0.1:" + strconv.Itoa(port)}, limit)
}

// start starts the server s as the command says. After an error it has ended.
func start(ctx context.Context, cmd *exec.Cmd, s *Server, limit uint64) (_ *Server, err error) {
	begin := clock.Now()
	s.cmd, s.ended, s.stop = cmd, make(chan struct{}), make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = &s.errs, &s.errs
	s.cmd.WaitDelay = grace // a process that it has started may keep the outputs open
	var limits memtest.Limits
	if limit > 0 {
		if s.group, err = memtest.NewCgroup(limit); err != nil {
			return nil, err
		}
		limits.Cgroup = s.group
	}
	if err := memtest.Start(s.cmd, limits); err != nil {
		return nil, errors.Join(err, s.closeGroup())
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is in ProcessState
		close(s.ended)
	}()
	s.done.Add(1)
	go s.watch()
	if err := s.wait(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.LoadTime = clock.Since(begin)
	return s, nil
}

// Client returns a client of the server.
func (s *Server) Client(chat bool) *Client {
	c := NewClient(s.URL, chat)
	c.Model, c.health = s.client.Model, cmp.Or(s.client.health, c.health)
	return c
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// wait waits until the server answers.
func (s *Server) wait(ctx context.Context) error {
	client := s.Client(false)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !client.Healthy(ctx) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ended:
			return s.Err()
		case <-tick.C:
		}
	}
	return nil
}

// Err returns how the server's process ended, if it has, or does so while it closes connections.
func (s *Server) Err() error {
	select {
	case <-s.ended:
	case <-time.After(50 * poll):
		return nil
	}
	if s.group != nil {
		if use, err := s.group.Usage(); err == nil && use.OOMKills > 0 {
			return fmt.Errorf("the server was killed: it needed more than the control group's limit of %s", words.Size(s.group.Limit))
		}
	}
	return fmt.Errorf("the server has ended: %s: %s", s.cmd.ProcessState, s.errs.last())
}

// watch looks at the server's memory until it stops, and once more then.
func (s *Server) watch() {
	defer s.done.Done()
	tick := time.NewTicker(5 * poll)
	defer tick.Stop()
	for last := false; ; {
		if rss, anon, ok := treeMemory(s.cmd.Process.Pid); ok {
			s.peak.RSS, s.peak.Anon = max(s.peak.RSS, rss), max(s.peak.Anon, anon)
		}
		if s.group != nil {
			if use, err := s.group.Usage(); err == nil {
				s.peak.Group = max(s.peak.Group, use.Peak, use.Current)
			}
		}
		if last {
			return
		}
		select {
		case <-s.stop:
			last = true
		case <-tick.C:
		}
	}
}

// Memory ends the watch and returns the peaks.
func (s *Server) Memory() Memory {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.done.Wait()
	return s.peak
}

// Stop asks the server to end, waits for that, and removes its control group.
func (s *Server) Stop() error {
	s.Memory()
	if s.cmd.Process.Signal(syscall.SIGTERM) != nil {
		_ = s.cmd.Process.Kill() // it has ended, or knows no signals
	}
	var err error
	select {
	case <-s.ended:
	case <-time.After(grace):
		err = fmt.Errorf("the server did not end within %s after SIGTERM", grace)
		_ = s.cmd.Process.Kill() // it has ended meanwhile
		<-s.ended
	}
	if s.folder != "" {
		err = errors.Join(err, os.RemoveAll(s.folder))
	}
	return errors.Join(err, s.closeGroup())
}

func (s *Server) closeGroup() error {
	if s.group == nil {
		return nil
	}
	return s.group.Close()
}

// tail keeps the end of a text. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

// last returns the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return lines[len(lines)-1]
}
