package memtest

import "fmt"

// Growth calls round for the given number of rounds, after some warm-up rounds, and returns by how
// many bytes memory grew steadily: four times the smallest growth of the four quarters. A leak grows
// in each quarter, whereas the C library and Go keep memory in steps. memory measures the size after
// it has freed what can be freed.
func Growth(rounds int, memory func() (int64, error), round func() error) (int64, error) {
	const quarters, warmUp = 4, 30
	run := func(n int) (int64, error) {
		for i := range n {
			if err := round(); err != nil {
				return 0, fmt.Errorf("round %d of %d: %w", i, n, err)
			}
		}
		return memory()
	}
	before, err := run(warmUp)
	if err != nil {
		return 0, err
	}
	least := int64(0)
	for q := range quarters {
		after, err := run(rounds / quarters)
		if err != nil {
			return 0, err
		}
		if grown := after - before; q == 0 || grown < least {
			least = grown
		}
		before = after
	}
	return quarters * least, nil
}
