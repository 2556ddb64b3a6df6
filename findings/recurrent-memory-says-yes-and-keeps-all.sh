#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): removal of a part of a Mamba model's text.
# Guess: llama_memory_seq_rm returns false for positions that a recurrent state cannot remove, and
# llama_memory_can_shift returns false.
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
one = bind('llama_batch_get_one', Batch, C.POINTER(I), I)
decode = bind('llama_decode', I, P, Batch)
memory = bind('llama_get_memory', P, P)
remove = bind('llama_memory_seq_rm', C.c_bool, P, I, I, I)
first = bind('llama_memory_seq_pos_min', I, P, I)
shifts = bind('llama_memory_can_shift', C.c_bool, P)
logits = bind('llama_get_logits_ith', C.POINTER(C.c_float), P, I)

r, V, E, W, S, R = random.Random(1), 64, 64, 128, 16, 8
def text(s):
    return struct.pack('<Q', len(s)) + s.encode()
def value(v):
    return struct.pack('<I', 8) + text(v) if isinstance(v, str) else struct.pack('<If', 6, v) if isinstance(v, float) else struct.pack('<II', 4, v)
keys = {'general.architecture': 'mamba', 'tokenizer.ggml.model': 'none'}
for k, v in {'context_length': 512, 'embedding_length': E, 'block_count': 2, 'vocab_size': V, 'ssm.conv_kernel': 4, 'ssm.inner_size': W,
             'ssm.state_size': S, 'ssm.time_step_rank': R, 'attention.layer_norm_rms_epsilon': 1e-5}.items():
    keys['mamba.' + k] = v
tensors = {'token_embd.weight': (E, V), 'output_norm.weight': (E,), 'output.weight': (E, V)}
for i in range(2):
    for n, d in {'attn_norm.weight': (E,), 'ssm_in.weight': (E, 2 * W), 'ssm_conv1d.weight': (4, W), 'ssm_conv1d.bias': (W,), 'ssm_x.weight': (W, R + 2 * S),
                 'ssm_dt.weight': (R, W), 'ssm_dt.bias': (W,), 'ssm_a': (S, W), 'ssm_d': (W,), 'ssm_out.weight': (W, E)}.items():
        tensors['blk.%d.%s' % (i, n)] = d
def data_of(name, n):
    x = [1.0] * n if 'norm' in name else [r.gauss(0, .3) for _ in range(n)]
    return [-abs(v) for v in x] if 'ssm_a' in name else x
head, data = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(keys)) + b''.join(text(k) + value(v) for k, v in keys.items()), b''
for n, d in tensors.items():
    head += text(n) + struct.pack('<I%dQIQ' % len(d), len(d), *d, 0, len(data))
    data += struct.pack('<%df' % math.prod(d), *data_of(n, math.prod(d)))
open('m.gguf', 'wb').write(head + bytes(-len(head) % 32) + data)

model = load(b'm.gguf', model_defaults())
def run(start, end):
    p = defaults()
    I.from_buffer(p, 28).value = I.from_buffer(p, 32).value = 1
    c = new(model, p)
    for n in 12, 1:
        ids = (I * n)(*range(20, 20 + n))
        assert decode(c, one(ids, n)) == 0
        if n > 1:
            said = remove(memory(c), 0, start, end), first(memory(c), 0), shifts(memory(c))
    return said, C.string_at(logits(c, -1), 4 * V)
whole, middle, tail = run(12, -1), run(3, 7), run(8, -1)
print('12 tokens; returned, smallest position, can shift: middle', middle[0], 'tail', tail[0])
assert middle[0] == (True, 11, True) and tail[0] == (False, 11, True)
assert middle[1] == tail[1] == whole[1], 'something was forgotten'
PY
taskset -c 1 python3 seen.py 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: removing positions 3 to 6 of 12 returns true, and the next logits are the same bits as with"
echo "nothing removed; removing the tail returns false; can_shift says true."
