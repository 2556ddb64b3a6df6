//go:build unix && cgo

package main

import (
	"bufio"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const tinyQ4 = "../../models/tiny/tiny-stories-q4_0.gguf"

// The limit is far above the small model, which keeps the experiment short.
func pressureArgs(out string, more ...string) []string {
	return append([]string{"bench", "pressure", tinyF16, "--budgets", "1G", "-n", "2", "-t", "1", "-c", "64", "--out", out}, more...)
}

func TestBenchPressure(t *testing.T) {
	needEngine(t)
	out := filepath.Join(t.TempDir(), "p.jsonl")
	cmd, stderr := program(t, pressureArgs(out, "-r", "1", "-o", "csv")...)
	table, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	const cases = 2 + 1 + 2
	if n := strings.Count(string(table), "\npressure,") + strings.Count(string(table), ",pressure,"); n != cases {
		t.Errorf("%d cases in\n%s", n, table)
	}
	if n := strings.Count(withoutWarning(stderr.String()), "\n"); n != cases {
		t.Errorf("%d lines of progress: %s", n, stderr)
	}
	rs, err := readResults(out)
	if err != nil || len(rs) != cases {
		t.Errorf("%d records, %v", len(rs), err)
	}
}

// Each experiment, in its shortest form, as people run it.
func TestBenchExperiments(t *testing.T) {
	needEngine(t)
	for _, tt := range []struct {
		name  string
		args  []string
		rows  int
		every []string // in the table
	}{
		{"speed", []string{"-p", "8", "-n", "4", "-pg", "4,2", "-d", "0,4", "-t", "1", "-fa", "0,1", "-ub", "4", "--load", "mmap"}, 3 * 2 * 2,
			[]string{"| pp4+tg2 @ d4 ", "| llama ?B Q4_0 ", "| 3.94 M "}},
		{"memory", []string{"-n", "2", "-t", "1", "-c", "64", "--chunks", "2"}, 2*3*3 + 1,
			[]string{"model: tiny-stories-f16.gguf", "model: tiny-stories-q4_0", "| f16 ", "| two processes ", "| quality ", "perplexity"}},
		{"floor", []string{"--q4", tinyQ4, "-n", "1", "-t", "1", "-c", "64", "--within", "1G"}, 6,
			[]string{"| control group ", "| address space ", "smallest"}},
		{"load", []string{tinyQ4, tinyF16, "-t", "1"}, 12,
			[]string{"mmap, cold: to the first token ", "stock, warm: to the first token ", " per GiB (r² ", "model: tiny-stories-q4_0.gguf", "model: tiny-stories-f16.gguf"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := benchFiles(t, tt.rows, append([]string{tt.name}, tt.args...)...)
			for _, want := range tt.every {
				if !strings.Contains(table, want) {
					t.Errorf("%q is missing in\n%s", want, table)
				}
			}
			if strings.Contains(table, "failed") {
				t.Error(table)
			}
		})
	}
}

// benchFiles runs an experiment once and shows its file with `infer bench show`: the tables must be equal.
func benchFiles(t *testing.T, rows int, args ...string) (table string) {
	t.Helper()
	dir := t.TempDir()
	out, plot := filepath.Join(dir, "x.jsonl"), filepath.Join(dir, "x.svg")
	cmd, stderr := program(t, slices.Concat([]string{"bench"}, args, []string{"-r", "1", "-q", "-o", "md", "--out", out, "--plot", plot})...)
	b, err := cmd.Output()
	if err != nil || withoutWarning(stderr.String()) != "" {
		t.Fatalf("%v: %s", err, stderr)
	}
	table = string(b)
	rows += strings.Count(table, "| packed |") // if this CPU has a packed layout
	if n := strings.Count(table, "\n| ") - 1; n != rows {
		t.Errorf("%d rows, want %d:\n%s", n, rows, table)
	}
	if rs, err := readResults(out); err != nil || len(rs) != rows {
		t.Errorf("%d records, %v", len(rs), err)
	}
	if r := call(t, "bench", "show", out, "-o", "md"); r.code != 0 || r.out != table {
		t.Errorf("shown again: %d, %s\n%s\nwas\n%s", r.code, r.stderr, r.out, table)
	}
	if r := call(t, "bench", "show", out, "-o", "jsonl"); r.code != 0 || strings.Count(r.out, "\n") != rows || strings.Contains(r.out, dir) {
		t.Errorf("as lines of JSON: %+v", r)
	}
	validXML(t, plot)
	return table
}

func validXML(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := map[string]int{}
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(path, err)
		}
		if e, ok := token.(xml.StartElement); ok {
			names[e.Name.Local]++
		}
	}
	if names["svg"] != 1 || names["path"] == 0 || names["text"] == 0 {
		t.Errorf("%s: %v", path, names)
	}
}

