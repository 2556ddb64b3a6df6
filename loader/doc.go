// Package loader reads GGUF models and finds memory for them. It is pure Go and knows
// no engine.
//
//	ix, err := loader.Open("model.gguf")            // index: validated
//	p, err := loader.Measure()                      // probe: what may be allocated
//	plan, err := ix.Plan(loader.PlanOptions{})      // chunks
//	w, err := loader.MapWeights(ctx, ix, plan, loader.MapOptions{})
//	data, size, ok := w.TensorData("output.weight")
//
// An [Index] is a model's metadata and where its tensors are, read with every count
// compared with the bytes that are there. A [Plan] divides the tensors into chunks: the
// most that is ever mapped or committed at once. [Weights] are the chunks in memory,
// mapped from the files or copied. An [Arena] gives bounded blocks for everything else.
// A [Ledger] keeps the account of all of it, by purpose, and a [Probe] is what the
// system would still give.
//
// Splitting creates no memory. Mapping read-only comes first because it is not charged
// as committed memory; chunks of private memory fit holes that the whole does not, and
// are refused early with an account rather than late with a corpse.
package loader
