package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// writeGGUF writes a file with the given header and zeros for data.
func writeGGUF(t *testing.T, name string, w *gguf.Writer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := w.WriteHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(n + int64(w.DataBytes())); err != nil {
		t.Fatal(err)
	}
	return path
}

const tinyF16 = "../../models/tiny/tiny-stories-f16.gguf"

func TestInspectShowsWhatIsInAModel(t *testing.T) {
	r := call(t, "inspect", "--chunk-size", "1MiB", tinyF16)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	for _, want := range []string{
		"GGUF version 3, alignment 32", "3.94 M in 7.5 MiB", "can be loaded", "general.architecture", "llama",
		`string[1536]   ["<unk>", "<s>", "</s>", "<0x00>", "<0x01>", "<0x02>", …]`, "float32        1e-05",
		"token_embd.weight         f16   256 × 1536  768 KiB", "f16  43 tensors", "chunk size      1.0 MiB",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is missing in\n%s", want, r.out)
		}
	}
	if full := call(t, "inspect", "--full", tinyF16); len(full.out) < 2*len(r.out) || strings.Contains(full.out, "…") {
		t.Error("--full does not show all")
	}
}

// The tensors of a layer that predicts further tokens are in the file and in no chunk.
func TestInspectSaysWhatTheEngineDoesNotUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, ggufcases.Wide("glm4moe nextn", 2), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := call(t, "inspect", path); r.code != 0 || !strings.Contains(r.out, "of tensors that the engine does not use") || !strings.Contains(r.out, "blk.3.nextn.eh_proj.weight") {
		t.Error(r)
	}
	if r := call(t, "inspect", tinyF16); strings.Contains(r.out, "left out") {
		t.Errorf("all of it is used:\n%s", r.out)
	}
}

func TestInspectJSON(t *testing.T) {
	r := call(t, "inspect", "--json", "--chunk-size", "1MiB", tinyF16)
	var got struct {
		Version    int    `json:"gguf_version"`
		Arch       string `json:"architecture"`
		Parameters int    `json:"parameters"`
		Metadata   map[string]struct {
			Type   string `json:"type"`
			Length int    `json:"length"`
			Value  any    `json:"value"`
			Cut    bool   `json:"truncated"`
		} `json:"metadata"`
		Tensors []struct {
			Name string `json:"name"`
			Size int    `json:"size_bytes"`
		} `json:"tensors"`
		Types []struct {
			Tensors int `json:"tensors"`
		} `json:"types"`
		Plan struct {
			Chunk  int `json:"chunk_size_bytes"`
			Chunks int `json:"chunks"`
			List   []struct {
				Size int `json:"size_bytes"`
			} `json:"list"`
		} `json:"plan"`
		Verdict struct {
			Loads bool `json:"loads"`
		} `json:"verdict"`
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || strings.Count(r.out, "\n") != 1 {
		t.Fatalf("%v in %q", err, r.out)
	}
	tokens := got.Metadata["tokenizer.ggml.tokens"]
	if got.Version != 3 || got.Arch != "llama" || got.Parameters != 3935488 || len(got.Tensors) != 56 || len(got.Types) != 2 ||
		!got.Verdict.Loads || tokens.Length != 1536 || !tokens.Cut || got.Metadata["llama.attention.layer_norm_rms_epsilon"].Value != 1e-05 {
		t.Errorf("%+v", got)
	}
	if got.Plan.Chunk != 1<<20 || got.Plan.Chunks < 8 || len(got.Plan.List) != got.Plan.Chunks {
		t.Errorf("plan: %+v", got.Plan)
	}
	for _, c := range got.Plan.List {
		if c.Size <= 0 || c.Size > 1<<20 {
			t.Errorf("a chunk of %d bytes", c.Size)
		}
	}
}

func TestInspectShowsFilesThatWouldBeRefused(t *testing.T) {
	const evil = "\x1b]0;pwned\x07\x1b[2J\u202e\u009b31m"
	var w gguf.Writer
	w.Add("general.architecture", gguf.StringValue("martian"+evil))
	w.Add("general.name", gguf.StringValue(evil+strings.Repeat(evil, 50)))
	w.Add("general.infinite", gguf.Float64Value(math.Inf(1)))
	w.Add("general.nan", gguf.Float32Value(float32(math.NaN())))
	w.Add("general.large", gguf.Uint64Value(math.MaxUint64))
	w.Add("general.negative", gguf.Int64Value(math.MinInt64))
	w.Add("general.flag", gguf.BoolValue(true))
	w.Add("general.list", gguf.StringsValue([]string{evil, "a, b", "", "\xff"}))
	w.Add("general.none", gguf.StringsValue(nil))
	w.AddTensor("blk.0."+evil, gguf.TypeF32, 4, 2)
	path := writeGGUF(t, "evil.gguf", &w)

	r := call(t, "inspect", path)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	for _, c := range r.out {
		if !unicode.IsPrint(c) && c != '\n' {
			t.Fatalf("%U reaches the terminal in %q", c, r.out)
		}
	}
	for _, want := range []string{"refused: ", "martian", "+Inf", "NaN", "18446744073709551615", "-9223372036854775808", "true", `"a, b", "", "\xff"]`, "string[0]", "[]"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is missing in\n%s", want, r.out)
		}
	}

	r = call(t, "inspect", "--json", path)
	if strings.ContainsFunc(r.out, func(c rune) bool { return !unicode.IsPrint(c) && c != '\n' }) {
		t.Errorf("control characters in %q", r.out)
	}
	if r.code != 0 || !json.Valid([]byte(r.out)) || !strings.Contains(r.out, `"loads":false`) {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}
}

func TestInspectShowsAVocabularyAlone(t *testing.T) {
	var w gguf.Writer
	w.Add("general.architecture", gguf.StringValue("llama"))
	r := call(t, "inspect", writeGGUF(t, "vocab.gguf", &w))
	if r.code != 0 || !strings.Contains(r.out, "Tensors (0)") || strings.Contains(r.out, "Chunk plan") {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}
}

func TestInspectRefusesWhatIsNoModel(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.gguf")
	if err := os.WriteFile(text, []byte("this is no model\x1b[2J\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, filepath.Join(t.TempDir(), "absent.gguf"), t.TempDir()} {
		r := call(t, "inspect", path)
		if r.code != exitFailure || r.out != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "infer: ") || strings.Contains(r.stderr, "\x1b") {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
		}
	}
}
