#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): repetition penalties with a window of -1.
# Guess: -1 means the whole context, as documented in llama.h and as in llama.cpp's programs.
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
vocab = bind('llama_model_get_vocab', P, P)
name = bind('llama_sampler_name', C.c_char_p, P)
accept = bind('llama_sampler_accept', None, P, I)
F = C.c_float
penalties = bind('llama_sampler_init_penalties', P, I, I, F, F, F)  # the vocabulary's size comes first here
dry = bind('llama_sampler_init_dry', P, P, F, F, I, I, P, Z)
class Token(C.Structure):
    _fields_ = [('id', I), ('logit', F), ('p', F)]
class Tokens(C.Structure):
    _fields_ = [('data', C.POINTER(Token)), ('size', Z), ('selected', C.c_int64), ('sorted', C.c_bool)]
apply = bind('llama_sampler_apply', None, P, C.POINTER(Tokens))

v = vocab(load(sys.argv[1].encode(), model_defaults()))
def after(sampler, *tokens):
    for t in tokens:
        accept(sampler, t)
    a = (Token * 5)(*[Token(i, 4, 0) for i in range(5)])
    apply(sampler, Tokens(a, 5, -1, False))
    return name(sampler).decode(), [t.logit for t in a]
seen = {('penalties', n): after(penalties(1536, n, 2, 0, 0), 1, 2, 3) for n in (-1, 0, 64)}
seen.update({('dry', n): after(dry(v, 1, 2, 1, n, None, 0), 1, 2, 3, 1, 2) for n in (-1, 0, 64)})
for k in seen:
    print(k, seen[k])
for kind, on in ('penalties', [4, 2, 2, 2, 4]), ('dry', [4, 4, 4, 2, 4]):
    assert seen[kind, 64] == (kind, on)
    assert seen[kind, -1] == seen[kind, 0] == ('?' + kind, [4] * 5)
PY
taskset -c 1 python3 seen.py "$model" 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: through the library a window of -1 turns the penalties, and DRY, off, like 0: an empty sampler"
echo "with a question mark before its name."
