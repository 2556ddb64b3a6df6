package loader_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// A file that is no model is an error that says where it is not.
func ExampleOpen() {
	path := filepath.Join(os.TempDir(), "example-open.gguf")
	if err := os.WriteFile(path, []byte("GGUF\x01\x00\x00\x00 an old file in an old format"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(path)

	_, err := loader.Open(path)
	var bad *gguf.FormatError
	if errors.As(err, &bad) {
		fmt.Println(bad.Field, bad.Value, "at byte", bad.Offset)
		fmt.Println(bad.Reason)
	}
	// Output:
	// version 1 at byte 4
	// versions 2 and 3 can be read: convert the model again
}
