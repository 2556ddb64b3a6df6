package loader_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed7adf6694/infer/loader"
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
	var bad *loader.FormatError
	if errors.As(err, &bad) {
		fmt.Println(bad.Field, bad.Value, "at byte", bad.Offset)
		fmt.Println(bad.Reason)
	}
	// Output:
	// version 1 at byte 4
	// versions 2 and 3 can be read: convert the model again
}

// A file is written in two steps: its header, then the data of its tensors.
func ExampleWriter() {
	path := filepath.Join(os.TempDir(), "example-writer.gguf")
	f, err := os.Create(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(path)
	defer f.Close()

	var w loader.Writer
	w.Add("general.name", loader.StringValue("example"))
	_, size := w.AddTensor("weights", loader.TypeF32, 2, 3)
	if _, err := w.WriteHeader(f); err != nil {
		fmt.Println(err)
		return
	}
	data := make([]byte, size)
	f.Write(data)
	f.Write(make([]byte, w.Padding(size)))

	ix, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ix.Close()
	for key, value := range ix.Metadata() {
		fmt.Println(key, "=", value)
	}
	for _, t := range ix.Tensors() {
		fmt.Println(t.Name, t.Type, t.Shape, t.Size, "bytes")
	}
	// Output:
	// general.name = example
	// weights f32 [2 3] 24 bytes
}
