package benchmarks

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// pressed are records as Pressure makes them, of a disk of 1000 bytes a second and cases
// under one limit, twice each.
func pressed(run time.Time, speed float64) Results {
	var rs Results
	add := func(budget, load, text string, metrics map[string]float64) {
		labels := map[string]string{"budget": budget}
		name := budget
		if load != "" {
			labels["load"] = load
			name += " " + load
		}
		if text != "" {
			labels["text"] = text
			name += ", " + text
		}
		for i := range 2 {
			r := Record{Run: run, Experiment: pressureName, Case: name, Labels: labels, Repetition: i + 1, Status: OK, Model: ModelFile{Name: "x.gguf", Bytes: 1 << 20, SHA256: "abc"}, Engine: Engine{Version: "v1"}}.clone()
			for k, v := range metrics {
				if k == tokenRate {
					v *= speed * (1 + float64(i)/10)
				}
				r.Metrics[k] = v
			}
			rs = append(rs, r)
		}
	}
	add("disk", "", "", map[string]float64{diskRate: 1000})
	add(ample, "mmap", "", map[string]float64{tokenRate: 20})
	add("75 %", "mmap", "", map[string]float64{tokenRate: 8, streamedToken: 100, readPerToken: 100, budgetRatio: 0.75, limitBytes: 750, groupPeak: 700})
	add("75 %", "stock", "", map[string]float64{tokenRate: 2, readPerToken: 1000, budgetRatio: 0.75, limitBytes: 750, groupPeak: 750})
	add("75 %", "mmap", textQuote, map[string]float64{tokenRate: 8, streamedToken: 100})
	add("75 %", "mmap", textLookup, map[string]float64{tokenRate: 16, streamedToken: 50})
	return rs
}

var firstRun = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func TestRatiosAndBoundsFollowFromTheRecords(t *testing.T) {
	rs := pressed(firstRun, 1).derived()
	for _, tt := range []struct {
		name   string
		metric string
		want   float64
	}{
		{"75 % mmap", stockRatio, 8 / 2.1},
		{"75 % mmap", boundRate, 10}, // the disk's, less than the 21 of ample memory
		{"75 % mmap", boundRatio, 0.8},
		{"75 % mmap, quote, lookup", lookupRatio, 16 / 8.4},
	} {
		of := rs.where(func(r Record) bool { return r.Case == tt.name })
		if got := of[0].Metrics[tt.metric]; math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %s is %g, want %g", tt.name, tt.metric, got, tt.want)
		}
	}
	if again := rs.derived(); !reflect.DeepEqual(again, rs) {
		t.Error("deriving twice changes something")
	}
	if r := pressed(firstRun, 1)[4]; r.Metrics[boundRatio] != 0 {
		t.Error("the records themselves have been changed")
	}
}

