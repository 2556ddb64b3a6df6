package llama_test

import (
	"os"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
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
	enginetest.Use()
	os.Exit(memtest.Main(m, children))
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
