package main

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/ggufcases"
)

// computing writes a model of ggufcases.Computing.
func computing(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".gguf")
	for _, b := range ggufcases.Computing(name) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Fatalf("no model %q", name)
	return ""
}

// embeddingsIn reads OpenAI's JSON.
func embeddingsIn(t *testing.T, r result) (o struct {
	Object, Model string
	Data          []struct {
		Object    string
		Index     int
		Embedding []float32
	}
	Usage  struct{ Prompt_tokens, Total_tokens int }
	Cosine [][]float32 `json:"cosineSimilarity"`
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), &o); err != nil || r.code != 0 {
		t.Fatalf("exit code %d, %v, stdout %q, stderr %q", r.code, err, r.out, r.stderr)
	}
	return o
}

func TestEmbedFormats(t *testing.T) {
	needEngine(t)
	path := computing(t, "nomic-bert")
	embed := func(args ...string) result {
		return call(t, append([]string{"embed", "-m", path, "-t", "1", "Hello world", "a low road"}, args...)...)
	}
	r := embed()
	want := embeddingsIn(t, r)
	if want.Object != "list" || want.Model != "nomic-bert.gguf" || len(want.Data) != 2 || want.Data[1].Index != 1 || want.Data[1].Object != "embedding" || len(want.Data[1].Embedding) != 64 || want.Usage.Prompt_tokens < 8 || want.Usage.Total_tokens != want.Usage.Prompt_tokens {
		t.Errorf("%+v", want)
	}
	if !strings.Contains(r.stderr, "2 texts, "+strconv.Itoa(want.Usage.Total_tokens)+" tokens") {
		t.Errorf("stderr %q", r.stderr)
	}
	sum := 0.0
	for _, x := range want.Data[0].Embedding {
		sum += float64(x) * float64(x)
	}
	if math.Abs(sum-1) > 1e-4 {
		t.Errorf("length %g", sum)
	}
	row := want.Data[1].Embedding
	same := func(format string, got []float32) {
		t.Helper()
		if len(got) != len(row) {
			t.Errorf("%s: %d numbers, want %d", format, len(got), len(row))
			return
		}
		for i := range row {
			if got[i] != row[i] {
				t.Errorf("%s: number %d is %g, want %g", format, i, got[i], row[i])
				return
			}
		}
	}
	same("json", embeddingsIn(t, embed("--json", "-q")).Data[1].Embedding)
	plus := embeddingsIn(t, embed("--embd-output-format", "json+"))
	if same("json+", plus.Data[1].Embedding); len(plus.Cosine) != 2 || math.Abs(float64(plus.Cosine[0][0])-1) > 1e-4 || plus.Cosine[0][1] != plus.Cosine[1][0] || plus.Cosine[0][1] > 0.999 {
		t.Errorf("similarities %v", plus.Cosine)
	}
	var arrays [][]float32
	if r := embed("--embd-output-format", "array"); json.Unmarshal([]byte(r.out), &arrays) != nil || len(arrays) != 2 {
		t.Errorf("array: %q", r.out)
	} else {
		same("array", arrays[1])
	}
	for format, separator := range map[string]string{"csv": ",", "raw": " "} {
		r := embed("--embd-output-format", format, "-q")
		lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
		if len(lines) != 2 || r.stderr != "" {
			t.Errorf("%s: %q, %q", format, r.out, r.stderr)
			continue
		}
		var got []float32
		for _, s := range strings.Split(lines[1], separator) {
			x, err := strconv.ParseFloat(s, 32)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, float32(x))
		}
		same(format, got)
	}
	bytes := []byte(embed("--embd-output-format", "f32").out)
	if len(bytes) != 2*64*4 {
		t.Fatalf("f32: %d bytes", len(bytes))
	}
	var got []float32
	for i := 64 * 4; i < len(bytes); i += 4 {
		got = append(got, math.Float32frombits(binary.LittleEndian.Uint32(bytes[i:])))
	}
	same("f32", got)

	for norm, is := range map[string]func(largest, taxicab float64) bool{
		"-1": func(largest, _ float64) bool { return largest > 0.5 && largest < 100 },
		"0":  func(largest, _ float64) bool { return math.Abs(largest-32760) < 1 },
		"1":  func(_, taxicab float64) bool { return math.Abs(taxicab-1) < 1e-4 },
	} {
		largest, taxicab := 0.0, 0.0
		for _, x := range embeddingsIn(t, embed("--embd-normalize", norm)).Data[0].Embedding {
			largest, taxicab = max(largest, math.Abs(float64(x))), taxicab+math.Abs(float64(x))
		}
		if !is(largest, taxicab) {
			t.Errorf("norm %s: at most %g, sum %g", norm, largest, taxicab)
		}
	}
}

