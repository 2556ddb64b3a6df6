// Package llama is a thin, complete binding of llama.cpp and ggml. It is the only library package
// of this module with native code, and has no policy: its callers decide what to load, where memory
// comes from, and what to do if memory is short.
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
// Two things go beyond llama.cpp's C API. First, host memory for the KV cache, compute buffers and
// outputs can come from Go ([ModelParams].Blocks), in blocks of bounded size. Second, a model can
// be loaded without its weights ([ModelParams].Unbound): [Model.Weights] lists the tensors, and
// [Model.Bind] and [Model.Repack] set their addresses, so that the file is never allocated or
// mapped as a whole.
//
// Ownership: every type with a Close method owns native memory. Close may be called twice, in any
// order and from any goroutine. An object that depends on a closed one keeps its native memory
// alive until it is closed itself. Methods of a closed object return [ErrClosed]. An object that is
// not closed is freed by the garbage collector. C keeps no Go pointer.
//
// On Linux and Windows the linker redirects some of the engine's calls to this package (--wrap; the
// linker of macOS cannot do this): ggml_backend_sched_new and _reserve (memory of a scheduler),
// ggml_backend_buffer_free and ggml_backend_free (what is freed, and when), llama_file::read_raw
// (no reading of unbound tensors) and ggml_quantize_chunk (errors instead of the end of the
// process). These functions belong to the engine only. On Windows std::filebuf::open is redirected
// too, to accept UTF-8 paths while [Quantize] runs; all other calls are passed on to the C++
// library.
//
// The engine is compiled from Go packages by plain `go build`; without cgo the
// package still compiles and every constructor returns [ErrNoEngine].
//
// [UseEngine] takes llama.cpp v0.4 or v0.5 from shared libraries in its place, for the whole process.
// This package behaves the same then, with these differences. A saved state has no logits. A scheduler is
// the engine's own: it allocates one block of 20 to 100 MB, of which little is touched. On Linux the
// engine's calls of llama_file::read_raw, ggml_backend_sched_new and _reserve, and ggml_quantize_chunk are
// redirected through its table of imports; on other systems the weights of an unbound model are read once
// without use, [Model.MeasureContext] counts whole compute buffers, and types below 4 bits are quantised
// on one thread. Where the
// libraries export the C API alone, as on Windows, tensors on devices are not listed, positions are
// bounded by the context that the model was trained with, and [Model.Rebind] is refused.
package llama
