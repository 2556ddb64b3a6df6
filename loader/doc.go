// Package loader opens GGUF models and loads their weights into memory in chunks of bounded size.
// It is pure Go and independent of the engine that computes with the weights.
//
// A load uses this package and those below it in this order:
//
//   - [Open] reads and validates the header of a file, or of all files of a sharded model, and
//     returns a [gguf.Index]: metadata, tensors, offsets in files. It allocates no memory for a
//     count before comparing it with the size of the file, and returns an error for input
//     on which the engine would assert (package check).
//   - [gguf.Index.Skeleton] makes a file for the engine to read: the same header, with a hole
//     instead of the weights.
//   - [NewPlan] groups tensors into chunks, and [MapWeights] or [CopyWeights] load the chunks.
//
// Package probe measures how much memory the system would grant. Package memory allocates
// bounded blocks and accounts for them. Package residency keeps weights within a budget. Package
// packed writes, checks and caches files in the layout of a CPU.
//
// None of these packages maps a whole file, writes to a model, prints or ends the process. On
// Windows files are opened so that other programs may rename them.
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
