#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): the pooled embedding of a long text.
# Guess: with a causal model and mean pooling, llama_get_embeddings_seq is the mean over all
# tokens of the text, or decoding refuses a text that is longer than the micro-batch.
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
emb = bind('llama_get_embeddings_ith', C.POINTER(C.c_float), P, I)
pooled = bind('llama_get_embeddings_seq', C.POINTER(C.c_float), P, I)
NONE, MEAN, CLS, LAST, N = 0, 1, 2, 3, 256

model = load(sys.argv[1].encode(), model_defaults())
text = (I * 19)(1, 531, 559, 321, 479, 452, 352, 420, 500, 610, 700, 333, 345, 367, 380, 391, 405, 410, 299)
def evaluated(pooling, microbatch):
    p = defaults()
    for offset, value in ((8, microbatch), (28, 1), (32, 1), (44, pooling)):  # n_ubatch, threads, pooling_type
        I.from_buffer(p, offset).value = value
    C.c_bool.from_buffer(p, 128).value = True  # embeddings
    c = new(model, p)
    assert decode(c, one(text, len(text))) == 0
    return c
def same(a, b):
    return max(abs(x - y) for x, y in zip(a, b)) < 1e-4
def mean(rows):
    return [sum(r[j] for r in rows) / len(rows) for j in range(N)]
c = evaluated(NONE, 512)
rows = [emb(c, i)[:N] for i in range(len(text))]
seen = {}
for microbatch in 512, 8:
    m, first, last = (pooled(evaluated(p, microbatch), 0)[:N] for p in (MEAN, CLS, LAST))
    seen[microbatch] = [same(m, mean(rows)), same(m, mean(rows[16:])), same(first, rows[0]), same(first, rows[16]), same(last, rows[18])]
print(seen)
assert seen[512] == [True, False, True, False, True]
assert seen[8] == [False, True, False, True, True]
PY
taskset -c 1 python3 seen.py "$model" 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: with 19 tokens in micro-batches of 8, decoding succeeds and mean pooling gives the mean of"
echo "the last 3 tokens alone, CLS the 17th token; only last-token pooling is what it is in one micro-batch."
