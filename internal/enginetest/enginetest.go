// Package enginetest runs tests with an engine from libraries in place of the compiled-in one.
package enginetest

import (
	"os"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// Variable has the folder of the engine; empty: the compiled-in one.
const Variable = "INFER_TEST_ENGINE"

// Use makes this process use the engine in the folder $INFER_TEST_ENGINE, if that is set. It is for
// TestMain, before anything else.
func Use() {
	if folder := os.Getenv(Variable); folder != "" {
		if err := llama.UseEngine(folder); err != nil {
			panic(err)
		}
	}
}

// Folder returns $INFER_TEST_ENGINE, and skips the test if that is not set.
func Folder(t *testing.T) string {
	t.Helper()
	folder := os.Getenv(Variable)
	if folder == "" {
		t.Skipf("no engine from libraries: $%s is not set", Variable)
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

// Devices returns the devices that layers can be put on, and skips the test if there are fewer than n.
func Devices(t testing.TB, n int) (list []llama.Device) {
	t.Helper()
	devices, err := llama.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if d.Offloads() {
			list = append(list, d)
		}
	}
	if len(list) < n {
		t.Skipf("%d devices needed, the engine has %d: set $%s to the folder of one with Vulkan, and $GGML_VK_VISIBLE_DEVICES to 0,0 for two of Mesa's lavapipe (apt-get install mesa-vulkan-drivers)", n, len(list), Variable)
	}
	return list
}
