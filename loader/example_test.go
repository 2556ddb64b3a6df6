package loader_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed7adf6694/infer/loader"
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
	var ledger loader.Ledger
	w, err := loader.MapWeights(context.Background(), ix, plan, loader.MapOptions{Ledger: &ledger})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	u := ledger.Snapshot().Of(loader.PurposeWeights)
	fmt.Println("several chunks:", u.Count > 1)
	fmt.Println("none larger than", loader.Size(plan.ChunkSize)+":", u.LargestAllocation <= plan.ChunkSize)
	_, size, _ := w.TensorData("output_norm.weight")
	fmt.Println("output_norm.weight has", size, "bytes")
	// Output:
	// several chunks: true
	// none larger than 1.0 MiB: true
	// output_norm.weight has 1024 bytes
}

// What the system would grant now, and which limit says so.
func ExampleMeasure() {
	p, err := loader.Measure()
	if err != nil {
		log.Fatal(err)
	}
	available, limit := p.Available()
	fmt.Printf("%s of private memory, by the %s\n", loader.Size(available), limit)
	fmt.Printf("largest block %s, by the %s\n", loader.Size(p.LargestFreeBlock), p.LimitedBy)
	for _, r := range p.Remedies() {
		if r.Kind == loader.RemedyMap {
			fmt.Println("mapping the weights would help")
		}
	}
}

// What is within a budget stays in memory, the rest is streamed.
func ExamplePlanResidency() {
	ix, err := loader.Open(exampleModel)
	if err != nil {
		log.Fatal(err)
	}
	defer ix.Close()
	plan, err := loader.NewPlan(ix, loader.PlanOptions{})
	if err != nil {
		log.Fatal(err)
	}
	r := loader.PlanResidency(plan, ix.Bytes()/2, 0)
	fmt.Println("a budget of half the weights streams some layers:", r.Streamed > 0)
	// Output: a budget of half the weights streams some layers: true
}
