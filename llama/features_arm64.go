package llama

import "golang.org/x/sys/cpu"

// AvailableFeatures lists the instruction sets of this CPU that the engine has code
// for, by the names of [CompiledFeatures].
func AvailableFeatures() []string {
	a := cpu.ARM64
	return features(map[string]bool{"neon": a.HasASIMD, "arm_fma": a.HasASIMD, "fp16_va": a.HasASIMDHP, "dotprod": a.HasASIMDDP, "matmul_int8": a.HasI8MM, "sve": a.HasSVE})
}
