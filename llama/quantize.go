//go:build cgo

package llama

// #include "shim_more.h"
import "C"

import (
	"context"
	"os"
	"runtime/cgo"
	"unsafe"
)

// Quantize writes the model in the file in, in another type, to the file out:
// llama_model_quantize. in is read by the engine's own parser: validate it first. A
// cancelled ctx ends it before the next tensor; out is then, as after every error,
// incomplete: write it under a temporary name.
func Quantize(ctx context.Context, in, out string, p QuantizeParams) error {
	if err := start(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := fileType(p.Type)
	if err != nil {
		return err
	}
	if a, err := os.Stat(in); err == nil {
		if b, err := os.Stat(out); err == nil && os.SameFile(a, b) {
			return argument("%s would be written over itself", in)
		}
	}
	if p.Threads < 0 || p.Threads > C.GGML_MAX_N_THREADS {
		return argument("%d threads, the engine's limit is %d", p.Threads, C.GGML_MAX_N_THREADS)
	}
	cin, err := cString(in)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(cin))
	cout, err := cString(out)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(cout))

	params := (*C.llama_model_quantize_params)(C.calloc(1, C.sizeof_llama_model_quantize_params))
	defer C.free(unsafe.Pointer(params))
	*params = C.llama_model_quantize_default_params()
	params.nthread = C.int32_t(p.Threads)
	params.ftype = C.enum_llama_ftype(t)
	params.allow_requantize = C.bool(p.AllowRequantize)
	params.pure = C.bool(p.Pure)
	params.quantize_output_tensor = C.bool(!p.LeaveOutput)

	watch := newWatch(ctx)
	defer watch.stop()
	var handle cgo.Handle
	if p.Progress != nil {
		handle = cgo.NewHandle(p.Progress)
		defer handle.Delete()
	}
	var e C.infer_error
	if !C.infer_quantize(cin, cout, params, C.uintptr_t(handle), unsafe.Pointer(watch.flag), &e) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return failure("llama_model_quantize", &e, nil)
	}
	return nil
}

//export goInferQuantizeProgress
func goInferQuantizeProgress(handle C.uintptr_t, done, total C.int, tensor *C.char) C.bool {
	cgo.Handle(handle).Value().(func(int, int, string))(int(done), int(total), C.GoString(tensor))
	return true
}

// QuantizeRows quantises rows of rowLen numbers to a tensor type, a number of enum
// ggml_type: ggml_quantize_chunk. It is safe for concurrent use.
func QuantizeRows(typ uint32, src []float32, rowLen int) ([]byte, error) {
	if err := start(); err != nil {
		return nil, err
	}
	t := C.enum_ggml_type(typ)
	if typ >= C.GGML_TYPE_COUNT || C.ggml_blck_size(t) == 0 {
		return nil, argument("tensor type %d: unknown", typ)
	}
	name := C.GoString(C.ggml_type_name(t))
	if bool(C.ggml_quantize_requires_imatrix(t)) || !quantizable[name] {
		return nil, argument("rows cannot be quantised to %s", name)
	}
	if rowLen <= 0 || len(src)%rowLen != 0 || rowLen%int(C.ggml_blck_size(t)) != 0 {
		return nil, argument("%d numbers in rows of %d: %s comes in blocks of %d", len(src), rowLen, name, int(C.ggml_blck_size(t)))
	}
	if len(src) == 0 {
		return nil, nil
	}
	dst := make([]byte, int(C.ggml_row_size(t, C.int64_t(rowLen)))*(len(src)/rowLen))
	var e C.infer_error
	n := C.infer_quantize_rows(t, (*C.float)(&src[0]), unsafe.Pointer(&dst[0]), C.int64_t(len(src)/rowLen), C.int64_t(rowLen), &e)
	if int(n) != len(dst) {
		return nil, failure("ggml_quantize_chunk", &e, nil)
	}
	return dst, nil
}

// quantizable are the types that ggml_quantize_chunk has a case for and that need no
// importance matrix.
var quantizable = map[string]bool{"f32": true, "f16": true, "bf16": true, "q4_0": true, "q4_1": true, "q5_0": true, "q5_1": true, "q8_0": true,
	"q2_K": true, "q3_K": true, "q4_K": true, "q5_K": true, "q6_K": true, "iq4_nl": true, "iq4_xs": true, "iq3_s": true, "iq3_xxs": true, "iq2_s": true,
	"tq1_0": true, "tq2_0": true, "mxfp4": true}
