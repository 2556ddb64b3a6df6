package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/benchmarks"
)

// writeRecords makes a file as --out does.
func writeRecords(t *testing.T, name string, rate float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 3 {
		rec := benchmarks.Record{
			Run: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Experiment: "pressure", Case: "90 % mmap", Labels: map[string]string{"budget": "90 %", "load": "mmap"},
			Repetition: i + 1, Status: benchmarks.OK, Metrics: map[string]float64{"tokens_per_second": rate, "budget_ratio": 0.9},
			Model: benchmarks.ModelFile{Name: "m.gguf"},
		}
		if err := appendRecord(f, rec); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestBenchShow(t *testing.T) {
	now, before := writeRecords(t, "now.jsonl", 10), writeRecords(t, "before.jsonl", 5)
	plot := filepath.Join(t.TempDir(), "p.svg")
	r := call(t, "bench", "show", now, "--against", before, "--plot", plot)
	if r.code != 0 || r.stderr != "" || !strings.Contains(r.out, "m.gguf") || !strings.Contains(r.out, "2.00 ~") {
		t.Errorf("%+v", r)
	}
	if info, err := os.Stat(plot); err != nil || info.Size() == 0 {
		t.Error("no plot:", err)
	}
	if r := call(t, "bench", "show", now, "-o", "json"); r.code != 0 || !json.Valid([]byte(r.out)) {
		t.Errorf("%+v", r)
	}
	if r := call(t, "bench", "show", now, "--plot", plot); r.code != exitFailure || !strings.Contains(r.stderr, "exists: overwrite it with --force") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "bench", "show", tinyF16); r.code != exitFailure || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "record 1") {
		t.Errorf("%+v", r)
	}
}

func TestBenchUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
		help string
	}{
		{"no experiment", []string{"bench"}, "no experiment: give one of speed, memory, pressure, experts, floor, fragmentation, load, contention, serve, show", "bench"},
		{"a typo in an experiment", []string{"bench", "presure"}, `unknown experiment "presure" (did you mean pressure?)`, "bench"},
		{"a flag before the experiment", []string{"bench", "-q", "pressure"}, "unknown flag -q", "bench"},
		{"a budget that is none", []string{"bench", "pressure", "--budgets", "50%,lots"}, `--budgets "50%,lots": want percentages or sizes, as in 50%,75%,400MiB`, "bench pressure"},
		{"a list of what is no number", []string{"bench", "speed", "-p", "512,many"}, `-p/--n-prompt "512,many": want whole numbers, as in 1,2,4 or 1-4 or 16-128*2`, "bench speed"},
		{"half of a pair", []string{"bench", "speed", "-pg", "512"}, `--prompt-gen "512": want the tokens of the prompt and the tokens to generate, as in 512,128`, "bench speed"},
		{"no test", []string{"bench", "speed", "-p", "0", "-n", "0"}, "no test: give prompts (-p), tokens to generate (-n) or both (-pg)", "bench speed"},
		{"flash attention that is none", []string{"bench", "speed", "-fa", "0,2"}, `--flash-attn "0,2": want one of on, off, auto`, "bench speed"},
		{"a budget of nothing", []string{"bench", "pressure", "--budgets", "0"}, `--budgets "0": "0" is out of range (more than 0%, at most 1000%)`, "bench pressure"},
		{"a readahead that is none", []string{"bench", "pressure", "--readahead", "128KiB,much"}, `--readahead "128KiB,much": want sizes, as in 128KiB,8MiB`, "bench pressure"},
		{"one token", []string{"bench", "pressure", "-n", "1"}, `-n/--predict "1": out of range (at least 2)`, "bench pressure"},
		{"a model and a shape", []string{"bench", "pressure", "x.gguf", "--synthesize", "1b"}, "--synthesize synthesizes a model and --model names an existing one: use only one of them", "bench pressure"},
		{"a plot that cannot be drawn", []string{"bench", "pressure", "--plot", "p.pdf"}, "--plot p.pdf: unknown format: use a name that ends in .png or .svg", "bench pressure"},
		{"a timeout that is none", []string{"bench", "pressure", "--timeout", "soon"}, `--timeout "soon": want a time such as 90s, 10m or 1h`, "bench pressure"},
		{"experts of no model", []string{"bench", "experts", "--trace", "t.jsonl"}, "no model: name a mixture of experts, or give a trace with --replay FILE", "bench experts"},
		{"a trace and a prompt", []string{"bench", "experts", "--replay", "t.jsonl", "-p", "x"}, "--replay and --prompt exclude each other: a trace has its model and text", "bench experts"},
		{"a trace and a model", []string{"bench", "experts", "x.gguf", "--replay", "t.jsonl"}, `unexpected argument "x.gguf"`, "bench experts"},
		{"a text and a number of tokens", []string{"bench", "experts", "x.gguf", "--text", "t.txt", "-n", "3"}, "--text and --predict exclude each other: nothing is generated after a text", "bench experts"},
		{"slots for more than all", []string{"bench", "experts", "x.gguf", "--slots", "50%,101%"}, `--slots "50%,101%": "101%" is out of range (more than 0%, at most 100%)`, "bench experts"},
		{"slots that are no shares", []string{"bench", "experts", "x.gguf", "--slots", "half"}, `--slots "half": want percentages, as in 25%,50%,75%`, "bench experts"},
		{"nothing to show", []string{"bench", "show"}, "no file to show: give files that --out wrote", "bench show"},
		{"help on an experiment that is none", []string{"help", "bench", "presure"}, `no help on "bench presure" (did you mean bench pressure?)`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			help := strings.TrimSpace("infer " + tt.help)
			want := "infer: " + tt.want + "\nRun '" + help + " --help'\n"
			if r := call(t, tt.args...); r.code != exitUsage || r.out != "" || r.stderr != want {
				t.Errorf("exit code %d, stdout %q, stderr\n%s\nwant\n%s", r.code, r.out, r.stderr, want)
			}
		})
	}
	for want, args := range map[string][]string{
		"readahead of 1000 bytes: want a multiple of 4 KiB, at most 1 GiB": {"--readahead", "1000"},
		"a prompt of 64 tokens in a context of 64: want fewer":             {"-p", "64", "-c", "64"},
	} {
		if r := call(t, append([]string{"bench", "pressure"}, args...)...); r.code != exitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	for _, args := range [][]string{{"help", "bench", "pressure"}, {"bench", "pressure", "--help"}} {
		if r := call(t, args...); r.code != 0 || !strings.Contains(r.out, "infer bench pressure [flags] [MODEL]") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := call(t, "--help"); strings.Contains(r.out, benchmarks.ChildArgument) {
		t.Error("the help shows what is not for people")
	}
}
