//go:build cgo

package llama

// #cgo linux windows LDFLAGS: -Wl,--wrap=ggml_quantize_chunk
// #cgo windows LDFLAGS: -Wl,--wrap=_ZNSt13basic_filebufIcSt11char_traitsIcEE4openEPKcSt13_Ios_Openmode
// #include "shim_quantize.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/cgo"
	"slices"
	"strconv"
	"unsafe"

	"github.com/seed7adf6694/infer/llama/internal/enginepath"
)

// Quantize writes the model in the file in, in another type, to the file out:
// llama_model_quantize. The other shards of a sharded model are found by their names.
//
// in is read by the engine's own parser, which ends the process on some malformed
// files: validate it first. The engine maps it whole where the system can, and holds
// one tensor at a time, in 32 bits a number, besides. out is created or overwritten;
// after an error, and when ctx is cancelled, which ends the work before the next
// tensor, it is incomplete: write it under a temporary name, remove it or rename it
// afterwards.
//
// Refused with [ErrArgument]: unknown types and ones that need an importance matrix, an
// out that is one of the files read. Where out cannot be written, the error is an
// [*os.PathError] with the system's reason. Tensors whose rows do not fill the blocks of a type
// that was asked for (Pure and the types of single tensors; the engine chooses others
// otherwise) are an error.
func Quantize(ctx context.Context, in, out string, p QuantizeParams) error {
	if err := start(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	params := (*C.llama_model_quantize_params)(C.calloc(1, C.sizeof_llama_model_quantize_params))
	defer C.free(unsafe.Pointer(params))
	if err := p.native(params); err != nil {
		return err
	}
	outputs := outputPaths(in, out, p.KeepSplit)
	for _, path := range slices.Concat(shards(in), outputs) {
		if enginepath.MostShard > 0 && len(path) > enginepath.MostShard && shardName.MatchString(path) {
			return argument("%s is %d bytes long, and the engine takes %d of the path of a shard", path, len(path), enginepath.MostShard)
		}
	}
	if err := checkOutputs(in, outputs); err != nil {
		return err
	}
	cin, err := cPath(in)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(cin))
	cout, err := cPath(out)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(cout))

	handle := cgo.NewHandle(&quantizing{ctx, p.Progress})
	defer handle.Delete()
	var e C.infer_error
	if !C.infer_quantize(cin, cout, params, C.uintptr_t(handle), &e) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := failure("llama_model_quantize", &e, nil)
		if cause := writeFailure(outputs); cause != nil {
			return cause
		}
		return err
	}
	return checkWritten(outputs)
}

func (p *QuantizeParams) native(params *C.llama_model_quantize_params) error {
	*params = C.llama_model_quantize_default_params()
	if err := integer("threads", p.Threads, 0, C.GGML_MAX_N_THREADS); err != nil {
		return err
	}
	params.nthread = C.int32_t(p.Threads)
	if p.Threads == 0 {
		params.nthread = C.int32_t(min(runtime.NumCPU(), C.GGML_MAX_N_THREADS))
	}
	if !p.OnlyCopy {
		t, err := ParseFileType(p.Type)
		if err != nil {
			return err
		}
		params.ftype = C.enum_llama_ftype(t)
	}
	for _, t := range []struct {
		name string
		dst  *C.enum_ggml_type
	}{{p.OutputTensorType, &params.output_tensor_type}, {p.TokenEmbeddingType, &params.token_embedding_type}} {
		if t.name == "" {
			continue
		}
		n, err := ParseTensorType(t.name)
		if err != nil {
			return err
		}
		*t.dst = C.enum_ggml_type(n)
	}
	params.allow_requantize = C.bool(p.AllowRequantize)
	params.pure = C.bool(p.Pure)
	params.quantize_output_tensor = C.bool(!p.LeaveOutputTensor)
	params.only_copy = C.bool(p.OnlyCopy)
	params.keep_split = C.bool(p.KeepSplit)
	return nil
}

var shardName = regexp.MustCompile(`^(.*)-\d{5}-of-(\d{5})\.gguf$`)

// shards returns the files of a sharded model by the name of one, or the one file.
func shards(path string) []string {
	m := shardName.FindStringSubmatch(path)
	if m == nil {
		return []string{path}
	}
	n, _ := strconv.Atoi(m[2])
	return shardPaths(m[1], n)
}

func shardPaths(prefix string, n int) []string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, i+1, n)
	}
	return paths
}

func outputPaths(in, out string, split bool) []string {
	if split {
		return shardPaths(out, len(shards(in)))
	}
	return []string{out}
}

// checkOutputs refuses to write over a file that is read. The engine maps those: it
// would destroy them first and then read what is left.
func checkOutputs(in string, outputs []string) error {
	for _, o := range outputs {
		oi, err := os.Stat(o)
		if err != nil {
			continue
		}
		for _, i := range shards(in) {
			if ii, err := os.Stat(i); err == nil && os.SameFile(ii, oi) {
				return argument("%s is read and would be written over", i)
			}
		}
	}
	// The engine does not say why a file cannot be written.
	for _, o := range outputs {
		f, err := os.OpenFile(o, os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// checkWritten finds writes that failed: the engine does not notice, but then cannot
// write the header, which comes last.
func checkWritten(outputs []string) error {
	for _, path := range outputs {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		var magic [4]byte
		_, err = io.ReadFull(f, magic[:])
		if err := errors.Join(err, f.Close()); err != nil || string(magic[:]) != "GGUF" {
			if cause := writeFailure([]string{path}); cause != nil {
				return cause
			}
			return fmt.Errorf("%s could not be written as a whole", path)
		}
	}
	return nil
}

// writeFailure says why no more can be written to the first of the files that takes
// nothing more, nil where all do. The engine only says that a stream failed; a disk that
// is full, a quota or a limit that is reached refuses this write as well.
func writeFailure(paths []string) error {
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(make([]byte, 1<<20))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// quantizing is a call of Quantize.
type quantizing struct {
	ctx      context.Context
	progress func(done, total int, tensor string)
}

// goInferQuantizeProgress tells of a tensor that is about to be converted, and returns
// whether it is to be. The context itself is asked, which has ended once its cancel
// function returns; a flag that another goroutine raises comes later.
//
//export goInferQuantizeProgress
func goInferQuantizeProgress(handle C.uintptr_t, done, total C.int, tensor *C.char) C.bool {
	q := cgo.Handle(handle).Value().(*quantizing)
	if q.ctx.Err() != nil {
		return false
	}
	if q.progress != nil {
		q.progress(int(done), int(total), C.GoString(tensor))
	}
	return C.bool(q.ctx.Err() == nil)
}
