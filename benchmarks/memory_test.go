//go:build cgo

package benchmarks

import (
	"errors"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

func TestMemory(t *testing.T) {
	r := Runner{Repetitions: 1}
	rs, err := r.Memory(t.Context(), MemoryOptions{Tokens: 4, Threads: 1, Context: 64, Chunks: 2})
	if err != nil {
		t.Fatal(err)
	}
	// The 4-bit model is packed if this CPU has a layout for it; the f16 model never is.
	packed := len(rs.where(func(rec Record) bool { return rec.Labels["load"] == loadPacked }))
	if len(rs) != 2*3*3+1+packed || packed != 0 && packed != 3 || packed > 0 && !llama.CanRepack() {
		t.Fatalf("%d records, %d of a packed file", len(rs), packed)
	}
	for _, rec := range rs {
		if rec.Status == Skipped && goruntime.GOOS != "linux" {
			t.Log(rec.Case, rec.Reason)
			continue
		}
		known := []string{loadTime, firstToken, tokenRate, "disk_bytes", "largest_allocation_bytes"}
		switch rec.Labels["cache"] {
		case "quality":
			known = []string{perplexityValue, klDivergence}
		case "two processes":
			known = append(known, bothPSS)
		}
		for _, name := range known {
			if !(rec.Metrics[name] > 0) {
				t.Errorf("%s: %s is %g (%s: %s, %v)", rec.Case, name, rec.Metrics[name], rec.Status, rec.Reason, rec.Notes)
			}
		}
		if c := rec.Labels["cache"]; (c == "warm" || c == "cold") && goruntime.GOOS == "linux" {
			if rec.Metrics[commitBytes] <= 0 || len(rec.Series[seriesTime]) == 0 || len(rec.Series[seriesAnon]) != len(rec.Series[seriesTime]) {
				t.Errorf("%s: %v, %v", rec.Case, rec.Metrics, rec.Series)
			}
		}
	}
	if err := rs.Err(); err != nil {
		t.Error(err)
	}
	if err := rs.Plot(filepath.Join(t.TempDir(), "m.svg")); err != nil {
		t.Error(err)
	}
	// Copied weights are charged, mapped ones are not.
	one := func(load string) float64 {
		return rs.labelled(map[string]string{"type": "f16", "load": load, "cache": "warm"}).values(commitBytes).median()
	}
	if goruntime.GOOS == "linux" && one("copy") < one("mmap")+4<<20 {
		t.Errorf("copied %g, mapped %g bytes of commit", one("copy"), one("mmap"))
	}
}

func TestRandomWeightsHaveNoQuality(t *testing.T) {
	r := Runner{Repetitions: 1}
	rs, err := r.Memory(t.Context(), MemoryOptions{Shape: "test", Tokens: 2, Threads: 1, Context: 64})
	if err != nil || rs.Err() != nil {
		t.Fatal(err, rs.Err())
	}
	last := rs[len(rs)-1]
	if last.Labels["cache"] != quality || last.Status != Skipped || last.Metrics[perplexityValue] != 0 {
		t.Errorf("%+v", last)
	}
	var b strings.Builder
	if err := rs.Write(&b, Table, nil); err != nil || !strings.Contains(b.String(), "skipped: a perplexity of random weights is meaningless") || strings.Contains(b.String(), "perplexity  ") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestMemoryOfOtherModels(t *testing.T) {
	ms, done, err := (&Runner{}).preparePair(t.Context(), tinyF16, "", "", "", tinyQ4)
	defer done()
	if err != nil || len(ms) != 2 || ms[0].label != typeF16 || ms[1].label != "tiny-stories-q4_0" {
		t.Fatalf("%+v, %v", ms, err)
	}
	cases := MemoryOptions{}.cases(ms)
	if last := cases[len(cases)-1]; len(cases) != 2*3*3+1 || last.name != "quality of tiny-stories-q4_0 against f16" || last.skip != "" || last.job.Base != tinyF16 {
		t.Errorf("%d cases, %+v", len(cases), last)
	}
}

func TestMemoryOptionsThatMakeNoSense(t *testing.T) {
	for name, o := range map[string]MemoryOptions{
		"one token":          {Tokens: 1},
		"a file and a shape": {F16: "x.gguf", Shape: "test"},
		"one name twice":     {Others: []string{"a/x.gguf", "b/x.gguf"}},
	} {
		if _, err := (&Runner{}).Memory(t.Context(), o); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeriesAreHalved(t *testing.T) {
	if got := halved([]float64{1, 2, 3}); len(got) != 2 || got[1] != 3 {
		t.Error(got)
	}
}
