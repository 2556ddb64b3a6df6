package llama_test

import (
	"os"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
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