func TestRecordsSurviveAFile(t *testing.T) {
	want := append(pressed(firstRun, 1), Record{
		Run: firstRun.Add(time.Hour), Experiment: pressureName, Case: "x", Labels: map[string]string{}, Repetition: 1, Status: Skipped, Reason: "no control group",
		Notes: []string{"a note"}, Metrics: map[string]float64{}, Tokens: []int32{1, 2}, Machine: Machine{CPU: "c", CPUs: 2}, Engine: Engine{Version: "v"}, Flags: []string{"bench"},
	})
	var b bytes.Buffer
	for _, r := range want {
		if err := json.NewEncoder(&b).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadResults(&b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n%+v\nwant\n%+v", err, got, want)
	}
	if l := got.Latest(); len(l) != 1 || l[0].Case != "x" {
		t.Errorf("the latest run is %+v", l)
	}
	for _, bad := range []string{"{}", "[", `{"experiment":"x"} {`} {
		if _, err := ReadResults(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestTablesSayWhatWasMeasuredAndWhatWasNot(t *testing.T) {
	rs := pressed(firstRun, 1)
	rs[4].Status, rs[4].Reason = Failed, "it was killed"
	for i := range rs {
		if rs[i].Case == "75 % stock" {
			rs[i].Status, rs[i].Reason, rs[i].Metrics = Skipped, "no control group", nil
		}
	}
	rs[0].Notes = []string{"page cache not dropped"}
	for _, format := range []Format{Table, Markdown} {
		var b strings.Builder
		if err := rs.Write(&b, format, pressed(firstRun.Add(-time.Hour), 0.5)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"x.gguf", "sha256 abc", "1 of 2", "skipped", "failed: it was killed (75 % mmap)", "skipped: no control group (75 % stock)",
			"note: page cache not dropped (disk)", "1000 bytes/s", "Compared with the run of 2026-01-02 02:04:05", "2.00 ~"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: %q is missing in\n%s", format, want, b.String())
			}
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), " \n") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
	if err := rs.Err(); err == nil || !strings.Contains(err.Error(), "1 of 12 cases failed, first 75 % mmap: it was killed") {
		t.Error(err)
	}
}

func TestFormatsForProgramsHaveAllRecords(t *testing.T) {
	rs, earlier := pressed(firstRun, 1), pressed(firstRun.Add(-time.Hour), 0.5)
	write := func(f Format) string {
		var b strings.Builder
		if err := rs.Write(&b, f, earlier); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	rows, err := csv.NewReader(strings.NewReader(write(CSV))).ReadAll()
	if err != nil || len(rows) != len(rs)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var array Results
	if err := json.Unmarshal([]byte(write(JSON)), &array); err != nil || len(array) != len(rs) {
		t.Fatalf("%d records, %v", len(array), err)
	}
	lines, err := ReadResults(strings.NewReader(write(JSONL)))
	if err != nil || !reflect.DeepEqual(lines, array) {
		t.Errorf("jsonl and json differ: %v", err)
	}
	if got := array[4].Metrics["tokens_per_second_against_ratio"]; math.Abs(got-8/4.2) > 1e-9 {
		t.Errorf("against the earlier run %g", got)
	}
	if err := rs.Write(&strings.Builder{}, "xml", nil); err == nil {
		t.Error("an unknown format is no error")
	}
	var none strings.Builder
	if err := (Results{}).Write(&none, JSON, nil); err != nil || none.String() != "[]\n" {
		t.Errorf("no results are %q, %v", none.String(), err)
	}
}

func TestPlots(t *testing.T) {
	dir := t.TempDir()
	for name, magic := range map[string]string{"a.svg": "<?xml", "b.PNG": "\x89PNG"} {
		path := filepath.Join(dir, name)
		if err := pressed(firstRun, 1).Plot(path); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), magic) {
			t.Errorf("%s: %.20q, %v", name, b, err)
		}
	}
	for name, rs := range map[string]Results{"c.pdf": pressed(firstRun, 1), "d.svg": nil} {
		if err := rs.Plot(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

func TestRecordsNameNoFolders(t *testing.T) {
	flags := []string{"bench", "pressure", "/home/me/m.gguf", "--out", "../x/p.jsonl", "--plot=/tmp/p.svg", "-m/tmp/m.gguf", "-n", "32", "--budgets", "50%,400MiB", "--models", "."}
	want := []string{"bench", "pressure", "m.gguf", "--out", "p.jsonl", "--plot=p.svg", "-mm.gguf", "-n", "32", "--budgets", "50%,400MiB", "--models", "."}
	if got := withoutFolders(flags); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
	r := Record{Reason: "open /home/me/m.gguf: no such file or directory", Notes: []string{"page cache not dropped: /home/me/m.gguf is in use"}}
	r.hideFolders(&preparedModel{files: []string{"/home/me/m.gguf"}})
	if r.Reason != "open m.gguf: no such file or directory" || r.Notes[0] != "page cache not dropped: m.gguf is in use" {
		t.Errorf("%+v", r)
	}
}

func TestTablesNameAllModels(t *testing.T) {
	rs := pressed(firstRun, 1)
	rs[3].Model.Name = "y.gguf"
	var b strings.Builder
	if err := rs.Write(&b, Table, nil); err != nil || strings.Count(b.String(), "model: x.gguf") != 1 || strings.Count(b.String(), "model: y.gguf") != 1 {
		t.Errorf("%v\n%s", err, b.String())
	}
}
