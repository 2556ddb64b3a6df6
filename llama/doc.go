// Package llama is a thin, complete binding of llama.cpp and ggml, the only place
// of this module with native code. It holds no policy: what to load, where the
// memory comes from and what to do when there is none is decided above it.
//
// A [Model] holds weights and a vocabulary, a [Context] the state of sequences
// being evaluated, a [Sampler] chooses tokens from a context's logits:
//
//	m, err := llama.LoadModel(ctx, "model.gguf", llama.ModelParams{})
//	c, err := m.NewContext(llama.ContextParams{Ctx: 512})
//	b, err := llama.NewBatch(512, 1)
//	b.Add(token, pos, true, 0)
//	err = c.Decode(ctx, b)
//
// Two things go beyond llama.cpp's C API. Host memory for the KV cache, compute
// buffers and outputs can come from Go ([ModelParams].Blocks), in blocks of bounded
// size. And a model can be loaded without its weights ([ModelParams].Unbound):
// [Model.Weights] then says which tensors want bytes, and [Model.Bind] and
// [Model.Repack] say where they are, so that no allocation or mapping of the
// whole file is ever made.
//
// Ownership: every type with a Close method owns native memory. Close may be called
// twice, in any order and from any goroutine; what depends on a closed thing keeps
// it alive natively until it is closed itself; using a closed thing returns
// [ErrClosed]. A forgotten one is freed by the garbage collector. C keeps no Go
// pointer.
//
// On Linux and Windows the linker leads some of the engine's calls to this package
// (--wrap; on macOS, where it can't, they stay as they are): ggml_backend_sched_new and
// _reserve (memory of a scheduler), ggml_backend_buffer_free and ggml_backend_free (what is
// freed, and when), llama_file::read_raw (no reading of unbound tensors) and
// ggml_quantize_chunk (errors instead of the end of the process). They are functions of the
// engine alone. On Windows std::filebuf::open is led here too, for paths in UTF-8 while
// [Quantize] runs; all other calls of a program go to the C++ library as before.
//
// The engine is compiled from Go packages by plain `go build`; without cgo the
// package still compiles and every constructor returns [ErrNoEngine].
package llama
