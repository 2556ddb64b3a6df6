//go:build cgo

package benchmarks

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

func TestSpeed(t *testing.T) {
	r := Runner{Repetitions: 2}
	o := SpeedOptions{Tests: []SpeedTest{{Prompt: 8}, {Generate: 4}, {Prompt: 4, Generate: 2}}, Depths: []int{0, 8}, Loads: []string{"copy"}, Threads: []int{1}, UBatches: []int{4}}
	rs, err := r.Speed(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := rs.Err(); err != nil || len(rs) != 2*3*2 {
		t.Fatalf("%d records, %v", len(rs), err)
	}
	for _, rec := range rs {
		if v := rec.Metrics[evaluatedRate]; !(v > 0) || math.IsInf(v, 0) {
			t.Errorf("%s: %g", rec.Case, v)
		}
	}
	var b strings.Builder
	if err := rs.Write(&b, Markdown, nil); err != nil {
		t.Fatal(err)
	}
	header := ""
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "| model") {
			header = strings.Join(strings.Fields(line), " ")
		}
	}
	if header != "| model | size | params | backend | threads | n_ubatch | load | test | t/s |" {
		t.Error(header)
	}
	for _, want := range []string{"| pp8 ", "| tg4 ", "| pp4+tg2 ", "| pp8 @ d8 ", "| CPU ", "| copy ", "3.94 M", " ± "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestSpeedCasesAreAllCombinations(t *testing.T) {
	o, err := SpeedOptions{Threads: []int{1, 2}, CacheTypesK: []string{"q8_0"}, FlashAttn: []string{"on", "off"}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	cases := o.cases(&preparedModel{path: "x"}, map[string]string{"model": "m"})
	names := map[string]bool{}
	for _, c := range cases {
		names[c.name] = true
	}
	if len(cases) != 8 || len(names) != 8 || !names["pp512 auto, threads 2, type_k q8_0, fa off"] {
		t.Errorf("%d cases, %v", len(cases), names)
	}
}

func TestSpeedOptionsThatMakeNoSense(t *testing.T) {
	for name, o := range map[string]SpeedOptions{
		"a test of nothing":            {Tests: []SpeedTest{{}}},
		"a negative depth":             {Depths: []int{-1}},
		"a batch of nothing":           {Batches: []int{0}},
		"a load mode that is none":     {Loads: []string{"magic"}},
		"flash attention that is none": {FlashAttn: []string{"maybe"}},
	} {
		if _, err := (&Runner{}).Speed(t.Context(), o); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACacheThatCannotBeIsAFailedCase(t *testing.T) {
	rs, err := (&Runner{Repetitions: 1}).Speed(t.Context(), SpeedOptions{Tests: []SpeedTest{{Generate: 1}}, Threads: []int{1}, CacheTypesV: []string{"q4_0"}})
	if err != nil || len(rs) != 1 || rs[0].Status != Failed || !strings.Contains(rs[0].Reason, "flash attention") {
		t.Errorf("%+v, %v", rs, err)
	}
}

// llama-bench is measured in turn, with the options of each case.
func TestSpeedIsComparedWithLlamaBench(t *testing.T) {
	if goruntime.GOOS == "windows" {
		t.Skip("llama-bench is a shell script here, which Windows does not run")
	}
	dir := t.TempDir()
	peer := filepath.Join(dir, "llama-bench")
	script := "#!/bin/sh\necho \"$@\" >>" + dir + "/arguments\necho '[{\"avg_ns\": 500, \"avg_ts\": 0.5}]'\n"
	if err := os.WriteFile(peer, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	o := SpeedOptions{Tests: []SpeedTest{{Prompt: 8}, {Prompt: 4, Generate: 2}}, Loads: []string{"mmap", "copy"}, Threads: []int{1}, FlashAttn: []string{"on"}, Peer: peer}
	rs, err := (&Runner{Repetitions: 1}).Speed(t.Context(), o)
	if err != nil || rs.Err() != nil || len(rs) != 6 {
		t.Fatalf("%d records, %v, %v", len(rs), err, rs.Err())
	}
	var b strings.Builder
	if err := rs.Write(&b, Markdown, nil); err != nil || !strings.Contains(b.String(), "× llama-bench") {
		t.Errorf("%v\n%s", err, b.String())
	}
	deriveSpeed(rs, speedName)
	for _, r := range rs {
		want := r.Metrics[evaluatedRate] / 0.5
		if r.Labels["load"] == llamaBench {
			want = 0
		}
		if r.Metrics[ofPeer] != want {
			t.Errorf("%s: %g of llama-bench's rate, want %g", r.Case, r.Metrics[ofPeer], want)
		}
	}
	arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-p 8 -n 0\n", "-p 0 -n 0 -pg 4,2\n", " -t 1 -b 2048 -ub 512 -ctk f16 -ctv f16 -fa on -ngl 0 -d 0 "} {
		if !strings.Contains(string(arguments), want) {
			t.Errorf("%q is not in\n%s", want, arguments)
		}
	}
	for name, script := range map[string]string{"cannot load it": "echo cannot load it >&2; exit 1", "-o json": "echo unexpected", "0 results": "echo '[]'"} {
		if err := os.WriteFile(peer, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		o.Loads, o.Tests = []string{"mmap"}, o.Tests[:1]
		rs, err := (&Runner{Repetitions: 1}).Speed(t.Context(), o)
		if err != nil || len(rs) != 2 || rs[1].Status != Failed || !strings.Contains(rs[1].Reason, name) || rs[0].Status != OK {
			t.Errorf("%s: %v, %+v", name, err, rs)
		}
	}
}
