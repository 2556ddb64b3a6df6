//go:build cgo

package llama

// The engine: llama.cpp and ggml as Go packages that cgo compiles. They export
// nothing to Go; importing them links their native code into the program.
import (
	_ "github.com/ollama/ollama/llama/llama.cpp/src"
	_ "github.com/ollama/ollama/ml/backend/ggml/ggml/src"
)
