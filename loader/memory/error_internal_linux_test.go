package memory

import (
	"fmt"
	"testing"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
	"github.com/seed7adf6694/infer/loader/probe"
)

// A block of the size that the probe reports is granted.
func TestTheLargestFreeBlockIsGranted(t *testing.T) {
	p, err := probe.Measure()
	if err != nil {
		t.Fatal(err)
	}
	a := NewArena(ArenaOptions{ChunkSize: 1 << 40, Retry: -1})
	defer a.Close()
	block, err := a.AllocBlock(PurposePool, uintptr(min(p.LargestFreeBlock, 1<<40)&^(space.Granularity()-1)))
	if err != nil {
		t.Errorf("a block of what would be granted: %v", err)
	}
	a.FreeBlock(block)
}

func TestMemoryErrorSaysWhatHelps(t *testing.T) {
	for _, tt := range []struct {
		e    Error
		want string
	}{
		{Error{Purpose: PurposeKV, Requested: 3 << 30, Available: 1 << 30, Limit: probe.LimitCommit, Remedies: []Remedy{{Kind: RemedyContext, Tokens: 512, With: []Remedy{{Kind: RemedyCache, Type: "q8_0"}, {Kind: RemedyBatch}}, Needs: 1 << 20}, {Kind: RemedyRaise, Limit: probe.LimitGroup, Bytes: 2 << 20}}, Err: spacetest.ErrRefused},
			"not enough memory for kv: 3.00 GiB needed, 1.00 GiB left by the commit limit (refused by the test): use a context of 512 tokens, use a q8_0 cache and use a smaller micro-batch: needs 1.0 MiB, or raise the memory limit of the control group or job by 2.0 MiB"},
		{Error{Purpose: PurposeWeights, Requested: 4096, Limit: probe.LimitMappings}, "not enough memory for weights: 4096 bytes needed, limited by the mappings (vm.max_map_count)"},
		{*Parts{{PurposeWeights, 512 << 20}, {PurposeKV, 64 << 20}, {PurposeCompute, 96 << 20}}.Short(3<<20, probe.LimitGroup),
			"not enough memory for weights 512 MiB, kv 64 MiB and compute 96 MiB: 672 MiB needed, 3.0 MiB left by the control group"},
		{*Parts{{PurposeKV, 64 << 20}}.With(PurposeOutput, 0).With(PurposeOther, 24<<20).Short(1<<20, probe.LimitPool),
			"not enough memory for kv 64 MiB and other 24 MiB: 88 MiB needed, 1.0 MiB left by the pool"},
		{Error{Purpose: PurposeWeights, Requested: 64 << 10, Available: 5}, "not enough memory for weights: 64 KiB needed"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	for _, name := range []probe.Limit{probe.LimitCommit, probe.LimitRAM, probe.LimitGroup, probe.LimitAddresses, probe.LimitData, probe.LimitHole, probe.LimitMappings, ""} {
		if len(remedies(name, 1)) == 0 {
			t.Errorf("nothing helps against %q", name)
		}
	}
	if got := fmt.Sprint(words.Size(128<<40), " ", words.Size(3<<39), " ", words.Size(20<<30), " ", words.Size(5<<20), " ", words.Size(12<<10)); got != "128.0 TiB 1.50 TiB 20.0 GiB 5.0 MiB 12 KiB" {
		t.Error(got)
	}
}