func TestEmbedTakesTextsFromEverywhere(t *testing.T) {
	needEngine(t)
	path := computing(t, "bert")
	file := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(file, []byte("Hello world\r\na low road\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := call(t, "embed", "-m", path, "-t", "1", "-q", "Hello world", "a low road").out
	for _, tt := range []struct {
		name, stdin string
		args        []string
	}{
		{"a file", "", []string{"-f", file}},
		{"standard input", "Hello world\na low road", nil},
		{"standard input, as asked", "Hello world\na low road\n", []string{"-f", "-"}},
		{"another separator", "Hello world##a low road\n", []string{"--embd-separator", "##"}},
		{"a separator with an escape", "Hello world\ta low road\n", []string{"--embd-separator", `\t`}},
	} {
		if r := callWith(t, tt.stdin, append([]string{"embed", "-m", path, "-t", "1", "-q"}, tt.args...)...); r.out != want || r.code != 0 {
			t.Errorf("%s: exit code %d, stdout %.80q, stderr %q, want %.80q", tt.name, r.code, r.out, r.stderr, want)
		}
	}
	one := embeddingsIn(t, callWith(t, "Hello world\na low road\n", "embed", "-m", path, "-t", "1", "--embd-separator", ""))
	if len(one.Data) != 1 {
		t.Errorf("%d texts without a separator", len(one.Data))
	}
	if r := callWith(t, "a\n\nb\n", "embed", "-m", path, "-t", "1", "--embd-output-format", "csv"); strings.Count(r.out, "\n") != 3 {
		t.Errorf("an empty line is a text too: %q, %q", r.out, r.stderr)
	}
	r := call(t, "embed", "-m", path, "-t", "1", "--pooling", "none", "--embd-output-format", "array", "Hello")
	var rows [][][]float32
	if err := json.Unmarshal([]byte(r.out), &rows); err != nil || len(rows) != 1 || len(rows[0]) < 3 || len(rows[0][0]) != 64 {
		t.Errorf("vectors of tokens: %v, %.80q, %q", err, r.out, r.stderr)
	}
}

func TestRerankCommand(t *testing.T) {
	needEngine(t)
	path := computing(t, "bert rank")
	documents := []string{"a low road", "Hello\nbell", "wool"}
	args := append([]string{"rerank", "-m", path, "-t", "1", "Hello world"}, documents...)
	r := call(t, args...)
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	if r.code != 0 || len(lines) != 3 || !strings.Contains(r.stderr, "3 documents") {
		t.Fatalf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}
	last := math.Inf(1)
	for _, line := range lines {
		f := strings.Split(line, "\t")
		score, err := strconv.ParseFloat(f[0], 64)
		i, err2 := strconv.Atoi(f[1])
		if err != nil || err2 != nil || score > last || f[2] != texts.OneLine(documents[i]) {
			t.Errorf("%q after %g", line, last)
		}
		last = score
	}
	r = call(t, append(args, "--json", "--top-n", "2")...)
	var o struct {
		Object, Model string
		Results       []struct {
			Index int
			Score *float64 `json:"relevance_score"`
		}
		Usage struct{ Total_tokens int }
	}
	if err := json.Unmarshal([]byte(r.out), &o); err != nil || o.Object != "list" || len(o.Results) != 2 || o.Results[0].Score == nil || *o.Results[0].Score < *o.Results[1].Score || o.Usage.Total_tokens < 10 {
		t.Errorf("%v, %q", err, r.out)
	}
	if want := strings.Split(lines[0], "\t")[1]; strconv.Itoa(o.Results[0].Index) != want {
		t.Errorf("the best is %d, in lines %s", o.Results[0].Index, want)
	}
	if r := callWith(t, "a low road\nwool\n", "rerank", "-m", path, "-t", "1", "Hello world"); strings.Count(r.out, "\n") != 2 {
		t.Errorf("documents from standard input: %q, %q", r.out, r.stderr)
	}
}

func TestModelsThatAreForSomethingElse(t *testing.T) {
	needEngine(t)
	bert, rank, dream, gpt2 := computing(t, "nomic-bert"), computing(t, "bert rank"), computing(t, "dream"), computing(t, "gpt2")
	for _, tt := range []struct {
		name string
		args []string
		want string
		code int
	}{
		{"text of an encoder", []string{"-m", bert, "-p", "a"}, "'infer embed'", exitFailure},
		{"text of a reranker", []string{"-m", rank, "-p", "a"}, "'infer rerank'", exitFailure},
		{"text of a diffusion model", []string{"-m", dream, "-p", "a"}, "diffusion", exitFailure},
		{"ranks of an encoder", []string{"rerank", "-m", bert, "a", "b"}, "'infer embed'", exitFailure},
		{"ranks of a model for text", []string{"rerank", "-m", tinyF16, "a", "b"}, "compare the vectors", exitFailure},
		{"more positions than there are", []string{"-m", gpt2, "-c", "512", "-p", "a"}, "256 positions", exitUsage},
		{"more positions than there are, planned", []string{"plan", gpt2, "-c", "512"}, "256 positions", exitUsage},
		{"no query", []string{"rerank", "-m", rank}, "no query", exitUsage},
		{"no documents", []string{"rerank", "-m", rank, "a"}, "no documents", exitUsage},
		{"no texts", []string{"embed", "-m", bert}, "no texts", exitUsage},
		{"texts twice", []string{"embed", "-m", bert, "-f", "x", "a"}, "exclude each other", exitUsage},
		{"a format that is no JSON", []string{"embed", "--json", "--embd-output-format", "csv", "a"}, "exclude each other", exitUsage},
		{"similarities of tokens", []string{"embed", "--pooling", "none", "--embd-output-format", "json+", "a"}, "json+", exitUsage},
		{"an unknown pooling", []string{"embed", "--pooling", "max", "a"}, "none, mean, cls, last, rank", exitUsage},
	} {
		r := call(t, tt.args...)
		if r.code != tt.code || !strings.Contains(r.stderr, tt.want) || r.out != "" {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", tt.name, r.code, r.out, r.stderr)
		}
	}
	r := call(t, "-m", bert, "-p", "a", "--json")
	if !strings.Contains(r.stderr, `"kind":"other_task"`) {
		t.Errorf("as JSON: %q", r.stderr)
	}
}

func TestTwoBOSAreWarnedOf(t *testing.T) {
	needEngine(t)
	args := []string{"-m", tinyF16, "-t", "1", "-n", "1", "-c", "64"}
	for prompt, want := range map[string]int{"<s>Once upon": 1, "Once upon": 0} {
		if r := call(t, append(args, "-p", prompt)...); strings.Count(r.stderr, "infer: warning: the prompt begins with <s>") != want {
			t.Errorf("%q: %q", prompt, r.stderr)
		}
	}
	if r := call(t, append(args, "-q", "-p", "<s>Once")...); r.stderr != "" {
		t.Errorf("quiet: %q", r.stderr)
	}
}
