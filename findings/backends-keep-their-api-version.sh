#!/usr/bin/env bash
# llama.cpp b8390 and b10068 (npm @node-llama-cpp/linux-x64 3.18.1 and 3.19.1; the same in v0.5.0, 3.22.1): backend libraries.
# Guess: ggml loads a backend from a shared library only if its API version is its own, so that the
# version differs between releases whose structs of buffers and backends differ.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > seen.py <<'PY'
import ctypes as C, sys
D = sys.argv[1] + '/package/bins/linux-x64/'
base = C.CDLL(D + 'libggml-base.so', C.RTLD_GLOBAL)
cpu = C.CDLL(D + 'libggml-cpu-haswell.so')
cpu.ggml_backend_init.restype = C.POINTER(C.c_int)  # a ggml_backend_reg, which begins with the API version
base.ggml_version.restype = C.c_char_p
words = (C.c_uint64 * 64)(*range(64))  # in place of a struct: each word is its index
def at(name):  # the word that a function returns
    f = getattr(base, name)
    f.restype = C.c_uint64
    return f(words)
places = [at('ggml_backend_buffer_get_type'), at('ggml_backend_buffer_get_size'), at('ggml_backend_get_device'), at('ggml_backend_buft_get_device')]
print('ggml', base.ggml_version().decode(), 'API version', cpu.ggml_backend_init()[0], 'words of a buffer with its type and size, of a backend and a buffer type with the device:', places)
assert cpu.ggml_backend_init()[0] == 2
assert places == {'3.18.1': [9, 11, 15, 6], '3.19.1': [11, 13, 17, 6], '3.22.1': [11, 13, 17, 6]}[sys.argv[1]]
PY
for v in 3.18.1 3.19.1 3.22.1; do
    mkdir $v && (cd $v && npm pack --silent @node-llama-cpp/linux-x64@$v >/dev/null && tar xzf ./*.tgz)
    python3 seen.py $v || { echo "no longer so"; exit 1; }
done
echo "Still so: buffers and backends got two more functions between b8390 and b10068, which moved all that"
echo "follows them, and the API version that is compared at loading is 2 in both. ggml_version differs."
