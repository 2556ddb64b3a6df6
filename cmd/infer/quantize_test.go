package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestQuantize(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "model-f16.gguf"), filepath.Join(dir, "model-q4_0.gguf")
	data, err := os.ReadFile(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r := call(t, "quantize", "-m", in, "--type", "q4_0")
	if r.code != 0 || r.out != "" || !strings.HasPrefix(r.stderr, "infer: wrote "+out) || strings.Count(r.stderr, "\n") != 1 {
		t.Fatalf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if r := call(t, "-m", out, "-p", "Once", "-n", "3", "-q"); r.code != 0 || r.out == "" {
		t.Errorf("the result does not generate: exit code %d, stderr %q", r.code, r.stderr)
	}

	t.Run("in the order of llama-quantize, the same bytes", func(t *testing.T) {
		other := filepath.Join(dir, "other.gguf")
		if r := call(t, "quantize", "-q", in, other, "Q4_0"); r.code != 0 || r.stderr != "" {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
		if second, err := os.ReadFile(other); err != nil || !bytes.Equal(first, second) {
			t.Error("the files differ", err)
		}
	})
	t.Run("a file that is there stays", func(t *testing.T) {
		r := call(t, "quantize", in, out, "q8_0")
		if r.code != exitFailure || !strings.Contains(r.stderr, "--force") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
		if again, err := os.ReadFile(out); err != nil || !bytes.Equal(first, again) {
			t.Error("it was changed", err)
		}
	})
	t.Run("unless it is asked for", func(t *testing.T) {
		if r := call(t, "quantize", "--force", in, out, "q8_0"); r.code != 0 {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	t.Run("a quantised model only if it is asked for", func(t *testing.T) {
		again := filepath.Join(dir, "again.gguf")
		args := []string{"quantize", "-q", out, again, "q4_1"}
		if r := call(t, args...); r.code != exitFailure || !strings.Contains(r.stderr, "quantised already") || !strings.HasSuffix(r.stderr, "(--allow-requantize)\n") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
		if r := call(t, append(args, "--allow-requantize")...); r.code != 0 {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	t.Run("the model itself stays, whatever it is called", func(t *testing.T) {
		link := filepath.Join(dir, "link.gguf")
		err := os.Symlink(in, link)
		if err == nil {
			_, err = os.Lstat(link) // wine 8 says that it made one, and makes none
		}
		if err != nil {
			t.Skip("no symbolic links:", err)
		}
		for _, o := range []string{in, link} {
			if r := call(t, "quantize", "--force", in, o, "q8_0"); r.code != exitFailure {
				t.Errorf("%s: exit code %d, stderr %q", o, r.code, r.stderr)
			}
		}
	})
	t.Run("a failure leaves nothing", func(t *testing.T) {
		bad := filepath.Join(dir, "bad.gguf")
		if err := os.WriteFile(bad, data[:5000], 0o600); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(t.TempDir(), "x.gguf")
		r := call(t, "quantize", bad, target, "q4_0")
		left, err := os.ReadDir(filepath.Dir(target))
		if r.code != exitFailure || strings.Count(r.stderr, "\n") != 1 || err != nil || len(left) != 0 {
			t.Errorf("exit code %d, stderr %q, left %v, %v", r.code, r.stderr, left, err)
		}
	})
}

func TestQuantizedName(t *testing.T) {
	for in, want := range map[string]string{
		"model.gguf":                           "model-q4_0.gguf",
		"dir/model-f16.gguf":                   "dir/model-q4_0.gguf",
		"model.F16.gguf":                       "model-q4_0.gguf",
		"llama-3.2-1b.gguf":                    "llama-3.2-1b-q4_0.gguf",
		"model-bf16-00001-of-00003.gguf":       "model-q4_0.gguf",
		"f16.gguf":                             "f16-q4_0.gguf",
		filepath.Join("a-f16.d", "model.gguf"): filepath.Join("a-f16.d", "model-q4_0.gguf"),
	} {
		if got := quantizedName(in, "Q4_0"); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestQuantizeListsTypes(t *testing.T) {
	if r := call(t, "quantize", "--list"); r.code != 0 || !strings.Contains(r.out, "q4_0\n") || !strings.Contains(r.out, "q4_k_m\n") {
		t.Errorf("%+v", r)
	}
}
