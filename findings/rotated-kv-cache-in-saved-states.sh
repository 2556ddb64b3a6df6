#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): a saved state with a quantised KV cache.
# Guess: a q4_0 cache has K and V unchanged but for rounding, and a restore that returns success is
# correct.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm pack --silent @node-llama-cpp/linux-x64@3.22.1 >/dev/null; tar xzf ./*.tgz
cat > seen.py <<'PY'
import ctypes as C, random, struct, sys
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

r, V, E = random.Random(1), 64, 256  # a model of two layers; heads of 64, which tiny's 32 are not
def text(s):
    return struct.pack('<Q', len(s)) + s.encode()
def gguf(keys, tensors):
    head, data = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(keys)), b''
    for k, v in keys.items():
        head += text(k) + (struct.pack('<I', 8) + text(v) if isinstance(v, str) else struct.pack('<If', 6, v) if isinstance(v, float) else struct.pack('<II', 4, v))
    for name, dims in tensors:
        n = E * (dims[1] if len(dims) > 1 else 1)
        head += text(name) + struct.pack('<I%dQIQ' % len(dims), len(dims), *dims, 0, len(data))
        data += struct.pack('<%df' % n, *([1.0] * n if len(dims) < 2 else [r.gauss(0, .2) for _ in range(n)]))
    open('m.gguf', 'wb').write(head + bytes(-len(head) % 32) + data)
if sys.argv[1] == 'save':
    k = {'context_length': 512, 'embedding_length': E, 'block_count': 2, 'feed_forward_length': E, 'attention.head_count': 4,
         'attention.layer_norm_rms_epsilon': 1e-5, 'vocab_size': V}
    gguf({'general.architecture': 'llama', 'tokenizer.ggml.model': 'none', **{'llama.' + n: v for n, v in k.items()}},
         [('token_embd.weight', (E, V)), ('output_norm.weight', (E,))] + [('blk.%d.%s.weight' % (i, n), (E,) if 'norm' in n else (E, E))
         for i in range(2) for n in 'attn_norm ffn_norm attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down'.split()])
model = load(b'm.gguf', model_defaults())
def context():
    p = defaults()
    for offset, value in ((28, 1), (32, 1), (52, 1), (104, 2), (108, 2)):  # threads, flash, types of K and V: q4_0
        I.from_buffer(p, offset).value = value
    return new(model, p)
def feed(c, tokens):
    ids = (I * len(tokens))(*tokens)
    assert decode(c, one(ids, len(tokens))) == 0
    return logits(c, -1)[:V]
tokens = [i * 7 % V for i in range(100)]
c = context()
feed(c, tokens)
if sys.argv[1] == 'save':
    n = size(c)
    state = C.create_string_buffer(n)
    assert get(c, state, n) == n
    open('state', 'wb').write(state.raw)
state = open('state', 'rb').read()
restored = context()
assert put(restored, state, len(state)) == len(state), 'refused'
a, b = feed(c, [5]), feed(restored, [5])
off = max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a))
print(sys.argv[1], 'restored; largest difference of a logit, as a share of the largest logit: %.2f' % off)
assert (off > 0.2) == (sys.argv[1] == 'elsewhere')
PY
{ taskset -c 1 python3 seen.py save && LLAMA_ATTN_ROT_DISABLE=1 taskset -c 1 python3 seen.py elsewhere; } 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: a quantised cache holds K and V rotated (heads of 64 and more). The state does not say so:"
echo "a process with LLAMA_ATTN_ROT_DISABLE=1 restores it with success, and goes on with wrong logits."
