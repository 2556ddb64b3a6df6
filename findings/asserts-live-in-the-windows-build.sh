#!/usr/bin/env bash
# llama.cpp v0.4.0 (npm @node-llama-cpp/win-x64 and linux-x64 3.21.1): prebuilt libraries.
# Guess: release builds define NDEBUG on every system, so that C's assert() is compiled out of ggml
# and a number that is not finite goes on through the computation, as it does on Linux.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
for system in win-x64 linux-x64; do
    mkdir $system && (cd $system && npm pack --silent "@node-llama-cpp/$system@3.21.1" >/dev/null && tar xzf ./*.tgz)
done
cat > count.py <<'PY'
import glob, sys
all = b''.join(open(f, 'rb').read() for f in glob.glob(sys.argv[1] + '/package/bins/*/*ggml-cpu-haswell.*'))
text = '!isnan('  # of the condition of an assert, which Windows has as wide characters
print(all.count(text.encode()) + all.count(text.encode('utf-16-le')), int(b'_wassert' in all or b'__assert_fail' in all))
PY
read -r windows windows_calls < <(python3 count.py win-x64)
read -r linux linux_calls < <(python3 count.py linux-x64)
echo "asserts about NaN: Windows $windows (calls of assert: $windows_calls), Linux $linux (calls: $linux_calls)"
[ "$windows" -gt 5 ] && [ "$windows_calls" = 1 ] && [ "$linux" = 0 ] && [ "$linux_calls" = 0 ] || { echo "no longer so"; exit 1; }
echo "Still so: the Windows build of the same release has C's asserts compiled in. There a NaN in a"
echo "dot product or an activation ends the process, past ggml's abort callback; on Linux it becomes a logit."
