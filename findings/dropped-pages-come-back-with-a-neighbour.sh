#!/usr/bin/env bash
# Linux (seen with 6.18, ext4; python3's standard library alone): a file that is mapped and read in pieces
# of 144 KiB, the size of a 4-bit matrix of 512 × 512; each is populated (MADV_POPULATE_READ), used, and
# dropped (MADV_DONTNEED). As tensors in a GGUF file begin at multiples of 32 bytes, a piece shares its first
# page with the one before.
# Guess: no more than a piece is resident, and nothing at the end, as every page was dropped last of all.
set -euo pipefail
work=$(mktemp -d -p "${TMPDIR:-/var/tmp}"); trap 'rm -rf "$work"' EXIT
head -c 134217728 /dev/urandom >"$work/file"
python3 - "$work/file" <<'PY'
import ctypes as C, os, platform, sys

POPULATE_READ, DONTNEED, PAGE, PIECE = 22, 4, os.sysconf('SC_PAGE_SIZE'), 144 << 10
libc = C.CDLL(None, use_errno=True)
libc.mmap.restype, libc.mmap.argtypes = C.c_void_p, [C.c_void_p, C.c_size_t, C.c_int, C.c_int, C.c_int, C.c_long]
libc.madvise.argtypes = [C.c_void_p, C.c_size_t, C.c_int]
size = os.path.getsize(sys.argv[1])
begin = libc.mmap(None, size, 1, 1, os.open(sys.argv[1], os.O_RDONLY), 0)  # PROT_READ, MAP_SHARED

def resident():
    """KiB of the mapping."""
    mine = False
    for line in open('/proc/self/smaps'):
        if line.split()[0] == '%x-%x' % (begin, begin + size):
            mine = True
        elif mine and line.startswith('Rss:'):
            return int(line.split()[1])

def advise(at, n, what):
    if libc.madvise(begin + at, n, what):
        sys.exit('skipped: madvise: ' + os.strerror(C.get_errno()))

def end(shared):
    """What is resident after all pieces, which begin with so many bytes of the one before."""
    for at in range(shared, size - PIECE + 1, PIECE):
        advise(at - shared, PIECE + shared, POPULATE_READ)
        advise(at - shared, PIECE + shared, DONTNEED)
    left = resident()
    advise(0, size, DONTNEED)
    return left

alone, shared = end(0), end(PAGE)
print('Linux %s: pieces of whole pages leave %d KiB resident; with a page of the piece before, %d of %d KiB' % (platform.release(), alone, shared, size >> 10))
if alone > 256 or shared < 4096:
    sys.exit('this has changed')
PY
# Seen: the pieces without a common page leave nothing. With one, a sixth of the file stays: to populate a page
# that was dropped, the system maps those around it that are in the page cache (64 KiB, or a large folio), which
# had been dropped before, and nothing drops them again. A loader that wants one tensor resident at a time has to
# drop what lies before a tensor once more; infer drops 2 MiB before each.
