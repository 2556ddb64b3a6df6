package residency_test

import (
	"fmt"
	"log"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/residency"
)

// Half of the weights as budget: some tensors stay resident, the others are streamed.
func ExampleNewPlan() {
	ix, err := loader.Open("../../models/tiny/tiny-stories-f16.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer ix.Close()
	plan, err := loader.NewPlan(ix, loader.PlanOptions{})
	if err != nil {
		log.Fatal(err)
	}
	r := residency.NewPlan(plan, ix.Bytes()/2, 0, 0)
	fmt.Println("a budget of half the weights streams some layers:", r.Streamed > 0)
	// Output: a budget of half the weights streams some layers: true
}
