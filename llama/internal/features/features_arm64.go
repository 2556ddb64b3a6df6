package features

import "golang.org/x/sys/cpu"

// Available lists the instruction sets of this CPU that the engine has code
// for, by the names of llama.CompiledFeatures.
func Available() []string {
	a := cpu.ARM64
	return names(map[string]bool{"neon": a.HasASIMD, "arm_fma": a.HasASIMD, "fp16_va": a.HasASIMDHP, "dotprod": a.HasASIMDDP, "matmul_int8": a.HasI8MM, "sve": a.HasSVE})
}
