package models_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed7adf6694/infer/models"
)

func Example() {
	// The embedded model, in a file that the loader can open.
	path, err := models.Resolve("tiny", models.ResolveOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(filepath.Base(path))
	// Output: tiny-stories-q4_0-b292d5f6.gguf
}

func ExampleResolve() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"mistral-7b.gguf", "qwen-00001-of-00002.gguf", "qwen-00002-of-00002.gguf"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}

	o := models.ResolveOptions{Dirs: []string{dir}}
	for _, name := range []string{"mistral-7b", "mistral", "qwen", "mixtral-7b"} {
		path, err := models.Resolve(name, o)
		var missing *models.NotFoundError
		switch {
		case errors.As(err, &missing):
			fmt.Println(name, "is not there, is it", missing.Suggestions, errors.Is(err, fs.ErrNotExist))
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(name, "is", filepath.Base(path))
		}
	}
	// Output:
	// mistral-7b is mistral-7b.gguf
	// mistral is mistral-7b.gguf
	// qwen is qwen-00001-of-00002.gguf
	// mixtral-7b is not there, is it [mistral-7b] true
}

func ExampleParseShape() {
	shape, err := models.ParseShape("1b,layers=4")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(shape, shape.Parameters())

	_, err = models.ParseShape("1b,kvheads=8")
	fmt.Println(err)
	// Output:
	// layers=4,width=2048,heads=32,kv_heads=4,ffn=5632,vocab=32000,context=2048 307251200
	// shape: unknown key "kvheads" (did you mean kv_heads?), the keys are layers, width, heads, kv_heads, ffn, vocab, context, experts, experts_used, head_size, window, experts_skew, arch
}

func ExampleSynthesize() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	shape, err := models.ParseShape("layers=2,width=64,heads=4,vocab=400")
	if err != nil {
		fmt.Println(err)
		return
	}
	path := filepath.Join(dir, "noise.gguf")
	err = models.Synthesize(context.Background(), path, models.SynthesizeOptions{Shape: shape, Type: "f16", Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(shape.Parameters(), "parameters,", info.Size(), "bytes")
	// Output: 182592 parameters, 376416 bytes
}
