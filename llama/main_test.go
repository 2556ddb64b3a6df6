package llama_test

import (
	"os"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	rules "github.com/seed7adf6694/infer/loader/gguf/check"
)

// children are the functions that tests run in processes of their own.
var children = memtest.Children{}

// TestMain runs the tests with the engine in the folder $INFER_TEST_ENGINE, if that is set.
func TestMain(m *testing.M) {
	if folder := os.Getenv("INFER_TEST_ENGINE"); folder != "" {
		if err := llama.UseEngine(folder); err != nil {
			panic(err)
		}
	}
	os.Exit(memtest.Main(m, children))
}

// needBuiltin skips a test of what only the compiled-in engine does.
func needBuiltin(t *testing.T, what string) {
	t.Helper()
	if e := llama.Engine(); e.ABI != llama.ABIBuiltin {
		t.Skipf("the engine is %s, not the compiled-in one: %s", e.Folder, what)
	}
}

// openIndex opens a file and checks it by the rules of the engine in use.
func openIndex(path string) (*gguf.Index, error) {
	return loader.OpenWith(path, loader.OpenOptions{Engine: engineRules()})
}

// engineRules are the rules of the engine in use.
func engineRules() rules.Engine {
	engine, err := rules.ParseEngine(llama.Engine().ABI)
	if err != nil {
		panic(err)
	}
	return engine
}
