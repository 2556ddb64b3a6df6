// Package loader reads GGUF model files and places their weights in memory in
// bounded pieces. It is pure Go and knows nothing of the engine that will
// compute with those weights.
//
// A load passes through it in this order:
//
//   - [Open] reads and validates the header of a file, or of every file of a
//     sharded model, and returns an [gguf.Index]: metadata, tensors, places in files.
//     Nothing is allocated from a number that has not been compared with the
//     size of the file, and whatever would make a parser written in C assert is
//     an error here.
//   - [gguf.Index.Skeleton] gives the engine a file of its own to read: the same
//     header, and a hole where the weights would be.
//   - [gguf.Index.Plan] groups the tensors into chunks, and [MapWeights] or
//     [CopyWeights] bring the chunks into memory.
//   - [probe.Measure] says what the system would grant ([probe.Probe.Confirm] asks it), an [memory.Arena] hands out bounded
//     blocks, from the system or from a [memory.Pool] reserved before, and a [memory.Ledger]
//     keeps the account of all of it.
//
// On Windows addresses are reserved in units of 64 KiB; private memory is charged against the
// commit limit, which page files that grow raise: a [probe.Probe] has both, the limit as it is and
// as it can become. Files are opened so that others may rename them.
//
// The package never maps a whole file, never writes to a model, never prints
// and never ends the process.
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
