package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlan(t *testing.T) {
	needEngine(t)
	r := call(t, "plan", tinyF16, "--chunk-size", "1MiB", "-c", "1024")
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	for _, want := range []string{"mmap", "copy", "stock", "weights", "commit charged", "largest allocation", "fits now", "context of 1024 tokens", "--load auto would take "} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is missing in\n%s", want, r.out)
		}
	}
	for line := range strings.Lines(r.out) {
		if strings.Contains(line, "|") && utf8.RuneCountInString(line) > helpWidth+1 {
			t.Errorf("a picture of %d columns: %q", utf8.RuneCountInString(line), line)
		}
	}
	if one := call(t, "plan", tinyF16, "--load", "mmap"); one.code != 0 || strings.Contains(one.out, "stock") {
		t.Errorf("one mode alone: %+v", one)
	}
}

func TestPlanAsJSON(t *testing.T) {
	needEngine(t)
	r := call(t, "plan", "-m", tinyF16, "--json", "-ctk", "q8_0", "-ctv", "q8_0")
	var got struct {
		Modes []map[string]any `json:"modes"`
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 || len(got.Modes) != 3 {
		t.Fatalf("%v: %+v", err, r)
	}
	for _, mode := range got.Modes {
		for _, key := range []string{
			"mode", "weights_bytes", "kv_bytes", "compute_bytes", "commit_bytes", "resident_bytes", "largest_allocation_bytes",
			"largest_range_bytes", "chunks", "fits", "missing_bytes", "remedies",
		} {
			if v, ok := mode[key]; !ok || v == nil || v == 0.0 && key != "missing_bytes" {
				t.Errorf("%v: %s is %v", mode["mode"], key, v)
			}
		}
		if mode["cache_type_k"] != "q8_0" || mode["fits"] != true {
			t.Errorf("%v", mode)
		}
	}
}

func TestPlanAsAPicture(t *testing.T) {
	needEngine(t)
	file := filepath.Join(t.TempDir(), "plan.svg")
	if r := call(t, "plan", tinyF16, "--svg", file, "--chunk-size", "1MiB"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	picture, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	boxes := 0
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			boxes++
		}
	}
	if boxes < 20 {
		t.Errorf("%d boxes", boxes)
	}
	if r := call(t, "plan", tinyF16, "--svg", file); r.code != exitFailure || !strings.Contains(r.stderr, "--force") {
		t.Errorf("a file that is there: %+v", r)
	}
	if r := call(t, "plan", tinyF16, "--svg", file, "--force"); r.code != 0 {
		t.Errorf("a file that is to be replaced: %+v", r)
	}
	if r := call(t, "plan", tinyF16, "--svg", os.DevNull, "--force"); r.code != exitFailure {
		t.Errorf("a device: %+v", r)
	}
}

func TestPlanOfABudget(t *testing.T) {
	needEngine(t)
	r := call(t, "plan", tinyF16, "--max-memory", "1MiB", "--load", "mmap")
	if r.code != 0 || !strings.Contains(r.out, "least memory, streamed") || !strings.Contains(r.out, "streamed for a token") || !strings.Contains(r.out, "use a budget of ") {
		t.Errorf("%+v", r)
	}
	r = call(t, "plan", tinyF16, "--max-memory", "off", "--json")
	if r.code != 0 || !strings.Contains(r.out, `"least_bytes"`) || strings.Contains(r.out, "memory budget") {
		t.Errorf("%+v", r)
	}
}

func TestPlanFails(t *testing.T) {
	needEngine(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a file that is no model", []string{"plan", "plan_test.go"}, exitFailure, "not a GGUF file"},
		{"a file that is not there", []string{"plan", "absent.gguf"}, exitFailure, "not found"},
		{"a bad size", []string{"plan", tinyF16, "--chunk-size", "huge"}, exitUsage, "such as 256MiB"},
		{"a bad pool", []string{"-p", "x", "--pool", "1.5GX"}, exitUsage, "such as 256MiB"},
		{"a picture where there is no folder", []string{"plan", tinyF16, "--svg", filepath.Join("absent", "x.svg")}, exitFailure, "absent"},
		{"a trace that is none", []string{"plan", tinyF16, "--trace", "plan_test.go"}, exitFailure, "plan_test.go: not a trace of experts: line 1"},
		{"two models", []string{"plan", "a", "b"}, exitUsage, "unexpected"},
		{"a picture without a name", []string{"plan", tinyF16, "--svg", ""}, exitUsage, "must not be empty"},
		{"what is not for plans", []string{"plan", tinyF16, "--pool", "1G"}, exitUsage, "--pool cannot be used"},
		{"a chunk larger than all addresses", []string{"-p", "x", "--chunk-size", "9999999999999999999"}, exitUsage, "chunk size"},
		{"a fallback that is not there, though it is not needed", []string{"-p", "x", "--fallback", "absent.gguf"}, exitFailure, "absent.gguf"},
		{"a pool larger than the memory", []string{"-p", "x", "--pool", "100T"}, exitMemory, "use a smaller pool"},
		{"a pool for a stock load", []string{"-p", "x", "--load", "stock", "--pool", "64M"}, exitUsage, "stock"},
		{"a budget that is no size", []string{"-p", "x", "--max-memory", "much"}, exitUsage, "want auto, off, or a size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, tt.args...)
			if r.code != tt.code || r.out != "" || !strings.Contains(r.stderr, tt.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestFallbacksAndPoolOnTheCommandLine(t *testing.T) {
	needEngine(t)
	// A pool decides here how much memory there is.
	r := call(t, greedy("-p", "Once", "--load", "copy", "--pool", "6MiB", "-c", "256", "--ubatch-size", "32", "--fallback", "tiny")...)
	if r.code != 0 || !strings.Contains(r.stderr, "infer: passed over ") || !strings.Contains(r.stderr, "left by the pool") || !strings.Contains(r.stderr, "use a larger pool (--pool)") {
		t.Errorf("%+v", r)
	}
	r = call(t, greedy("-p", "Once", "--load", "copy", "--pool", "1MiB", "-c", "256", "--ubatch-size", "32", "--fallback", "tiny")...)
	if r.code != exitMemory || r.out != "" || strings.Count(withoutWarning(r.stderr), "\n") != 1 || !strings.Contains(r.stderr, "none of 2 models") {
		t.Errorf("%+v", r)
	}
	r = call(t, "-p", "Once", "-n", "3", "--load", "mmap", "--pool", "2500KiB")
	if r.code != 0 || !strings.Contains(r.stderr, "lowered from") {
		t.Errorf("%+v", r)
	}
}
