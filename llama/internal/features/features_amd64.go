package features

import "golang.org/x/sys/cpu"

// Available lists the instruction sets of this CPU that the engine has code
// for, by the names of llama.CompiledFeatures.
func Available() []string {
	x := cpu.X86
	return names(map[string]bool{"sse3": x.HasSSE3, "ssse3": x.HasSSSE3, "avx": x.HasAVX, "avx2": x.HasAVX2, "fma": x.HasFMA,
		"f16c": x.HasAVX2, // not detected separately; every CPU with AVX2 has it
		"bmi2": x.HasBMI2, "avx_vnni": x.HasAVXVNNI, "avx512": x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL,
		"avx512_vbmi": x.HasAVX512VBMI, "avx512_vnni": x.HasAVX512VNNI, "avx512_bf16": x.HasAVX512BF16})
}
