//go:build cgo

package benchmarks

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

// pressable is a model beside which the Go runtime is small.
var pressable = Model{Shape: "layers=8,width=1024,heads=8,kv_heads=2,ffn=4096,vocab=4096", Type: "f16"}

// needGroup skips a test where no control group can be made.
func needGroup(t *testing.T) {
	t.Helper()
	g, err := memtest.NewCgroup(1 << 30)
	memtest.Need(t, err)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPressure(t *testing.T) {
	needGroup(t)
	var written Results
	r := Runner{Repetitions: 1, OnRecord: func(rec Record) error { written = append(written, rec); return nil }}
	m := pressable
	m.Dir = t.TempDir()
	rs, err := r.Pressure(t.Context(), PressureOptions{Model: m, Shares: []float64{0.85}, Tokens: 4, Threads: 1, Lookup: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != 4+1+4 || len(written) != len(rs) {
		t.Fatalf("%d records, %d of them given away", len(rs), len(written))
	}
	if err := rs.Err(); err != nil {
		t.Error(err)
	}
	for _, rec := range rs.derived() {
		if rec.Status == Skipped && rec.Case == "disk" { // a file system without O_DIRECT
			t.Log(rec.Reason)
			continue
		}
		var known []string
		switch {
		case rec.Case == "disk":
			known = []string{diskRate, diskBusyRate}
		case rec.Labels["budget"] == ample:
			known = []string{tokenRate, loadTime, firstToken, "peak_rss_bytes"}
		case rec.Labels["load"] == "stock":
			known = []string{tokenRate, readPerToken, groupPeak, limitBytes}
		default:
			known = []string{tokenRate, readPerToken, streamedToken, groupPeak, limitBytes, "streamed_layers"}
		}
		for _, name := range known {
			if v := rec.Metrics[name]; !(v > 0) || math.IsInf(v, 0) {
				t.Errorf("%s: %s is %g", rec.Case, name, v)
			}
		}
		if _, said := rec.Metrics["page_cache_dropped"]; said != (rec.Metrics[limitBytes] > 0) {
			t.Errorf("%s: whether its pages were dropped: %v", rec.Case, rec.Metrics)
		}
		if peak := rec.Metrics[groupPeak]; peak > rec.Metrics[limitBytes] {
			t.Errorf("%s: a peak of %g under a limit of %g", rec.Case, peak, rec.Metrics[limitBytes])
		}
		if rec.Case != "disk" && len(rec.Tokens) != 4 {
			t.Errorf("%s: %d tokens", rec.Case, len(rec.Tokens))
		}
		if len(rec.Model.SHA256) != 64 || rec.Engine.Commit == "" || rec.Machine.CPUs == 0 || rec.Run.IsZero() {
			t.Errorf("%s: %+v", rec.Case, rec)
		}
	}
	if err := rs.Plot(filepath.Join(t.TempDir(), "p.svg")); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(m.Dir); err != nil || len(files) != 1 {
		t.Errorf("the folder of models holds %v, %v", files, err)
	}
}

func TestAnInterruptedRunKeepsWhatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := Runner{OnRecord: func(Record) error { cancel(); return nil }}
	rs, err := r.Pressure(ctx, PressureOptions{Tokens: 2, Threads: 1, Context: 64})
	if !errors.Is(err, context.Canceled) || len(rs) != 1 || rs[0].Status != OK {
		t.Errorf("%v, %+v", err, rs)
	}
	full := errors.New("disk full")
	r.OnRecord = func(Record) error { return full }
	if rs, err := r.Pressure(t.Context(), PressureOptions{Tokens: 2, Threads: 1, Context: 64}); !errors.Is(err, full) || len(rs) != 1 {
		t.Errorf("%v, %+v", err, rs)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for name, o := range map[string]PressureOptions{
		"one token":                  {Tokens: 1},
		"a negative number of them":  {Tokens: -1},
		"no budget":                  {Shares: []float64{0}},
		"a budget that is no number": {Shares: []float64{math.NaN()}},
		"a file and a shape":         {Model: Model{Path: "x.gguf", Shape: "test"}},
		"a shape that is none":       {Model: Model{Shape: "huge"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := (&Runner{}).Pressure(t.Context(), o); !errors.Is(err, runtime.ErrOption) {
				t.Error(err)
			}
		})
	}
}

// tinyModel is the embedded one, ready to be measured.
func tinyModel(t *testing.T) *preparedModel {
	t.Helper()
	m, err := (&Runner{}).prepare(t.Context(), Model{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCasesThatEndBadly(t *testing.T) {
	m := tinyModel(t)
	generate := job{Do: "generate", Model: m.path, Load: "mmap", Context: 64, Threads: 1, Tokens: 4, Prompt: storyPrompt}
	missing := generate
	missing.Model = filepath.Join(t.TempDir(), "missing.gguf")
	long := generate
	long.Prompt = strings.Repeat("Once upon a time ", 100)
	endless := generate
	endless.Context, endless.Tokens = 1<<16, 1<<16-64
	for _, tt := range []struct {
		name    string
		c       testCase
		command []string
		timeout time.Duration
		status  Status
		reason  string
	}{
		{"a job that is none", testCase{job: job{Do: "nothing"}}, nil, 0, Failed, `the case's process ended with exit code 1: bench-child: unknown job "nothing"`},
		{"a model that is missing", testCase{job: missing}, nil, 0, Failed, "missing.gguf"},
		{"a prompt that does not fit", testCase{job: long}, nil, 0, Failed, "context"},
		{"a group too small to live in", testCase{job: generate, limit: 1 << 20}, nil, 0, Failed, "killed: it needed more than the control group's limit of 1.0 MiB"},
		{"a case that takes too long", testCase{job: endless}, nil, time.Second / 4, Failed, "it did not end within 250ms"},
		{"a program that says something else", testCase{job: generate}, []string{"echo", "hello"}, 0, Failed, `the case's process wrote an invalid message: "hello"`},
		{"a program that says nothing", testCase{job: generate}, []string{"true"}, 0, Failed, "the case's process ended with exit code 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.c.limit > 0 {
				needGroup(t)
			}
			r := Runner{Repetitions: 1, Command: tt.command, Timeout: tt.timeout}
			rs, err := r.run(t.Context(), plan{experiment: "test", model: m, cases: []testCase{tt.c}})
			if err != nil || len(rs) != 1 {
				t.Fatalf("%d records, %v", len(rs), err)
			}
			if rs[0].Status != tt.status || !strings.Contains(rs[0].Reason, tt.reason) {
				t.Errorf("%s: %s", rs[0].Status, rs[0].Reason)
			}
		})
	}
	r := Runner{Command: []string{filepath.Join(t.TempDir(), "nothing")}}
	if _, err := r.run(t.Context(), plan{model: m, cases: []testCase{{}}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is missing: %v", err)
	}
}

func TestCasesTakeTurns(t *testing.T) {
	m := tinyModel(t)
	var order []string
	r := Runner{Repetitions: 3, Command: []string{"true"}, OnRecord: func(rec Record) error { order = append(order, rec.Case); return nil }}
	if _, err := r.run(t.Context(), plan{model: m, cases: []testCase{{name: "a"}, {name: "b"}}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abbaab" {
		t.Error(got)
	}
}

func TestOtherTokensAreAFailure(t *testing.T) {
	var same sameTokens
	for _, tt := range []struct {
		name   string
		text   string
		tokens []int32
		want   Status
	}{
		{"the first", "", []int32{1, 2, 3}, OK},
		{"the same", "", []int32{1, 2, 3}, OK},
		{"another text", textQuote, []int32{4, 5}, OK},
		{"the same with lookup", textLookup, []int32{4, 5}, OK},
		{"another token", "", []int32{1, 2, 4}, Failed},
		{"a token less", textLookup, []int32{4}, Failed},
		{"none, as of a disk", "", nil, OK},
	} {
		r := Record{Status: OK, Labels: map[string]string{"text": tt.text}, Tokens: tt.tokens}
		if same.check(&r); r.Status != tt.want {
			t.Errorf("%s: %s, %s", tt.name, r.Status, r.Reason)
		}
	}
}
