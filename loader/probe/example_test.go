package probe_test

import (
	"fmt"
	"log"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// The largest block that the system would grant now, and the limit that bounds it.
func ExampleMeasure() {
	p, err := probe.Measure()
	if err != nil {
		log.Fatal(err)
	}
	available, limit := p.Available()
	fmt.Printf("%d bytes of private memory, by the %s\n", available, limit)
	fmt.Printf("largest block %d bytes, by the %s\n", p.LargestFreeBlock, p.LimitedBy)
	for _, r := range memory.RemediesOf(p) {
		if r.Kind == memory.RemedyMap {
			fmt.Println("mapping the weights would help")
		}
	}
}
