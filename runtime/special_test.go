//go:build cgo

package runtime_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/runtime"
)

func TestModelsWithSpecialTokensOutsideTheVocabularyGenerate(t *testing.T) {
	for name, c := range ggufcases.SpecialTokens() {
		t.Run(name, func(t *testing.T) {
			path, err := c.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			m, err := runtime.Open(t.Context(), path, runtime.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if w := m.Report().Warnings; len(w) != 1 || !strings.Contains(w[0], c.Want) || !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("warnings %q, log %s", w, &log)
			}
			s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 64, Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if text, err := s.Complete(t.Context(), "Hello <s> </s>", runtime.GenerateOptions{MaxTokens: 8, IgnoreEOG: true}); err != nil || text == "" {
				t.Errorf("%q, %v", text, err)
			}
			v, err := runtime.OpenVocabulary(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			if ids, err := v.Tokenize("Hello", runtime.TokenizeOptions{}); err != nil || len(ids) == 0 || len(v.Warnings()) != 1 {
				t.Errorf("%v, %v, warnings %q", ids, err, v.Warnings())
			}
		})
	}
}
