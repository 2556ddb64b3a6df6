package llama

import (
	"slices"
	"strings"
)

// QuantizeParams are the parameters of [Quantize].
type QuantizeParams struct {
	// Type is one of [FileTypes], in upper or lower case.
	Type string
	// Threads to use; 0: one per CPU.
	Threads int
	// AllowRequantize takes tensors that are quantised already, at a loss.
	AllowRequantize bool
	// Pure gives all tensors the same type, rather than better ones to some.
	Pure bool
	// LeaveOutput does not quantise output.weight.
	LeaveOutput bool
	// Progress is called before each tensor, on the calling thread.
	Progress func(done, total int, tensor string)
}

// fileTypes are llama.cpp's types of files, enum llama_ftype, by their usual names.
var fileTypes = map[string]int32{
	"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13,
	"q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18, "q2_k_s": 21, "iq4_nl": 25, "iq3_s": 26, "iq3_m": 27, "iq4_xs": 30,
	"bf16": 32, "tq1_0": 36, "tq2_0": 37, "mxfp4_moe": 38,
}

// aliases as in llama.cpp's quantiser.
var fileTypeAliases = map[string]string{"q3_k": "q3_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m"}

// needMatrix are types that the engine makes with an importance matrix only.
var needMatrix = map[string]bool{"iq1_s": true, "iq1_m": true, "iq2_xxs": true, "iq2_xs": true, "iq2_s": true, "iq2_m": true, "iq3_xxs": true, "iq3_xs": true}

// FileTypes lists the types of files that can be written, in alphabetical order.
func FileTypes() []string {
	var names []string
	for n := range fileTypes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func fileType(name string) (int32, error) {
	low := strings.ToLower(name)
	if a := fileTypeAliases[low]; a != "" {
		low = a
	}
	if needMatrix[low] {
		return 0, argument("type %q needs an importance matrix, which this quantiser does not take", name)
	}
	t, ok := fileTypes[low]
	if !ok {
		return 0, argument("type %q: one of %s", name, strings.Join(FileTypes(), ", "))
	}
	return t, nil
}
