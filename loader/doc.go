// Package loader opens GGUF models and places their weights in memory in bounded pieces. It
// is pure Go and knows nothing of the engine that will compute with those weights.
//
// A load passes through it and the packages below it in this order:
//
//   - [Open] reads and validates the header of a file, or of every file of a sharded
//     model, and returns a [gguf.Index]: metadata, tensors, places in files. Nothing is
//     allocated from a number that has not been compared with the size of the file, and
//     whatever would make a parser written in C assert is an error here (package check).
//   - [gguf.Index.Skeleton] gives the engine a file of its own to read: the same header,
//     and a hole where the weights would be.
//   - [NewPlan] groups the tensors into chunks, and [MapWeights] or [CopyWeights] bring the
//     chunks into memory.
//
// Package probe says what the system would grant. Package memory hands out bounded blocks
// and keeps the account of them. Package residency keeps weights within a budget. Package
// packed writes files in the layout that a CPU computes with, and keeps them.
//
// No package of these maps a whole file, writes to a model, prints or ends the process. On
// Windows files are opened so that others may rename them.
//
//	ix, err := loader.Open("model.gguf")
//	if err != nil {
//		return err
//	}
//	defer ix.Close()
//	for _, t := range ix.Tensors() {
//		fmt.Println(t.Name, t.Type, t.Shape, t.Size)
//	}
package loader
