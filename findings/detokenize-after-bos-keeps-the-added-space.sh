#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): llama_tokenize followed by llama_detokenize.
# Guess: llama_detokenize with remove_special=true removes the space that a SentencePiece model adds
# before a text, also for tokens that begin with BOS.
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
tokenize = bind('llama_tokenize', I, P, C.c_char_p, I, C.POINTER(I), I, C.c_bool, C.c_bool)
detokenize = bind('llama_detokenize', I, P, C.POINTER(I), I, C.c_char_p, I, C.c_bool, C.c_bool)

v = vocab(load(sys.argv[1].encode(), model_defaults()))
def back(text, add_special, remove_special):
    ids, out = (I * 64)(), C.create_string_buffer(64)
    n = tokenize(v, text, len(text), ids, 64, add_special, False)
    n = detokenize(v, ids, n, out, 64, remove_special, False)
    return out.raw[:n]
seen = [back(b'Hello', bos, remove) for bos in (False, True) for remove in (False, True)]
print(seen)
assert seen == [b'Hello', b'Hello', b' Hello', b' Hello']
PY
taskset -c 1 python3 seen.py "$model" 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: without BOS the text comes back as it was. With BOS in front, removed or not, it comes back"
echo "with the added space: tokens of a prompt do not give the prompt's text."
