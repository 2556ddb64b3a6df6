//go:build cgo

package runtime_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/runtime"
)

// goOn generates some tokens after the session's text, or after the prompt.
func goOn(t *testing.T, s *runtime.Session, prompt string) (text string) {
	t.Helper()
	for x, err := range s.Generate(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 8, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Error(err)
			return text
		}
		text += x.Text
	}
	return text
}

// asking is a logger's handler that calls the model's Report.
type asking struct {
	slog.Handler
	m **runtime.Model
}

func (a asking) Handle(ctx context.Context, r slog.Record) error {
	if *a.m != nil {
		(*a.m).Report()
	}
	return a.Handler.Handle(ctx, r)
}

func TestALoggerMayAskAModelThatMoves(t *testing.T) {
	path, _ := ownCopy(t)
	defer runtime.SetIdle(runtime.SetIdle(0))
	var m *runtime.Model
	var log bytes.Buffer
	m = open(t, path, runtime.Options{Load: runtime.LoadCopy, Packed: runtime.PackedOff, Logger: slog.New(asking{slog.NewTextHandler(&log, nil), &m})})
	if err := m.MoveTo(t.Context(), packedOf(t, path)); err != nil || !strings.Contains(log.String(), "has moved") {
		t.Errorf("%v, %s", err, log.String())
	}
}

func TestAnIdleModelMovesToThePackedFile(t *testing.T) {
	path, cache := ownCopy(t)
	defer runtime.SetIdle(runtime.SetIdle(time.Millisecond))
	adapters := []runtime.Adapter{{Path: adapter(t), Scale: 0.5}}
	so := runtime.SessionOptions{Context: 128, Threads: 1}
	copied := open(t, path, runtime.Options{Load: runtime.LoadCopy, Adapters: adapters})
	s := session(t, copied, so)
	want := goOn(t, s, prompt)
	wantAfter := goOn(t, s, " Then")

	for _, load := range []runtime.LoadMode{runtime.LoadAuto, runtime.LoadMMap} { // the first one copies, and fills the cache
		t.Run(load.String(), func(t *testing.T) {
			m := open(t, path, runtime.Options{Load: load, Adapters: adapters, CacheDir: cache})
			s := session(t, m, so)
			got := goOn(t, s, prompt)
			if load == runtime.LoadAuto {
				m.AwaitPacking()
			} else if err := m.MoveTo(t.Context(), cachedFiles(t, cache)[0].Path); err != nil {
				t.Fatal(err)
			}
			r := m.Report()
			if r.Packed == 0 || r.Repacked != 0 || r.LoadMode != runtime.LoadMMap || r.Path != path {
				t.Errorf("%d bytes packed, %d repacked, %v: %s", r.Packed, r.Repacked, r.LoadMode, r.LoadReason)
			}
			gotAfter := goOn(t, s, " Then")
			fresh := goOn(t, session(t, m, so), prompt)
			if load == runtime.LoadAuto && (got != want || gotAfter != wantAfter || fresh != want) {
				t.Errorf("%q, %q, %q; want %q, %q", got, gotAfter, fresh, want, wantAfter)
			}
			if gotAfter == "" || fresh == "" {
				t.Error("nothing is generated after the move")
			}
			m.Close()
			if left := m.Report().Memory.Total.Current; left != 0 {
				t.Errorf("%d bytes are left", left)
			}
		})
	}
}

func TestAModelThatCanNotMoveStays(t *testing.T) {
	path, cache := ownCopy(t)
	m := open(t, path, runtime.Options{Packed: runtime.PackedRequire, CacheDir: cache})
	file := cachedFiles(t, cache)[0].Path
	m.Close()
	so := runtime.SessionOptions{Context: 128, Threads: 1}
	m = open(t, path, runtime.Options{Load: runtime.LoadMMap})
	s := session(t, m, so)
	want := goOn(t, s, prompt)
	before := m.Report().Memory.Total.Current
	stays := func(name string, m *runtime.Model, ctx context.Context, file string) {
		t.Helper()
		if err := m.MoveTo(ctx, file); err == nil {
			t.Errorf("%s: it moves", name)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	stays("a call that is given up", m, cancelled, file)
	stays("a file that is not packed", m, t.Context(), path)
	stays("no file", m, t.Context(), file+".not")
	budgeted := open(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: 1 << 30})
	stays("a model with a budget", budgeted, t.Context(), file)
	if err := os.Truncate(file, 100_000); err != nil {
		t.Fatal(err)
	}
	stays("a file that is cut short", m, t.Context(), file)
	if r := m.Report(); r.Packed != 0 || r.Memory.Total.Current != before {
		t.Errorf("%d bytes packed; %d bytes taken, and %d before", r.Packed, r.Memory.Total.Current, before)
	}
	if got := goOn(t, session(t, m, so), prompt); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Generations go on while the model moves, and the model can be closed meanwhile.
func TestAModelMovesWhileSessionsComeAndGo(t *testing.T) {
	path, cache := ownCopy(t)
	defer runtime.SetIdle(runtime.SetIdle(time.Microsecond))
	m := open(t, path, runtime.Options{CacheDir: cache})
	so := runtime.SessionOptions{Context: 128, Threads: 1}
	want := goOn(t, session(t, m, so), prompt)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 10 {
				s, err := m.NewSession(t.Context(), so)
				if err != nil {
					t.Error(err)
					return
				}
				if got := goOn(t, s, prompt); got != want {
					t.Errorf("%q, want %q", got, want)
				}
				m.Report()
				s.Close()
			}
		})
	}
	wg.Wait()
	m.AwaitPacking()
	if r := m.Report(); r.Packed == 0 {
		t.Errorf("not moved: %s", r.LoadReason)
	}

	m = open(t, path, runtime.Options{CacheDir: cache, Packed: runtime.PackedOff})
	moved := make(chan error)
	go func() { moved <- m.MoveTo(t.Context(), cachedFiles(t, cache)[0].Path) }()
	s := session(t, m, so)
	goOn(t, s, prompt)
	s.Close()
	if err := <-moved; err != nil {
		t.Error(err)
	}
	m.Close()
}
