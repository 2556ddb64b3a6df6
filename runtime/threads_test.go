//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

// Sessions that compute at the same time share the threads, and generate the same as alone.
func TestSessionsShareTheThreads(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	want, err := session(t, m, runtime.SessionOptions{Context: 128, Threads: 1}).Complete(t.Context(), prompt, greedyOptions(30))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 128, Threads: i % 2 * goruntime.NumCPU()})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for range 3 {
				if got, err := s.Complete(t.Context(), prompt, greedyOptions(30)); err != nil || got != want {
					t.Errorf("%q, %v", got, err)
				}
			}
			if st := s.Stats(); st.Threads < 1 || st.BatchThreads < 1 || st.Threads > goruntime.NumCPU() {
				t.Errorf("%d and %d threads", st.Threads, st.BatchThreads)
			}
		})
	}
	wg.Wait()
}

func TestThreadsBeyondTheProcessorsAreRefused(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	n := goruntime.NumCPU()
	for _, o := range []runtime.SessionOptions{{Threads: n + 1}, {BatchThreads: n + 1}, {Threads: 512}, {Threads: -1}} {
		_, err := m.NewSession(t.Context(), o)
		option, value := "threads", o.Threads
		if o.BatchThreads != 0 {
			option, value = "batch threads", o.BatchThreads
		}
		var e *runtime.OptionError
		if !errors.Is(err, runtime.ErrOption) || !errors.As(err, &e) || e.Option != option || e.Value != strconv.Itoa(value) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	s := session(t, m, runtime.SessionOptions{Context: 64, Threads: n, BatchThreads: 1})
	if _, err := s.Complete(t.Context(), prompt, greedyOptions(3)); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Threads != n || st.BatchThreads != 1 {
		t.Errorf("%d and %d threads, %d and 1 were asked for", st.Threads, st.BatchThreads, n)
	}
}

// Long prompts of two sessions take turns by micro-batches, and give the same as one after the
// other.
func TestAPromptInMicroBatches(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	long := strings.Repeat("Once upon a time there was a house. ", 20)
	var want string
	for _, o := range []runtime.SessionOptions{
		{Context: 512, UBatch: 32, Threads: 1},
		{Context: 512, UBatch: 32},
		{Context: 512, UBatch: 32, Batch: 32},
	} {
		got, err := session(t, m, o).Complete(t.Context(), long, greedyOptions(20))
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
}

func TestClosingASessionThatWaitsForThreads(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 2 * goruntime.NumCPU() { // more than can compute at once
		s := session(t, m, runtime.SessionOptions{Context: 64})
		started := make(chan struct{})
		wg.Go(func() {
			var once sync.Once
			for {
				for _, err := range s.Generate(ctx, prompt, runtime.GenerateOptions{IgnoreEOG: true, Overflow: runtime.OverflowShift}) {
					if err != nil {
						if !errors.Is(err, runtime.ErrClosed) {
							t.Error(err)
						}
						return
					}
					once.Do(func() { close(started) })
				}
			}
		})
		<-started
		defer s.Close()
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
