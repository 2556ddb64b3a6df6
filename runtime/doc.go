// Package runtime loads GGUF models in bounded chunks and generates text from them. It is the
// package that services import. It combines the packages below it (loader for files and
// memory, llama for the engine, models for names) and decides how to load, how much memory
// to request at once, and what to do if there is not enough.
//
//	m, err := runtime.Open(ctx, "model.gguf", runtime.Options{})
//	s, err := m.NewSession(ctx, runtime.SessionOptions{})
//	for t, err := range s.Generate(ctx, "Once upon a time", runtime.GenerateOptions{}) {
//		fmt.Print(t.Text)
//	}
//
// A [Model] holds the weights and is safe for concurrent use. A [Session] holds one
// text being generated, with a KV cache of its own; sessions of one model run
// concurrently. The zero value of every options struct is a good default.
//
// Some models are not for text: [Model.Task] tells what a model is for. [Model.Embed]
// returns a vector for each text, [Model.Rerank] orders documents by how well they answer a
// query. A session for either evaluates several texts together.
//
// The package prints nothing and never ends the process. The first mapping of weights installs
// a handler for SIGBUS (for exceptions on Windows), which handles lost pages of such mappings
// and passes other faults on; see llama.WatchMapped. Reports are snapshots ([Model.Report],
// [Session.Stats]); decisions are logged to [Options].Logger.
package runtime
