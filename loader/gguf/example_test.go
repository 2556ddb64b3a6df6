package gguf_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed7adf6694/infer/loader/gguf"
)

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

	var w gguf.Writer
	w.Add("general.name", gguf.StringValue("example"))
	_, size := w.AddTensor("weights", gguf.TypeF32, 2, 3)
	if _, err := w.WriteHeader(f); err != nil {
		fmt.Println(err)
		return
	}
	data := make([]byte, size)
	f.Write(data)
	f.Write(make([]byte, w.Padding(size)))

	ix, err := gguf.Open(path, gguf.Options{})
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
