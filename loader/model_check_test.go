package loader_test

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

func TestSoundModelsOfEveryArchitectureAreAccepted(t *testing.T) {
	memtest.WithoutRace(t)
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

func TestSoundModelsForOtherEnginesAreAccepted(t *testing.T) {
	memtest.WithoutRace(t)
	for name, b := range ggufcases.ArchitecturesV0_5() {
		t.Run(name, func(t *testing.T) {
			path := modeltest.Write(t, b)
			ix, err := loader.OpenWith(path, loader.OpenOptions{Engine: check.EngineV0_5})
			if err != nil {
				t.Fatal(err)
			}
			ix.Close()
			if !ggufcases.OnlyV0_5(name) {
				return
			}
			var other *check.EngineError
			if _, err := loader.Open(path); !errors.As(err, &other) || !slices.Contains(other.Known, check.EngineV0_5) {
				t.Errorf("with the compiled-in engine: %v", err)
			}
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

func TestVocabulariesForOtherEnginesAreAccepted(t *testing.T) {
	for _, sets := range []iter.Seq2[string, []byte]{ggufcases.Vocabularies(), ggufcases.VocabulariesV0_5()} {
		for name, b := range sets {
			ix, err := loader.OpenWith(modeltest.Write(t, b), loader.OpenOptions{Engine: check.EngineV0_5})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			ix.Close()
		}
	}
	for name, b := range ggufcases.VocabulariesV0_5() {
		_, err := loader.Open(modeltest.Write(t, b))
		var other *check.EngineError
		if name == "kimi-k2 without merges" {
			if err == nil {
				t.Errorf("%s: accepted", name)
			}
			continue
		}
		if !errors.Is(err, check.ErrUnsupportedTokenizer) || !errors.As(err, &other) || !slices.Equal(other.Known, []check.Engine{check.EngineV0_5}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSpecialTokensOutsideTheVocabularyAreWarnings(t *testing.T) {
	memtest.WithoutRace(t)
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

// architecture returns the model with a name.
func architecture(t *testing.T, models func(names ...string) iter.Seq2[string, []byte], name string) []byte {
	t.Helper()
	for _, b := range models(name) {
		return b
	}
	t.Fatalf("there is no model %q", name)
	return nil
}

func TestTypesOfAnotherEngineAreNamed(t *testing.T) {
	for _, typ := range []gguf.Type{gguf.TypeNVFP4, gguf.TypeQ1_0, gguf.TypeQ2_0} {
		path := modeltest.Write(t, architecture(t, ggufcases.ArchitecturesV0_5, "qwen3 "+typ.String()))
		_, err := loader.Open(path)
		wantFormatError(t, err, "tensor", "of type "+typ.String())
		var other *check.EngineError
		if !errors.As(err, &other) || !errors.Is(err, check.ErrUnsupportedType) || other.Name != typ.String() || !slices.Equal(other.Known, []check.Engine{check.EngineV0_5}) {
			t.Errorf("%v: %v (%+v)", typ, err, other)
		}
		for _, o := range []loader.OpenOptions{{Engine: check.EngineV0_5}, {SkipModel: true}} {
			ix, err := loader.OpenWith(path, o)
			if err != nil {
				t.Errorf("%v: %v", typ, err)
				continue
			}
			ix.Close()
		}
	}
}

func TestEnginesHaveTheNamesOfTheirInterfaces(t *testing.T) {
	for _, name := range []string{"builtin", "v0.5"} {
		if e, err := check.ParseEngine(name); err != nil || e.String() != name {
			t.Errorf("%s is %v, %v", name, e, err)
		}
	}
	if e, err := check.ParseEngine("v9"); err == nil {
		t.Errorf("v9 is %v", e)
	}
	if _, err := loader.OpenWith(modeltest.Write(t, ggufcases.Small()), loader.OpenOptions{Engine: 99}); err == nil {
		t.Error("a model is opened for an engine without rules")
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
