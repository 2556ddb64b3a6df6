package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

// needEngine skips a test in binaries built without cgo.
func needEngine(t *testing.T) {
	t.Helper()
	v, err := runtime.OpenVocabulary(context.Background(), "")
	if errors.Is(err, runtime.ErrNoEngine) {
		t.Skip("built without cgo: there is no engine")
	}
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
}

// figuresOf checks that standard error is the closing line of figures, after the
// warning of a slow build at most, and returns it.
func figuresOf(t *testing.T, stderr string) string {
	t.Helper()
	line := withoutWarning(stderr)
	if !strings.HasPrefix(line, "infer: loaded ") || strings.Count(line, "\n") != 1 {
		t.Errorf("standard error is not one line of figures: %q", stderr)
	}
	return line
}

// withoutWarning drops the warning of a build without vector instructions: it
// depends on how the test was compiled.
func withoutWarning(stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "infer: compiled without ") && !strings.HasPrefix(line, "  export CGO_") && !strings.HasPrefix(line, "  $env:CGO_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// greedy are arguments that make the same text each time.
func greedy(args ...string) []string {
	return append([]string{"-m", tinyF16, "--temp", "0", "-n", "12"}, args...)
}

func TestGenerate(t *testing.T) {
	needEngine(t)
	want := call(t, greedy("-p", "Once upon a time", "-q")...)
	if want.code != 0 || want.stderr != "" || len(want.out) < 10 || !strings.HasSuffix(want.out, "\n") {
		t.Fatalf("exit code %d, stdout %q, stderr %q", want.code, want.out, want.stderr)
	}
	file := filepath.Join(t.TempDir(), "prompt.txt")
	if err := os.WriteFile(file, []byte("Once upon a time\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"the prompt from a file", "", []string{"-f", file}, want.out},
		{"the prompt from standard input", "Once upon a time\n", nil, want.out},
		{"the prompt from standard input, as asked", "Once upon a time", []string{"-f", "-"}, want.out},
		{"standard input is not looked at beside -p", "something else", []string{"-p", "Once upon a time"}, want.out},
		{"escapes in the prompt", "", []string{"-p", `Once\x20upon a time`}, want.out},
		{"--echo puts the prompt before", "", []string{"-p", "Once upon a time", "--echo"}, "Once upon a time" + want.out},
		{"mapped", "", []string{"-p", "Once upon a time", "--load", "mmap"}, want.out},
		{"copied", "", []string{"-p", "Once upon a time", "--load", "copy", "--no-repack"}, want.out},
		{"in small chunks", "", []string{"-p", "Once upon a time", "--chunk-size", "1MiB"}, want.out},
		{"no tokens", "", []string{"-p", "Once upon a time", "-n", "0"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := callWith(t, tt.stdin, greedy(tt.args...)...)
			if r.code != 0 || r.out != tt.want {
				t.Errorf("exit code %d, stdout %q, want %q, stderr %q", r.code, r.out, tt.want, r.stderr)
			}
			figuresOf(t, r.stderr)
		})
	}
	t.Run("a stop text ends it and does not appear", func(t *testing.T) {
		text := strings.TrimSuffix(want.out, "\n")
		stop := text[len(text)/2 : len(text)/2+3]
		before, _, _ := strings.Cut(text, stop)
		if r := call(t, greedy("-q", "-p", "Once upon a time", "--stop", stop)...); strings.TrimSuffix(r.out, "\n") != before {
			t.Errorf("stop %q: %q, want %q", stop, r.out, before)
		}
	})
	t.Run("a seed makes it repeatable", func(t *testing.T) {
		args := []string{"-m", tinyF16, "-q", "-n", "20", "-p", "Once", "-s", "7"}
		a, b := call(t, args...), call(t, args...)
		if a.code != 0 || a != b {
			t.Errorf("%+v and %+v", a, b)
		}
	})
	t.Run("the embedded model has a prompt of its own", func(t *testing.T) {
		if r := callReading(t, nil, "-n", "5", "--echo"); r.code != 0 || !strings.HasPrefix(r.out, defaultPrompt) {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
		}
	})
	t.Run("a JSON schema is obeyed", func(t *testing.T) {
		const text = `{"type": "object", "properties": {"name": {"type": "string", "maxLength": 10}, "age": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["age", "name"]}`
		file := filepath.Join(t.TempDir(), "person.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"-j", text}, {"--json-schema", "@" + file}, {"-jf", file}} {
			r := call(t, greedy(append(args, "-q", "-p", "Once", "-n", "-1")...)...)
			var person struct {
				Name *string
				Age  *int
			}
			d := json.NewDecoder(strings.NewReader(r.out))
			d.DisallowUnknownFields()
			if err := d.Decode(&person); err != nil || person.Name == nil || len([]rune(*person.Name)) > 10 || person.Age == nil || *person.Age > 99 {
				t.Errorf("%q: %v, %q, %s", args, err, r.out, r.stderr)
			}
		}
	})
	t.Run("a grammar in a file is obeyed", func(t *testing.T) {
		grammar := filepath.Join(t.TempDir(), "yes.gbnf")
		if err := os.WriteFile(grammar, []byte(`root ::= " yes" | " no"`), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := call(t, greedy("-q", "-p", "Is it?", "--grammar-file", grammar)...); r.out != " yes\n" && r.out != " no\n" {
			t.Errorf("%q, stderr %q", r.out, r.stderr)
		}
	})
}

// stableKeys are the keys of the figures of --json, in their order.
const stableKeys = `
	model engine architecture description parameters load_seconds load_mode load_reason adjusted warnings chat_template chunks
	chunk_size_bytes weights_bytes repacked_bytes packed_bytes largest_allocation_bytes largest_range_bytes
	largest_tensor_bytes largest_tensor context_tokens context_used_tokens ubatch_tokens threads
	batch_threads flash_attention prompt_tokens prompt_cached_tokens prompt_seconds prompt_tokens_per_second generated_tokens
	generate_seconds tokens_per_second passes drafted_tokens accepted_tokens finish_reason seed
	budget_bytes resident_bytes streamed_bytes streamed_bytes_per_token read_bytes_per_second stall_seconds
	residency_hits residency_misses experts_in_memory expert_hits expert_misses expert_hit_rate gpu_layers devices peak_rss_bytes peak_anon_bytes peak_file_bytes memory pool
`

// keysOf reads the keys of an object in their order.
func keysOf(t *testing.T, object []byte) (keys []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		if err == nil {
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
	}
	return keys
}

func TestGenerateJSON(t *testing.T) {
	needEngine(t)
	text := call(t, greedy("-q", "-p", "Once upon a time")...)
	r := call(t, greedy("-p", "Once upon a time", "--json", "--chunk-size", "1MiB")...)
	if r.code != 0 {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	figuresOf(t, r.stderr)
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	got := ""
	for _, line := range lines[:len(lines)-1] {
		var token map[string]any
		if err := json.Unmarshal([]byte(line), &token); err != nil || len(token) != 2 {
			t.Fatalf("%v in %q", err, line)
		}
		if _, ok := token["token"].(float64); !ok {
			t.Errorf("no token in %q", line)
		}
		got += token["text"].(string)
	}
	if got+"\n" != text.out || len(lines) != 13 {
		t.Errorf("%d lines, text %q, want %q", len(lines), got, text.out)
	}

	var last struct {
		Stats map[string]any `json:"stats"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Stats json.RawMessage `json:"stats"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &raw); err != nil {
		t.Fatal(err)
	}
	if got, want := keysOf(t, raw.Stats), strings.Fields(stableKeys); !slices.Equal(got, want) {
		t.Errorf("keys are %q, want %q", got, want)
	}
	for _, key := range []string{
		"load_seconds", "load_mode", "chunks", "chunk_size_bytes", "largest_allocation_bytes", "largest_range_bytes", "largest_tensor_bytes",
		"prompt_tokens", "prompt_tokens_per_second", "generated_tokens", "tokens_per_second", "peak_rss_bytes", "peak_anon_bytes", "peak_file_bytes",
		"finish_reason", "seed", "load_reason", "context_tokens", "memory", "passes",
	} {
		if v, ok := last.Stats[key]; !ok || v == 0.0 && key != "peak_file_bytes" || v == "" {
			t.Errorf("%s is %v", key, v)
		}
	}
	if s := last.Stats; s["generated_tokens"] != 12.0 || s["finish_reason"] != "length" || s["chunk_size_bytes"] != float64(1<<20) || s["largest_allocation_bytes"].(float64) > 1<<20 {
		t.Errorf("%v", s)
	}
}

func TestGenerateFails(t *testing.T) {
	needEngine(t)
	empty := filepath.Join(t.TempDir(), "empty.gbnf")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string // in the one line of standard error
	}{
		{"a grammar, before the model is looked for", []string{"-m", "absent.gguf", "-p", "x", "--grammar", "root ::= ("}, exitUsage, []string{"grammar, line 1"}},
		{"a keyword that a grammar can't obey", greedy("-p", "x", "-j", `{"type": "array", "contains": {}}`), exitUsage, []string{"#: contains", "use prefixItems"}},
		{"a schema file that is not there", greedy("-p", "x", "-jf", "absent.json"), exitFailure, []string{"JSON schema", "absent.json"}},
		{"a schema file that is empty", greedy("-p", "x", "-j", "@"+empty), exitUsage, []string{"JSON schema file", "is empty"}},
		{"an empty grammar file", greedy("-p", "x", "--grammar-file", empty), exitUsage, []string{"empty.gbnf", "is empty"}},
		{"a bias for a token that there is not", greedy("-p", "x", "-l", "99999+1"), exitUsage, []string{"99999"}},
		{"a model that is not there", []string{"-m", "absent.gguf", "-p", "x"}, exitFailure, []string{`"absent.gguf"`, "not found"}},
		{"a file that is no model", []string{"-m", "generate_test.go", "-p", "x"}, exitFailure, []string{"infer: generate_test.go: magic", "not a GGUF file"}},
		{"a prompt that does not fit", greedy("-p", strings.Repeat("word ", 2000)), exitFailure, []string{"does not fit", "512"}},
		{"a prompt file that is not there", greedy("-f", "absent.txt"), exitFailure, []string{"absent.txt"}},
		{"a grammar that makes no sense", greedy("-p", "x", "--grammar", "root ::= ("), exitUsage, []string{"grammar"}},
		{"a grammar file that is not there", greedy("-p", "x", "--grammar-file", "absent.gbnf"), exitFailure, []string{"grammar", "absent.gbnf"}},
		{"an adapter that is none", greedy("-p", "x", "--lora", tinyF16), exitFailure, []string{"adapter"}},
		{"a context that memory has no room for", greedy("-p", "x", "-c", "16000000"), exitMemory, []string{"not enough memory", "use a context of"}},
		{"a context beyond all bounds", greedy("-p", "x", "-c", "2000000000"), exitUsage, []string{"context", "2000000000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, tt.args...)
			line := withoutWarning(r.stderr)
			if r.code != tt.code || r.out != "" || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "infer: ") {
				t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
			}
			for _, w := range tt.want {
				if !strings.Contains(line, w) {
					t.Errorf("%q is missing in %q", w, line)
				}
			}
		})
	}
}

// failingWriter fails after some writes.
type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}

func TestGenerateStopsWhenTheOutputFails(t *testing.T) {
	needEngine(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "infer: standard output: disk full\n"},
		{[]string{"--json"}, `{"error":{"kind":"output","message":"standard output: disk full","exit_code":1}}` + "\n"},
	} {
		args := tt.args
		var stderr bytes.Buffer
		w := &failingWriter{2, errors.New("disk full")}
		code := run(context.Background(), greedy(append(args, "-p", "Once")...), strings.NewReader(""), w, &stderr)
		if code != exitFailure || withoutWarning(stderr.String()) != tt.want || w.left < -2 {
			t.Errorf("%v: exit code %d, %d writes left, stderr %q", args, code, w.left, stderr.String())
		}
	}
}

// cancellingWriter ends a context when something is written.
type cancellingWriter struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (w *cancellingWriter) Write(p []byte) (int, error) {
	w.cancel()
	return w.Buffer.Write(p)
}

func TestAnInterruptedGenerationShowsWhatThereIs(t *testing.T) {
	needEngine(t)
	for _, asJSON := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		out := &cancellingWriter{cancel: cancel}
		var stderr bytes.Buffer
		args := []string{"-m", tinyF16, "-p", "Once", "--ignore-eos", "--context-shift"}
		if asJSON {
			args = append(args, "--json")
		}
		code := run(ctx, args, strings.NewReader(""), out, &stderr)
		if code != exitInterrupted || !strings.Contains(figuresOf(t, stderr.String()), "interrupted") {
			t.Errorf("exit code %d, stderr %q", code, stderr.String())
		}
		if s := out.String(); !strings.HasSuffix(s, "\n") || asJSON && (strings.Count(s, "\n") > 4 || !strings.Contains(s, `"finish_reason":"interrupted"`)) {
			t.Errorf("stdout %q", s)
		}
	}
}
