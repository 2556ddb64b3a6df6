package loader_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

func TestSoundModelsOfEveryArchitectureAreAccepted(t *testing.T) {
	for name, b := range ggufcases.Architectures() {
		t.Run(name, func(t *testing.T) {
			ix, err := loader.Open(modeltest.Write(t, b))
			if err != nil {
				t.Fatal(err)
			}
			ix.Close()
		})
	}
}

func TestVocabulariesAreAccepted(t *testing.T) {
	for name, b := range ggufcases.Vocabularies() {
		t.Run(name, func(t *testing.T) {
			ix, err := loader.Open(modeltest.Write(t, b))
			if err != nil {
				t.Fatal(err)
			}
			if ix.HasTensors() {
				t.Error("a vocabulary has tensors")
			}
			ix.Close()
		})
	}
}

func TestSpecialTokensOutsideTheVocabularyAreWarnings(t *testing.T) {
	for name, c := range ggufcases.SpecialTokens() {
		t.Run(name, func(t *testing.T) {
			ix, err := loader.Open(modeltest.Write(t, c.Bytes))
			if err != nil {
				t.Fatal(err)
			}
			defer ix.Close()
			if w := ix.Warnings(); len(w) != 1 || !strings.Contains(w[0], c.Want) || !strings.HasPrefix(w[0], ix.Path()+": ") || strings.Contains(w[0], "4294967295") {
				t.Errorf("%q", w)
			}
		})
	}
}

func TestAnUnsupportedArchitectureIsNamed(t *testing.T) {
	for _, arch := range []string{"no-such-model", "clip", "gptj", "plm"} {
		var w gguf.Writer
		w.Add("general.architecture", gguf.StringValue(arch))
		path := filepath.Join(t.TempDir(), "model.gguf")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteHeader(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		_, err = loader.Open(path)
		wantFormatError(t, err, `key "general.architecture"`, strconv.Quote(arch))
		if !errors.Is(err, check.ErrUnsupportedArchitecture) {
			t.Errorf("%s: not ErrUnsupportedArchitecture: %v", arch, err)
		}
		ix, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
		if err != nil {
			t.Errorf("%s can't be inspected: %v", arch, err)
			continue
		}
		ix.Close()
	}
}
