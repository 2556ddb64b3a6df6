//go:build cgo

package chat_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases/instruct"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

func TestMain(m *testing.M) { os.Exit(memtest.Main(m, nil)) }

const tiny = "../../models/tiny/tiny-stories-q4_0.gguf"

// model opens tiny with chat templates.
func model(t *testing.T, templates map[string]string) *runtime.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "instruct.gguf")
	if err := instruct.Write(tiny, path, templates); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func chatML(t *testing.T) *runtime.Model {
	return model(t, map[string]string{"tokenizer.chat_template": instruct.ChatML})
}
