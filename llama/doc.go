// Package llama is the binding of llama.cpp and ggml.
package llama
