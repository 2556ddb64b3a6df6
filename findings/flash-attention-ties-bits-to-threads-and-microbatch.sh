#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): what changes the bits of logits on a CPU.
# Guess: neither the number of threads nor the micro-batch, since rows and columns are computed
# independently. (The default of flash attention is "auto", which is on for CPUs.)
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
OFF, ON = 0, 1

model = load(sys.argv[1].encode(), model_defaults())
def run(parts, flash, threads=1, microbatch=512):
    p = defaults()
    for offset, value in ((8, microbatch), (28, threads), (32, threads), (52, flash)):
        I.from_buffer(p, offset).value = value
    c, done = new(model, p), 0
    for n in parts:
        ids = (I * n)(*[300 + (done + i) * 7 % 1100 for i in range(n)])
        assert decode(c, one(ids, n)) == 0
        done += n
    return C.string_at(logits(c, -1), 1536 * 4)
seen = {}
for name, flash in ('off', OFF), ('on', ON), ('auto', -1):
    seen[name] = {
        'threads, token 256': run([255, 1], flash) == run([255, 1], flash, threads=2),
        'threads, token 257': run([256, 1], flash) == run([256, 1], flash, threads=2),
        'threads, prompt of 500': run([500], flash) == run([500], flash, threads=2),
        'micro-batch 100 for 500': run([500], flash) == run([500], flash, microbatch=100),
        'micro-batch 96 for 500': run([500], flash) == run([500], flash, microbatch=96),
    }
for name in seen:
    print(name, seen[name])
assert all(seen['off'].values())
assert list(seen['on'].values()) == [True, False, True, True, False]
assert seen['auto'] == seen['on']
PY
taskset -c 1 python3 seen.py "$model" 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: without flash attention logits are the same bits for 1 and 2 threads, and for micro-batches of"
echo "512, 100 and 96. With it, the default, a token generated behind 256 others depends on the number of threads (not the 256th"
echo "token, and no prompt), and a prompt on the micro-batch if the last one has fewer than 64 tokens"
echo "(500 = 5 x 96 + 20)."
