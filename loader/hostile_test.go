package loader_test

import (
	"cmp"
	"errors"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
)

// wantFormatError returns the error for a file that is wrong. It fails unless err is typed, one
// line, names the file, and names a field that contains field and has a value that begins with
// value.
func wantFormatError(t *testing.T, err error, field, value string) *gguf.FormatError {
	t.Helper()
	var format *gguf.FormatError
	switch {
	case err == nil:
		t.Fatal("accepted")
	case !errors.Is(err, gguf.ErrFormat) || !errors.As(err, &format):
		t.Fatalf("error of type %T is no format error: %v", err, err)
	case format.File == "" || format.Field == "" || format.Reason == "" && format.Err == nil:
		t.Errorf("error does not say file, field and reason: %+v", format)
	case strings.ContainsAny(err.Error(), "\n\r\x00\x1b") || len(err.Error()) > 3000:
		t.Errorf("error is not one readable line: %q", err)
	case !strings.Contains(format.Field, field) || !strings.HasPrefix(format.Value, value):
		t.Errorf("error is about %s, %s, want %s, %s: %v", format.Field, format.Value, field, value, err)
	}
	return format
}

func TestHostileFilesAreRefused(t *testing.T) {
	memtest.WithoutRace(t)
	for name, c := range ggufcases.Hostile() {
		t.Run(name, func(t *testing.T) {
			path, err := c.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			before := openFiles(t)
			ix, err := loader.Open(path)
			if ix != nil {
				ix.Close()
			}
			wantFormatError(t, err, cmp.Or(c.Field, c.Want), c.Value)
			if errors.Is(err, gguf.ErrTruncated) != c.Truncated {
				t.Errorf("truncated is not %v: %v", c.Truncated, err)
			}
			if after := openFiles(t); after > before {
				t.Errorf("%d files left open", after-before)
			}
			t.Log(err)
		})
	}
}

func TestHostileModelsAreRefusedForOtherEngines(t *testing.T) {
	memtest.WithoutRace(t)
	for _, group := range []iter.Seq2[string, ggufcases.Case]{ggufcases.Models(), ggufcases.ModelsV0_5()} {
		for name, c := range group {
			t.Run(name, func(t *testing.T) {
				path, err := c.Write(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				ix, err := loader.OpenWith(path, loader.OpenOptions{Engine: check.EngineV0_5})
				if ix != nil {
					ix.Close()
				}
				if lifted[name] != "" {
					if err != nil {
						t.Errorf("%s, but: %v", lifted[name], err)
					}
					return
				}
				wantFormatError(t, err, cmp.Or(otherFields[name], c.Field, c.Want), c.Value)
			})
		}
	}
}

// lifted are models that engines of v0.5.x load, and why.
var lifted = map[string]string{
	"513 experts":                    "they have room for 1024 experts",
	"a gate that does not exist":     "they know a fourth gate",
	"a Gemma 2 of one layer":         "they need no layer without a window",
	"a Gemma 3 without a full layer": "they need no layer without a window",
}

// otherFields are the fields that errors for engines of v0.5.x name instead.
var otherFields = map[string]string{
	"state-space groups that do not divide the heads": "attention.layer_norm_epsilon",
	"no output where the graph knows no other":        "general.architecture",
}

func TestDamageIsSeenWithoutLookingAtTheModel(t *testing.T) {
	memtest.WithoutRace(t)
	for _, group := range []func(func(string, ggufcases.Case) bool){ggufcases.Structure(), ggufcases.Shards()} {
		for name, c := range group {
			path, err := c.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			ix, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
			if err == nil {
				ix.Close()
				t.Errorf("%s: accepted", name)
			}
		}
	}
}

// openFiles counts the files that the process has open, where the system tells.
func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
