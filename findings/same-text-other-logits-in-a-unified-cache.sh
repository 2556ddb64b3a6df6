#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): the same text in four sequences of one batch.
# Guess: the logits are the same in each sequence, bit for bit.
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
init = bind('llama_batch_init', Batch, I, I, I)
decode = bind('llama_decode', I, P, Batch)
logits = bind('llama_get_logits_ith', C.POINTER(C.c_float), P, I)

model = load(sys.argv[1].encode(), model_defaults())
text = [1, 531, 559, 321, 479, 452, 352, 420, 500, 610, 700, 333, 345, 367, 380, 391, 405, 410, 299]
def run(unified, flash):
    p = defaults()
    for offset, value in ((0, 2048), (12, 4), (28, 1), (32, 1), (52, flash)):  # n_ctx, n_seq_max, threads, flash
        I.from_buffer(p, offset).value = value
    C.c_bool.from_buffer(p, 133).value = unified
    c, b, n = new(model, p), init(4 * len(text), 0, 1), len(text)
    I.from_buffer(b, 0).value = 4 * n
    ids, _, at, count, seqs, out = (C.cast(b.w[i], C.POINTER(t)) for i, t in enumerate((I, I, I, I, C.POINTER(I), C.c_int8), 1))
    for i in range(4 * n):
        ids[i], at[i], count[i], out[i] = text[i % n], i % n, 1, i % n == n - 1
        seqs[i][0] = i // n
    assert decode(c, b) == 0
    rows = [C.string_at(logits(c, (s + 1) * n - 1), 1536 * 4) for s in range(4)]
    return [r == rows[0] for r in rows]
seen = {(u, f): run(u == 'unified', f == 'flash') for u in ('unified', 'apart') for f in ('flash', 'plain')}
for how in seen:
    print(how, seen[how])
assert not all(seen['unified', 'flash'])
assert all(all(seen[how]) for how in seen if how != ('unified', 'flash'))
PY
taskset -c 1 python3 seen.py "$model" 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: in a unified KV cache with flash attention the same text has other logits in some of the"
echo "sequences of a batch: its place in the cache decides how sums are grouped. Without flash attention,"
echo "or with a cache for each sequence, all four are the same bits."
