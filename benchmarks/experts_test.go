//go:build cgo

package benchmarks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader/residency/replay"
)

// smallMixture has 2 of 16 experts in each of 3 layers.
func smallMixture(t *testing.T) Model {
	return Model{Shape: "layers=3,width=256,heads=4,kv_heads=2,ffn=256,vocab=512,experts=16,experts_used=2", Type: "q4_0", Dir: t.TempDir()}
}

func TestExpertsOfARunAreRecordedAndReplayed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.jsonl")
	r := Runner{}
	rs, err := r.Experts(t.Context(), ExpertsOptions{Model: smallMixture(t), Trace: file, Tokens: 20, Context: 128, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != 5 || rs.Err() != nil {
		t.Fatalf("%d records, %v", len(rs), rs.Err())
	}
	for i, rec := range rs {
		m := rec.Metrics
		if i > 0 && m[slotsBytes] <= rs[i-1].Metrics[slotsBytes] {
			t.Errorf("%s: no more memory than before: %v", rec.Case, m)
		}
		// Matrices of 256 × 256 in 4.5 bits, three of an expert; 20 tokens, of which the last is not evaluated.
		const expert = 3 * 256 * 256 * 18 / 32
		if m[expertsOfLayers] != 48 || m[expertsPerToken] != 3*2*expert || m[expertsBytes] != 48*expert || m[tokensAlone] != 19 || m[readOf(replay.LFU)] > m[expertsPerToken] {
			t.Errorf("%s: %v", rec.Case, m)
		}
	}

	trace, err := replay.ReadFile(file)
	if err != nil || trace.Model.SHA256 != rs[0].Model.SHA256 || len(trace.Choices) != 20*3 {
		t.Fatalf("%v: %+v", err, trace)
	}
	again, err := r.Experts(t.Context(), ExpertsOptions{Replay: file})
	for i := range again {
		again[i].Run = rs[i].Run
	}
	if err != nil || !reflect.DeepEqual(again, rs) {
		t.Errorf("%v: the replay of the file differs: %+v", err, again)
	}
	var b strings.Builder
	if err := rs.Write(&b, Table, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"48 experts in 3 layers", "19 tokens evaluated one by one", "hits optimum", "at 50 % of the experts, "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if err := rs.Plot(filepath.Join(t.TempDir(), "p.svg")); err != nil {
		t.Error(err)
	}
}

// A text is evaluated token by token; a text longer than the context is divided.
func TestExpertsOfATextThatIsLongerThanTheContext(t *testing.T) {
	rs, err := (&Runner{}).Experts(t.Context(), ExpertsOptions{Model: smallMixture(t), Text: strings.Repeat("The lamp was lit at six. ", 6), Context: 64, Threads: 1, Slots: []float64{0.5, 1}})
	if err != nil {
		t.Fatal(err)
	}
	m := rs[1].Metrics
	if len(rs) != 2 || m[tokensAlone] <= 64 || m[tokensTogether] != 0 || m[readShareOf(replay.LRU)] > m[readShareOf(replay.Optimal)] {
		t.Errorf("%v", m)
	}
}

func TestATraceThatCannotBeRecordedLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "t.jsonl")
	r := Runner{}
	if _, err := r.Experts(t.Context(), ExpertsOptions{Trace: file}); !errors.Is(err, ErrNoExperts) {
		t.Errorf("a model without experts: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.OnProgress = func(p Progress) {
		if p.Phase == "generating" {
			cancel()
		}
	}
	if _, err := r.Experts(ctx, ExpertsOptions{Model: smallMixture(t), Trace: file, Context: 128, Threads: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := os.WriteFile(file, []byte("no trace\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Experts(t.Context(), ExpertsOptions{Replay: file}); !errors.Is(err, replay.ErrFormat) || !strings.Contains(err.Error(), file) {
		t.Errorf("no trace: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}
