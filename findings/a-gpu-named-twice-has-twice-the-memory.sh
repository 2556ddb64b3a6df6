#!/usr/bin/env bash
# llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64-vulkan 3.22.1): GGML_VK_VISIBLE_DEVICES.
# Needs a Vulkan driver: Debian's mesa-vulkan-drivers has one for CPUs, lavapipe.
# Guess: the list chooses among the devices that the system has, so that a device that is named twice
# is there once, or is refused.
set -euo pipefail
ls /usr/share/vulkan/icd.d/*.json >/dev/null 2>&1 || { echo "no Vulkan driver: apt-get install mesa-vulkan-drivers"; exit 1; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm pack --silent @node-llama-cpp/linux-x64-vulkan@3.22.1 >/dev/null && tar xzf ./*.tgz
cat > devices.py <<'PY'
import ctypes, glob
from ctypes import byref, c_char_p, c_size_t, c_void_p
folder = 'package/bins/linux-x64-vulkan/'
library = lambda name: ctypes.CDLL(glob.glob(folder + name)[0], mode=ctypes.RTLD_GLOBAL)
base, ggml = library('libggml-base*.so'), library('libggml.*so')
ggml.ggml_backend_load_all_from_path(folder.encode())
ggml.ggml_backend_dev_get.restype, ggml.ggml_backend_dev_get.argtypes = c_void_p, [c_size_t]
base.ggml_backend_dev_description.restype = base.ggml_backend_dev_name.restype = c_char_p
for f in base.ggml_backend_dev_description, base.ggml_backend_dev_name: f.argtypes = [c_void_p]
base.ggml_backend_dev_memory.argtypes = [c_void_p, c_void_p, c_void_p]
for i in range(ggml.ggml_backend_dev_count()):
    d, free, total = ggml.ggml_backend_dev_get(i), c_size_t(), c_size_t()
    base.ggml_backend_dev_memory(d, byref(free), byref(total))
    if base.ggml_backend_dev_name(d).startswith(b'Vulkan'):
        print(base.ggml_backend_dev_name(d).decode(), total.value, base.ggml_backend_dev_description(d).decode(), sep='\t')
PY
once=$(GGML_VK_VISIBLE_DEVICES=0 python3 devices.py 2>/dev/null)
twice=$(GGML_VK_VISIBLE_DEVICES=0,0 python3 devices.py 2>/dev/null)
printf 'named once:\n%s\nnamed twice:\n%s\n' "$once" "$twice"
[ "$(wc -l <<< "$once")" = 1 ] && [ "$(wc -l <<< "$twice")" = 2 ] && [ "$(cut -f 2,3 <<< "$twice" | sort -u)" = "$(cut -f 2,3 <<< "$once")" ] ||
    { echo "no longer so"; exit 1; }
echo "Still so: one device that is named twice is two, each with all of its memory, and llama.cpp would put"
echo "layers on both. Who adds up the memory of all devices counts it twice. (For tests it is useful: two"
echo "devices where there is one, or none but a CPU.)"
