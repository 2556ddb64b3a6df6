#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): memory of a q4_0 model on a CPU with default settings.
# Guess: the mapping of weights that are copied into the CPU's layout is released, so that memory
# holds the model once (llama_model_size).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm pack --silent @node-llama-cpp/linux-x64@3.22.1 >/dev/null; tar xzf ./*.tgz
cat > seen.py <<'PY'
import ctypes as C, math, random, struct, sys
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
bytes_of = bind('llama_model_size', C.c_uint64, P)

if sys.argv[1] == 'make':  # 28 MiB: four layers of width 1024
    r, E, F = random.Random(1), 1024, 2816
    def text(s):
        return struct.pack('<Q', len(s)) + s.encode()
    def value(v):
        return struct.pack('<I', 8) + text(v) if isinstance(v, str) else struct.pack('<If', 6, v) if isinstance(v, float) else struct.pack('<II', 4, v)
    keys = {'general.architecture': 'llama', 'tokenizer.ggml.model': 'none', 'llama.context_length': 512, 'llama.embedding_length': E, 'llama.block_count': 4,
            'llama.feed_forward_length': F, 'llama.attention.head_count': 16, 'llama.attention.layer_norm_rms_epsilon': 1e-5, 'llama.vocab_size': 256}
    tensors = {'token_embd': (E, 256), 'output_norm': (E,)}
    for i in range(4):
        for n, d in {'attn_norm': (E,), 'ffn_norm': (E,), 'attn_q': (E, E), 'attn_k': (E, E), 'attn_v': (E, E), 'attn_output': (E, E),
                     'ffn_gate': (E, F), 'ffn_up': (E, F), 'ffn_down': (F, E)}.items():
            tensors['blk.%d.%s' % (i, n)] = d
    head, data = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(keys)) + b''.join(text(k) + value(v) for k, v in keys.items()), []
    at = 0
    for n, d in tensors.items():
        head += text(n + '.weight') + struct.pack('<I%dQIQ' % len(d), len(d), *d, 0 if len(d) < 2 else 2, at)
        data.append(struct.pack('<f', 1) * E if len(d) < 2 else b''.join(b'\0\x1c' + r.randbytes(16) for _ in range(math.prod(d) // 32)))
        at += len(data[-1])
    open('m.gguf', 'wb').write(head + bytes(-len(head) % 32) + b''.join(data))
    sys.exit()
def resident():
    lines = dict(l.split(':') for l in open('/proc/self/status') if l.startswith('Rss'))
    return [int(lines[k].split()[0]) * 1024 for k in ('RssAnon', 'RssFile')]
p = model_defaults()
if sys.argv[1] == 'plain':
    C.c_bool.from_buffer(p, 74).value = False  # use_extra_bufts
before = resident()
model = load(b'm.gguf', p)
private, mapped = (round((b - a) / bytes_of(model), 2) for a, b in zip(before, resident()))
print(sys.argv[1], 'private and mapped memory, as shares of llama_model_size:', private, mapped)
assert {'default': private > 0.95 and mapped > 0.6, 'plain': private < 0.05 and 0.9 < mapped < 1.15}[sys.argv[1]]
PY
{ for how in make default plain; do taskset -c 1 python3 seen.py $how; done; } 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: after a default load of q4_0 the weights are resident twice for the most part: a private"
echo "repacked copy as large as the model, and three quarters of the file still mapped and resident"
echo "(what lies between the first and the last tensor that is used as it is). Without repacking: once."
