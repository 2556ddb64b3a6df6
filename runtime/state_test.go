//go:build cgo

package runtime_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// A restored session goes on exactly as the one that was saved.
func TestASavedSessionGoesOn(t *testing.T) {
	paths := []string{tinyF16}
	for name, file := range ggufcases.Architectures("mamba", "jamba", "gemma3") {
		path := filepath.Join(t.TempDir(), name+".gguf")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		m := open(t, path, runtime.Options{})
		s := session(t, m, runtime.SessionOptions{})
		first, more := greedyOptions(6), greedyOptions(6)
		first.IgnoreEOG, more.IgnoreEOG = true, true
		first.Tokens = []int32{5, 6, 7, 8, 9, 10}
		more.Tokens, more.Continue = []int32{20, 21}, true
		generate(t, s, "", first, 0)
		file := filepath.Join(t.TempDir(), "state")
		if err := s.Save(file); err != nil {
			t.Fatal(err)
		}
		want := generate(t, s, "", more, 0)
		again := session(t, m, runtime.SessionOptions{})
		generate(t, again, "", more, 0) // something else
		if err := again.Restore(file); err != nil {
			t.Fatal(path, err)
		}
		got := generate(t, again, "", more, 0)
		equal(t, path, got.ids, want.ids)
		if got.stats.PromptTokens != want.stats.PromptTokens || got.stats.Used != want.stats.Used {
			t.Errorf("%s: %+v, want %+v", path, got.stats, want.stats)
		}
	}
}

func TestStatesThatDoNotSuit(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 256})
	generate(t, s, prompt, greedyOptions(6), 0)
	file := filepath.Join(t.TempDir(), "state")
	if err := s.Save(file); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, s *runtime.Session, path string) {
		t.Helper()
		var state *runtime.StateError
		if err := s.Restore(path); !errors.Is(err, runtime.ErrBadState) || !errors.As(err, &state) || state.Path != path {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := s.Complete(t.Context(), prompt, greedyOptions(3)); err != nil {
			t.Errorf("after %s: %v", what, err)
		}
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	for i := 0; i < len(whole); i += max(1, len(whole)/97) {
		flipped := slices.Clone(whole)
		flipped[i] ^= 0x41
		for what, b := range map[string][]byte{"flipped": flipped, "cut": whole[:i], "two": append(whole[:i:i], whole...)} {
			if bytes.Equal(b, whole) {
				continue
			}
			if err := os.WriteFile(damaged, b, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(what, s, damaged)
		}
	}
	refused("another cache", session(t, m, runtime.SessionOptions{CacheTypeK: "q8_0"}), file)
	refused("flash attention", session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn}), file)
	refused("another model", session(t, open(t, model(t, "synthetic", "q4_0"), runtime.Options{}), runtime.SessionOptions{}), file)
	long := session(t, m, runtime.SessionOptions{Context: 512})
	endless := greedyOptions(300)
	endless.IgnoreEOG = true
	generate(t, long, prompt, endless, 0)
	if err := long.Save(file); err != nil {
		t.Fatal(err)
	}
	refused("a longer text", s, file)
	if err := s.Restore(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := s.Save(filepath.Join(t.TempDir(), "no", "folder")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
