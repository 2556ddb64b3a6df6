#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): what a saved state restores.
# Guess: llama_state_set_data restores the last logits, so that a token can be sampled at once, and a
# state can be restored in any context of the same model, cache types and flash attention.
set -euo pipefail
model=$(cd "$(dirname "$0")/../models/tiny" && pwd)/tiny-stories-f16.gguf
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm pack --silent @node-llama-cpp/linux-x64@3.22.1 >/dev/null; tar xzf ./*.tgz
cat > seen.py <<'PY'
import ctypes as C, sys
D = 'package/bins/linux-x64/'
C.CDLL(D + 'libggml-base.so', C.RTLD_GLOBAL)
ggml = C.CDLL(D + 'libggml.v0.5.0.so', C.RTLD_GLOBAL)
L = C.CDLL(D + 'libllama.v0.5.0.so')
ggml.ggml_backend_load.restype = C.c_void_p
assert ggml.ggml_backend_load((D + 'libggml-cpu-haswell.so').encode())

def words(n):  # a C struct of n 64-bit words, passed by value
    return type('S%d' % n, (C.Structure,), {'_fields_': [('w', C.c_uint64 * n)]})
Model, Context, Batch = words(10), words(20), words(7)
P, I, Z = C.c_void_p, C.c_int32, C.c_size_t
def bind(name, result, *args):
    f = getattr(L, name)
    f.restype, f.argtypes = result, args
    return f
model_defaults = bind('llama_model_default_params', Model)
defaults = bind('llama_context_default_params', Context)
load = bind('llama_model_load_from_file', P, C.c_char_p, Model)
new = bind('llama_init_from_model', P, P, Context)
one = bind('llama_batch_get_one', Batch, C.POINTER(I), I)
decode = bind('llama_decode', I, P, Batch)
logits = bind('llama_get_logits_ith', C.POINTER(C.c_float), P, I)
size = bind('llama_state_get_size', Z, P)
get = bind('llama_state_get_data', Z, P, P, Z)
put = bind('llama_state_set_data', Z, P, P, Z)

model = load(sys.argv[1].encode(), model_defaults())
OFFSETS = {'n_ctx': 0, 'n_seq_max': 12, 'n_threads': 28, 'n_threads_batch': 32, 'flash': 52}
def context(**set):
    p = defaults()
    for name, value in {'n_threads': 1, 'n_threads_batch': 1, 'flash': 1, **set}.items():
        I.from_buffer(p, OFFSETS[name]).value = value
    return new(model, p)
def feed(c, *tokens):
    ids = (I * len(tokens))(*tokens)
    assert decode(c, one(ids, len(tokens))) == 0
def row(c):
    r = logits(c, -1)
    return C.string_at(r, 1536 * 4) if r else None

c = context()
feed(c, 1, 531, 559, 321, 479, 452)
n = size(c)
state = C.create_string_buffer(n)
assert get(c, state, n) == n and row(c)
restored = context()
assert put(restored, state, n) == n
assert row(restored) is None, 'the logits came with the state'
feed(c, 352); feed(restored, 352)
assert row(c) == row(restored), 'the next token differs'
takes = {name: put(context(**how), state, n) == n for name, how in {
    'a smaller context': {'n_ctx': 256}, 'a larger context': {'n_ctx': 2048},
    'room for two sequences': {'n_seq_max': 2}, 'no flash attention': {'flash': 0}}.items()}
print(takes)
assert list(takes.values()) == [True, True, False, False]
PY
taskset -c 1 python3 seen.py "$model" 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: a restored state has no logits (llama_get_logits_ith gives NULL until a token is decoded,"
echo "then the same bits as without the restore); contexts of other lengths take it, one made for two"
echo "sequences refuses one sequence's state."
