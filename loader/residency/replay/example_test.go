package replay_test

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader/residency/replay"
)

// A trace of four tokens, each with one of three experts, in memory for two of them.
func ExampleTrace_Replay() {
	trace, err := replay.Read(strings.NewReader(`
{"infer_expert_trace":1,"model":{"name":"m.gguf"},"experts_used":1,"slot_bytes":128,"layers":[{"layer":0,"experts":3,"expert_bytes":100}]}
{"evaluation":0,"layer":0,"tokens":1,"ids":[0]}
{"evaluation":1,"layer":0,"tokens":1,"ids":[1]}
{"evaluation":2,"layer":0,"tokens":1,"ids":[2]}
{"evaluation":3,"layer":0,"tokens":1,"ids":[0]}
`[1:]))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range replay.Policies() {
		r, err := trace.Replay(p, 2)
		fmt.Println(p, r.Alone.Hits, r.Alone.ReadPerToken(), err)
	}
	// Output:
	// lru 0 100 <nil>
	// lfu 0 100 <nil>
	// optimal 1 75 <nil>
}
