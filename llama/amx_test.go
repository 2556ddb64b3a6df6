//go:build cgo

package llama_test

import (
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/amxtest"
	"github.com/seed7adf6694/infer/llama"
)

func TestWithAMX(t *testing.T) {
	amxtest.Rerun(t, "^(TestTheEngineHasAMX|TestWhatIsPackedByRowsComputesAsTheEnginesOwnCopy|TestRebound)$", "/(iq4_nl|q2_k|q4_1|q5_k_s|q6_k)$")
}

func TestTheEngineHasAMX(t *testing.T) {
	if !amxtest.Running() {
		t.Skip("run by TestWithAMX")
	}
	if r := llama.Repacks(); !slices.Contains(r, "AMX") {
		t.Errorf("weights are converted by %v", r)
	}
}
