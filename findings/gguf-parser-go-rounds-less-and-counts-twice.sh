#!/usr/bin/env bash
# github.com/gpustack/gguf-parser-go v0.28.1 (Go) compared with llama.cpp v0.5.0 (npm
# @node-llama-cpp/linux-x64 3.22.1), for the same model, without layers on a GPU.
# Guess: its estimate rounds the context as the engine does, and its size of the weights is the
# engine's (llama_model_size).
set -euo pipefail
model=$(cd "$(dirname "$0")/../models/tiny" && pwd)/tiny-stories-f16.gguf
work=$(mktemp -d); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"

	parser "github.com/gpustack/gguf-parser-go"
)

func main() {
	f, err := parser.ParseGGUFFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, n := range []int32{1, 300, 1000} {
		e := f.EstimateLLaMACppRun(parser.WithLLaMACppContextSize(n), parser.WithLLaMACppOffloadLayers(0))
		var kv, weights parser.GGUFBytesScalar
		for _, d := range e.Devices {
			kv += d.KVCache.Sum()
			weights += d.Weight.Sum()
		}
		fmt.Println(n, e.ContextSize, uint64(kv), uint64(weights))
	}
}
GO
printf 'module seen\n\ngo 1.26\n\nrequire github.com/gpustack/gguf-parser-go v0.28.1\n' > go.mod
GOFLAGS=-mod=mod taskset -c 1 go run . "$model" >estimate 2>go.log || { tail -5 go.log; exit 1; }
npm pack --silent @node-llama-cpp/linux-x64@3.22.1 >/dev/null; tar xzf ./*.tgz
cat > engine.py <<'PY'
import ctypes as C, sys
D = 'package/bins/linux-x64/'
C.CDLL(D + 'libggml-base.so', C.RTLD_GLOBAL)
ggml = C.CDLL(D + 'libggml.v0.5.0.so', C.RTLD_GLOBAL)
L = C.CDLL(D + 'libllama.v0.5.0.so')
ggml.ggml_backend_load.restype = C.c_void_p
assert ggml.ggml_backend_load((D + 'libggml-cpu-haswell.so').encode())
class Model(C.Structure):
    _fields_ = [('words', C.c_uint64 * 10)]
class Context(C.Structure):
    _fields_ = [('n_ctx', C.c_uint32), ('n_batch', C.c_uint32), ('words', C.c_uint64 * 19)]
for name, result, args in (('llama_model_default_params', Model, ()), ('llama_context_default_params', Context, ()), ('llama_model_size', C.c_uint64, (C.c_void_p,)),
                           ('llama_model_load_from_file', C.c_void_p, (C.c_char_p, Model)), ('llama_init_from_model', C.c_void_p, (C.c_void_p, Context)),
                           ('llama_n_ctx', C.c_uint32, (C.c_void_p,)), ('llama_state_get_size', C.c_size_t, (C.c_void_p,))):
    getattr(L, name).restype, getattr(L, name).argtypes = result, args
m = L.llama_model_load_from_file(sys.argv[1].encode(), L.llama_model_default_params())
for n in 1, 300, 1000:
    p = L.llama_context_default_params()
    p.n_ctx = n
    cells = L.llama_n_ctx(L.llama_init_from_model(m, p))
    print(n, cells, 6 * 2 * 128 * 2 * cells, L.llama_model_size(m))  # layers, K and V, width, bytes
PY
taskset -c 1 python3 engine.py "$model" >engine 2>engine.log || { tail -5 engine.log; exit 1; }
echo "asked for, context, KV bytes, weight bytes; estimated, then the engine's:"
cat estimate engine
printf '1 32 98304 8664064\n300 320 983040 8664064\n1000 1024 3145728 8664064\n' | cmp -s - estimate &&
	printf '1 256 786432 7877632\n300 512 1572864 7877632\n1000 1024 3145728 7877632\n' | cmp -s - engine || { echo "no longer so"; exit 1; }
echo "Still so: contexts are rounded up to a multiple of 32 where the engine rounds to 256, so that a context"
echo "of 300 is taken to need 0.6 of its KV cache; and the one matrix that is both embedding and output"
echo "counts twice, though nothing is copied to a GPU."
