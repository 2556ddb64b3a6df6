package llama

import (
	"slices"
	"strconv"
	"strings"
)

// QuantizeParams are the parameters of [Quantize].
type QuantizeParams struct {
	// Type is one of [FileTypes], in upper or lower case.
	Type string
	// Threads to convert with; 0: one per CPU. Fewer are used where the system grants
	// no more. The bytes written do not depend on it.
	Threads int
	// AllowRequantize accepts tensors that are already quantised, with additional loss of quality.
	AllowRequantize bool
	// Pure uses the same type for all matrices, instead of better types for some.
	Pure bool
	// LeaveOutputTensor does not quantise output.weight.
	LeaveOutputTensor bool
	// OutputTensorType and TokenEmbeddingType are the tensor types ("q8_0", "q6_K", in
	// upper or lower case) of output.weight and token_embd.weight; "": as Type has it.
	OutputTensorType   string
	TokenEmbeddingType string
	// OnlyCopy copies all tensors unchanged, for example to join shards. Type is ignored.
	OnlyCopy bool
	// KeepSplit writes as many shards as the input has, named out with -00001-of-0000N.gguf
	// appended.
	KeepSplit bool
	// Progress, if not nil, is called before each tensor with the total number of tensors, on the
	// calling goroutine. If it cancels the context, that tensor is not converted.
	Progress func(done, total int, tensor string)
}

// FileType is a type of file: enum llama_ftype.
type FileType int32

// TensorType is the type of a tensor's numbers: enum ggml_type, as in GGUF files. See
// [ParseTensorType].
type TensorType uint32

// fileTypes has the types by llama.cpp's names. llama.cpp also has iq1_s, iq1_m, iq2_xxs, iq2_xs,
// iq2_s, iq2_m and q2_k_s, which need an importance matrix.
var fileTypes = map[string]FileType{
	"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9,
	"q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18,
	"iq3_xxs": 23, "iq3_xs": 22, "iq3_s": 26, "iq3_m": 27, "iq4_nl": 25, "iq4_xs": 30, "tq1_0": 36, "tq2_0": 37, "mxfp4_moe": 38,
}

var needMatrix = []string{"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "q2_k_s"}

// aliases as llama.cpp's quantiser has them.
var fileTypeAliases = map[string]string{"q3_k": "q3_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m"}

// FileTypes lists the types that files can be quantised to, in alphabetical order.
func FileTypes() []string {
	names := make([]string, 0, len(fileTypes))
	for n := range fileTypes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// ParseFileType returns the type of a name as llama.cpp's quantiser takes them, in upper
// or lower case. Types that need an importance matrix are refused.
func ParseFileType(name string) (FileType, error) {
	lower := strings.ToLower(name)
	if a, ok := fileTypeAliases[lower]; ok {
		lower = a
	}
	if slices.Contains(needMatrix, lower) {
		return 0, invalid("file type", strconv.Quote(lower), "needs an importance matrix, which this quantiser does not support: use another type")
	}
	t, ok := fileTypes[lower]
	if !ok {
		return 0, invalid("file type", strconv.Quote(name), "is not supported: use one of %s", strings.Join(FileTypes(), ", "))
	}
	return t, nil
}

// String is the type's name.
func (t FileType) String() string {
	for n, v := range fileTypes {
		if v == t {
			return n
		}
	}
	return "unknown"
}