// The model is larger than the largest hole; each tensor is smaller.
func TestBenchFragmentationShowsWhoSurvives(t *testing.T) {
	needEngine(t)
	table := benchFiles(t, 2*3, "fragmentation", "--synthesize", "layers=5,width=1024,heads=8,kv_heads=2,ffn=4096,vocab=2048", "--type", "f16", "--holes", "1G,96M", "-n", "2", "-c", "64", "-t", "1")
	if strings.Contains(table, "| skipped") {
		t.Skip("no address space can be carved here:\n" + table)
	}
	for row, want := range map[string]string{"1.00 GiB mmap": "1.00", "1.00 GiB copy": "1.00", "1.00 GiB stock": "1.00", "96 MiB mmap": "1.00", "96 MiB copy": "1.00", "96 MiB stock": "0.00"} {
		found := false
		for line := range strings.Lines(table) {
			cells := strings.Split(line, "|")
			found = found || len(cells) > 3 && strings.TrimSpace(cells[1])+" "+strings.TrimSpace(cells[2]) == row && strings.TrimSpace(cells[3]) == want
		}
		if !found {
			t.Errorf("%s: not %s in\n%s", row, want, table)
		}
	}
	if !strings.Contains(table, "note: did not run: ") || !strings.Contains(table, "(96 MiB stock)") {
		t.Error(table)
	}
}

func TestAnInterruptedBenchShowsWhatItHas(t *testing.T) {
	needEngine(t)
	t.Run("pressure", func(t *testing.T) {
		interruptBench(t, "2/5000 ", "ample", pressureArgs("", "-r", "1000")...)
	})
	t.Run("memory", func(t *testing.T) {
		interruptBench(t, ": 2/", "mmap", "bench", "memory", "-n", "2", "-t", "1", "-c", "64", "--chunks", "2", "-r", "1000", "--out", "")
	})
}

// interruptBench interrupts an experiment, which has a flag --out, when it has said
// something, and looks for what was done in its table and its file.
func interruptBench(t *testing.T, after, shown string, args ...string) {
	out := filepath.Join(t.TempDir(), "p.jsonl")
	args[slices.Index(args, "--out")+1] = out
	cmd, _ := program(t, args...)
	cmd.Stderr = nil
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	cmd.Stdout = &table
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	said := bufio.NewReader(pipe)
	for line := ""; !strings.Contains(line, after); {
		if line, err = said.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(string(rest), "infer: interrupted\n") || !strings.Contains(table.String(), shown) {
		t.Errorf("exit code %d, stderr %q, stdout %q", code, rest, table.String())
	}
	if rs, err := readResults(out); err != nil || len(rs) < 2 {
		t.Errorf("%d records, %v", len(rs), err)
	}
	if files, err := os.ReadDir(filepath.Dir(out)); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// A trace is recorded, not overwritten, and replayed without the model.
func TestBenchExperts(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	trace := filepath.Join(dir, "t.jsonl")
	record := []string{"bench", "experts", "--synthesize", "layers=2,width=256,heads=4,ffn=256,vocab=512,experts=8", "--models", dir, "--trace", trace, "-n", "8", "-c", "64", "-t", "1", "-p", "One\\nday"}
	recorded := call(t, append(record, "-o", "jsonl")...)
	if recorded.code != 0 || strings.Count(recorded.out, "\n") != 5 {
		t.Fatalf("%+v", recorded)
	}
	if r := call(t, record...); r.code != exitFailure || !strings.Contains(r.stderr, trace+" exists: overwrite it with --force") {
		t.Errorf("%+v", r)
	}
	r := call(t, "bench", "experts", "--replay", trace, "--slots", "25%,50", "-q")
	if r.code != 0 || r.stderr != "" || !strings.Contains(r.out, "16 experts in 2 layers") || !strings.Contains(r.out, "7 tokens evaluated one by one") || !strings.Contains(r.out, "\n  at 50 % of the experts, ") {
		t.Errorf("%+v", r)
	}
	mixture, err := filepath.Glob(filepath.Join(dir, "*.gguf"))
	if err != nil || len(mixture) != 1 {
		t.Fatal(mixture, err)
	}
	if r := call(t, "plan", mixture[0], "--trace", trace, "-c", "64"); r.code != 0 || !strings.Contains(r.out, "read for a token, by trace  0 bytes") || !strings.Contains(r.out, "dense weights") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "plan", tinyF16, "--trace", trace); r.code != exitFailure || !strings.Contains(r.stderr, "the trace is of another model: this one has no experts") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "bench", "experts", "--replay", tinyQ4); r.code != exitFailure || !strings.Contains(r.stderr, "not a trace of experts: line 1") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "bench", "experts", tinyQ4); r.code != exitFailure || !strings.Contains(r.stderr, "not a mixture whose experts can be kept in slots") {
		t.Errorf("%+v", r)
	}
}
