package loader_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
)

const exampleModel = "../models/tiny/tiny-stories-f16.gguf"

// A model is planned, and then mapped chunk by chunk.
func Example() {
	ix, err := loader.Open(exampleModel)
	if err != nil {
		log.Fatal(err)
	}
	defer ix.Close()
	plan, err := loader.NewPlan(ix, loader.PlanOptions{ChunkSize: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	var ledger memory.Ledger
	w, err := loader.MapWeights(context.Background(), ix, plan, loader.MapOptions{Ledger: &ledger})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	u := ledger.Snapshot().Of(memory.PurposeWeights)
	fmt.Println("several chunks:", u.Count > 1)
	fmt.Println("none larger than a chunk:", u.LargestAllocation <= plan.ChunkSize)
	_, size, _ := w.TensorData("output_norm.weight")
	fmt.Println("output_norm.weight has", size, "bytes")
	// Output:
	// several chunks: true
	// none larger than a chunk: true
	// output_norm.weight has 1024 bytes
}
