//go:build cgo

package llama_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// The engine opens files with names in any script and of any length.
func TestPathsOfAnyLetters(t *testing.T) {
	data, err := os.ReadFile(tinyF16)
	check(t, err)
	for _, tt := range []struct{ name, dir string }{
		{"spaces and signs", "a b (c) & 50% 'd'"},
		{"Latin", "Übung œuvre"},
		{"Cyrillic", "модель"},
		{"Greek, Hebrew and Thai", "μοντέλο דגם แบบ"},
		{"Chinese, Japanese and Korean", "模型 モデル 모델"},
		{"beyond the basic plane", "😀𝄞"},
		{"over 260 characters", filepath.Join(slices.Repeat([]string{strings.Repeat("x", 40)}, 7)...)},
		{"over 260 characters of Cyrillic", filepath.Join(slices.Repeat([]string{strings.Repeat("ж", 40)}, 7)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), tt.dir)
			check(t, os.MkdirAll(dir, 0o700))
			letters := filepath.Base(dir)
			path := filepath.Join(dir, letters+".gguf")
			check(t, os.WriteFile(path, data, 0o600))

			for _, mmap := range []bool{false, true} {
				load(t, path, llama.ModelParams{MMap: mmap})
			}
			if _, err := llama.LoadModel(t.Context(), path+".none", llama.ModelParams{}); err == nil || !strings.Contains(err.Error(), letters) {
				t.Errorf("the error does not name the file that is missing: %v", err)
			}

			adapter, err := os.ReadFile(plainAdapter(t))
			check(t, err)
			lora := filepath.Join(dir, letters+".lora.gguf")
			check(t, os.WriteFile(lora, adapter, 0o600))
			loadAdapter(t, load(t, path, llama.ModelParams{MMap: true}), lora)

			out := filepath.Join(dir, letters+".q4_0.gguf")
			check(t, llama.Quantize(t.Context(), path, out, llama.QuantizeParams{Type: "q4_0"}))
			load(t, out, llama.ModelParams{MMap: true})
			entries, err := os.ReadDir(dir)
			check(t, err)
			if len(entries) != 3 {
				t.Errorf("the folder holds %v", entries)
			}
		})
	}
}
