// Package runtime loads GGUF models in bounded chunks and generates text from them:
// what a service embeds. It composes the packages below it (loader for files and
// memory, llama for the engine, models for names) and owns the policy: how to
// load, how much to ask for at once, what to do when there is not enough.
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
// Models make other things than text too: [Model.Task] says what one is for. [Model.Embed]
// makes vectors of texts, [Model.Rerank] orders documents by how well they answer a query;
// a session for either evaluates many texts together.
//
// The package prints nothing, handles no signals and never ends the process. Reports
// are snapshots ([Model.Report], [Session.Stats]); decisions go to [Options].Logger.
package runtime
