package llama

import (
	"slices"

	"github.com/seed7adf6694/infer/llama/internal/features"
)

// AvailableFeatures lists the instruction sets of this CPU that the engine has code
// for, by the names of [CompiledFeatures].
func AvailableFeatures() []string { return features.Available() }

// MissingFeatures lists the instruction sets that the CPU has and the engine was not compiled for,
// if they make it several times faster. AVX-512 is not listed: it makes prompts of 4-bit models
// only 1.4 times as fast. The list is empty for a good build, and for a build without the engine.
func MissingFeatures() []string {
	if !hasEngine {
		return nil
	}
	var missing []string
	compiled := CompiledFeatures()
	available := AvailableFeatures()
	for _, f := range []string{"avx", "avx2", "fma", "f16c", "dotprod", "matmul_int8"} {
		if slices.Contains(available, f) && !slices.Contains(compiled, f) {
			missing = append(missing, f)
		}
	}
	if !Optimized() {
		missing = append(missing, "compiler optimisation")
	}
	return missing
}
