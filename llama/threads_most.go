//go:build cgo

package llama

// #include "shim.h"
import "C"

import "strconv"

// mostThreads is the largest number of threads that the model can be computed with. The
// engine's kernels of RWKV give each thread heads of its own, and a thread for which there
// is none leaves: those of RWKV 6 before a barrier, at which the others wait forever, that
// of RWKV 7 with heads that nobody computes.
func (ms *modelState) mostThreads() int {
	for _, arch := range []string{"rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"} {
		if size, err := strconv.Atoi(metadata(ms.model, arch+".wkv.head_size")); err == nil && size > 0 {
			return max(1, min(int(C.llama_model_n_embd(ms.model))/size, C.GGML_MAX_N_THREADS))
		}
	}
	return C.GGML_MAX_N_THREADS
}
