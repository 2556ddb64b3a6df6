// Command infer generates text from GGUF models on machines short of memory.
package main

func main() {}
