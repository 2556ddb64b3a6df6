// Package enginetest runs tests with an engine from libraries in place of the compiled-in one.
package enginetest

import (
	"os"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// variable has the folder of the engine; empty: the compiled-in one.
const variable = "INFER_TEST_ENGINE"

// Use makes this process use the engine in the folder $INFER_TEST_ENGINE, if that is set. It is for
// TestMain, before anything else.
func Use() {
	if folder := os.Getenv(variable); folder != "" {
		if err := llama.UseEngine(folder); err != nil {
			panic(err)
		}
	}
}

// Folder returns $INFER_TEST_ENGINE, and skips the test if that is not set.
func Folder(t *testing.T) string {
	t.Helper()
	folder := os.Getenv(variable)
	if folder == "" {
		t.Skipf("no engine from libraries: $%s is not set", variable)
	}
	return folder
}

// NeedBuiltin skips a test of what only the compiled-in engine does. what says why others differ.
func NeedBuiltin(t *testing.T, what string) {
	t.Helper()
	if e := llama.Engine(); e.ABI != llama.ABIBuiltin {
		t.Skipf("the engine is %s, not the compiled-in one: %s", e.Folder, what)
	}
}
