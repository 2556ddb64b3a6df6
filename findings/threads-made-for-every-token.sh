#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1): when a context's threads are created.
# Guess: with the context or at the first evaluation; afterwards they wait for the next evaluation.
set -euo pipefail
model=$(cd "$(dirname "$0")/../models/tiny" && pwd)/tiny-stories-f16.gguf
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm pack --silent @node-llama-cpp/linux-x64@3.22.1 >/dev/null; tar xzf ./*.tgz
cat > seen.py <<'PY'
import ctypes as C, os, sys
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
made = C.CDLL(None).threads_made  # counted by the library loaded first
model_defaults = bind('llama_model_default_params', Model)
defaults = bind('llama_context_default_params', Context)
load = bind('llama_model_load_from_file', P, C.c_char_p, Model)
new = bind('llama_init_from_model', P, P, Context)
one = bind('llama_batch_get_one', Batch, C.POINTER(I), I)
decode = bind('llama_decode', I, P, Batch)
def feed(c, *tokens):
    ids = (I * len(tokens))(*tokens)
    assert decode(c, one(ids, len(tokens))) == 0
model = load(sys.argv[1].encode(), model_defaults())
p = defaults()
I.from_buffer(p, 28).value = I.from_buffer(p, 32).value = 4  # threads, for one token and for many
before = made()
c = new(model, p)
counts = [made() - before]
feed(c, 1, 531, 559, 321)
counts.append(made() - before)
for i in range(20):
    feed(c, 452)
counts.append(made() - before)
print('threads made after: the context, a prompt, 20 tokens:', counts, '; alive now:', len(os.listdir('/proc/self/task')))
assert counts == [0, 3, 63] and len(os.listdir('/proc/self/task')) == 1
PY
cat > count.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
static int made;
int threads_made(void) { return made; }
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    __sync_fetch_and_add(&made, 1);
    return real(t, a, f, x);
}
C
gcc -shared -fPIC -o count.so count.c -ldl
LD_PRELOAD="$work/count.so" taskset -c 1 python3 seen.py "$model" 2>engine.log || { tail -5 engine.log; echo "no longer so"; exit 1; }
echo "Still so: a context has no threads. Each llama_decode makes n_threads - 1 of them and ends them:"
echo "20 tokens with 4 threads make 60."
