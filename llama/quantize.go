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

// Quantize reads the model in the file in and writes it, quantised to another type, to the file
// out: llama_model_quantize. The other shards of a sharded model are found by their names.
//
// The engine's own parser reads in and ends the process on some malformed files: validate it first.
// The engine maps the whole file if the system can, and also holds one tensor at a time as 32-bit
// floats. out is created or overwritten. If ctx is cancelled, the work ends before the next tensor.
// After an error or cancellation out is incomplete: write it under a temporary name and rename it
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
	params, err := p.native()
	if err != nil {
		return err
	}
	outputs := outputPaths(in, out, p.KeepSplit)
	for _, path := range slices.Concat(shards(in), outputs) {
		if enginepath.MostShard > 0 && len(path) > enginepath.MostShard && shardName.MatchString(path) {
			return argument("the path %s has %d bytes: the engine supports at most %d for shards", path, len(path), enginepath.MostShard)
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

func (p *QuantizeParams) native() (C.infer_quantize_params, error) {
	n := C.infer_quantize_params{
		threads:                C.int32_t(p.Threads),
		ftype:                  -1,
		output_type:            -1,
		embedding_type:         -1,
		allow_requantize:       C.bool(p.AllowRequantize),
		quantize_output_tensor: C.bool(!p.LeaveOutputTensor),
		only_copy:              C.bool(p.OnlyCopy),
		pure:                   C.bool(p.Pure),
		keep_split:             C.bool(p.KeepSplit),
	}
	if err := integer("threads", p.Threads, 0, C.GGML_MAX_N_THREADS); err != nil {
		return n, err
	}
	if p.Threads == 0 {
		n.threads = C.int32_t(min(runtime.NumCPU(), C.GGML_MAX_N_THREADS))
	}
	if !p.OnlyCopy {
		t, err := ParseFileType(p.Type)
		if err != nil {
			return n, err
		}
		n.ftype = C.int32_t(t)
	}
	for _, t := range []struct {
		name string
		dst  *C.int32_t
	}{{p.OutputTensorType, &n.output_type}, {p.TokenEmbeddingType, &n.embedding_type}} {
		if t.name == "" {
			continue
		}
		typ, err := ParseTensorType(t.name)
		if err != nil {
			return n, err
		}
		*t.dst = C.int32_t(typ)
	}
	return n, nil
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

// checkOutputs refuses to overwrite an input file. The engine maps inputs: it would truncate the
// file and then read it.
func checkOutputs(in string, outputs []string) error {
	for _, o := range outputs {
		oi, err := os.Stat(o)
		if err != nil {
			continue
		}
		for _, i := range shards(in) {
			if ii, err := os.Stat(i); err == nil && os.SameFile(ii, oi) {
				return argument("%s is both input and output: use another output file", i)
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

// checkWritten detects failed writes: the engine ignores them, but then cannot write the header,
// which it writes last.
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
			return fmt.Errorf("%s: the quantiser has not written a complete file", path)
		}
	}
	return nil
}

// writeFailure returns the system's error for the first output file to which nothing more can be
// written, or nil. The engine only reports that a stream failed; a full disk, a quota or a limit
// refuses this write too.
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

// quantizing is the state of a call of Quantize.
type quantizing struct {
	ctx      context.Context
	progress func(done, total int, tensor string)
}

// goInferQuantizeProgress reports the next tensor and returns whether to convert it. It asks ctx
// itself, which is done as soon as its cancel function has returned; a flag raised by another
// goroutine would be late.
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
