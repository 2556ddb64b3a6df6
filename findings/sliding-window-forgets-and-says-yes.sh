#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): removal of the end of a text in a model with a sliding window.
# Guess: if the cache no longer has the window before a position, llama_memory_seq_rm from that
# position on returns false, as for recurrent models.
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
last = bind('llama_memory_seq_pos_max', I, P, I)
logits = bind('llama_get_logits_ith', C.POINTER(C.c_float), P, I)

r, V, E, A = random.Random(1), 64, 64, 'gemma3'  # six layers, five of them with a window of 16 tokens
def text(s):
    return struct.pack('<Q', len(s)) + s.encode()
def value(v):
    return struct.pack('<I', 8) + text(v) if isinstance(v, str) else struct.pack('<If', 6, v) if isinstance(v, float) else struct.pack('<II', 4, v)
keys = {'general.architecture': A, 'tokenizer.ggml.model': 'none'}
for k, v in {'context_length': 4096, 'embedding_length': E, 'block_count': 6, 'feed_forward_length': 96, 'vocab_size': V, 'attention.head_count': 4, 'attention.head_count_kv': 2,
             'attention.key_length': 16, 'attention.value_length': 16, 'attention.sliding_window': 16, 'attention.layer_norm_rms_epsilon': 1e-5}.items():
    keys[A + '.' + k] = v
tensors = {'token_embd': (E, V), 'output_norm': (E,)}
for i in range(6):
    for n in 'attn_norm', 'post_attention_norm', 'ffn_norm', 'post_ffw_norm':
        tensors['blk.%d.%s' % (i, n)] = (E,)
    for n, d in {'attn_q': (E, 64), 'attn_k': (E, 32), 'attn_v': (E, 32), 'attn_output': (64, E), 'attn_q_norm': (16,), 'attn_k_norm': (16,),
                 'ffn_gate': (E, 96), 'ffn_up': (E, 96), 'ffn_down': (96, E)}.items():
        tensors['blk.%d.%s' % (i, n)] = d
head, data = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(keys)) + b''.join(text(k) + value(v) for k, v in keys.items()), b''
for n, d in tensors.items():
    head += text(n + '.weight') + struct.pack('<I%dQIQ' % len(d), len(d), *d, 0, len(data))
    data += struct.pack('<%df' % math.prod(d), *([1.0] * d[0] if len(d) < 2 else [r.gauss(0, .2) for _ in range(math.prod(d))])) + bytes(-4 * math.prod(d) % 32)
open('m.gguf', 'wb').write(head + bytes(-len(head) % 32) + data)

model = load(b'm.gguf', model_defaults())
tokens = [r.randrange(V) for _ in range(700)]
def context(whole):
    p = defaults()
    for offset, n in ((0, 2048), (8, 32), (28, 1), (32, 1)):  # n_ctx, n_ubatch, threads
        I.from_buffer(p, offset).value = n
    C.c_bool.from_buffer(p, 132).value = whole  # swa_full: true by default here, false in llama.cpp's programs
    return new(model, p)
def feed(c, start, end):
    for i in range(start, end, 20):
        ids = (I * 20)(*tokens[i:i + 20])
        assert decode(c, one(ids, min(20, end - i))) == 0
    return logits(c, -1)[:V]
seen = {}
for back in 500, 350, 330:
    c = context(False)
    feed(c, 0, 600)
    said = remove(memory(c), 0, back, -1)
    at = first(memory(c), 0), last(memory(c), 0)
    ids = (I * 1)(tokens[back])
    b = one(ids, 1)
    if at[1] < 0:  # the next position is not derived from an empty window
        position = (I * 1)(back)
        b.w[3] = C.addressof(position)
    assert decode(c, b) == 0
    good = context(True)
    feed(good, 0, back)
    want, got = feed(good, back, back + 1), logits(c, -1)[:V]
    seen[back] = said, at, max(abs(x - y) for x, y in zip(got, want)) / max(map(abs, want)) > 0.02
    print('back to', back, '- returned, positions kept, next logits wrong:', seen[back])
assert seen == {500: (True, (344, 499), False), 350: (True, (344, 349), True), 330: (True, (-1, -1), True)}
PY
taskset -c 1 python3 seen.py 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: after 600 tokens the window's cache begins at position 344. Going back to 350 or to 330 returns"
echo "true, and decoding goes on with success and wrong logits: a caller has to compare"
echo "llama_memory_seq_pos_min with the position less the window."
