// Lost pages of mapped files: the file was truncated, or its disk failed or was unplugged. Reading
// such a page raises a signal, on Windows an exception, which ends the process by default. Lost
// pages of weights are replaced by zeros here and counted. The caller checks the count after each
// computation and discards invalid results.

#include "guard.h"
#include "shim_mapped.h"

#include <atomic>
#include <new>

struct infer_mapped {
    std::atomic<uintptr_t> begin, end; // both 0: free entry
    std::atomic<size_t>    lost;       // bytes
    infer_mapped *         next;
};

namespace {

// A list that grows only at its head, so that the signal handler can read it at any time. Entries
// are never freed; infer_mapped_new uses free ones again.
std::atomic<infer_mapped *> mappings;

} // namespace

#ifndef _WIN32

#include <mutex>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

struct sigaction before; // Go's handler
uintptr_t        page;

// Maximum size of a mapping that replaces lost pages. If one page is lost, those after it usually
// are, too; fewer and larger mappings stay below the system's limit on mappings.
const size_t most_replaced = 64 << 10;

void on_bus(int sig, siginfo_t * info, void * context) {
    const uintptr_t addr = (uintptr_t) info->si_addr & ~(page - 1);
    for (infer_mapped * m = mappings.load(); m; m = m->next) {
        const uintptr_t end = m->end.load();
        if (addr < m->begin.load() || addr >= end) {
            continue;
        }
        const size_t size = end - addr < most_replaced ? end - addr : most_replaced;
        const int    err  = errno;
        void *       p    = mmap((void *) addr, size, PROT_READ, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
        errno = err;
        if (p == MAP_FAILED) {
            break;
        }
        m->lost.fetch_add(size);
        return;
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(sig, info, context);
    } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
        sigaction(sig, &before, nullptr); // the fault is raised again and ends the process
    } else {
        before.sa_handler(sig);
    }
}

void watch_bus() {
    static std::once_flag once;
    std::call_once(once, [] {
        page = (uintptr_t) sysconf(_SC_PAGESIZE);
        sigaction(SIGBUS, nullptr, &before);
        struct sigaction ours = {};
        ours.sa_sigaction = on_bus;
        ours.sa_flags     = SA_SIGINFO | SA_ONSTACK | SA_RESTART; // required by Go's runtime
        sigfillset(&ours.sa_mask);
        sigaction(SIGBUS, &ours, nullptr);
    });
}

} // namespace

#else

#include <mutex>
#include <windows.h>

namespace {

// Zeroed memory is committed in blocks of this size, when a lost page is read.
const size_t block = 64 << 10;

// Locked while a view is replaced: other threads with faults in it wait.
SRWLOCK replacing = SRWLOCK_INIT;

// Thread-local index: set by on_exception when it has handled a fault, read by on_continue.
DWORD handled = TLS_OUT_OF_INDEXES;

// Functions for placeholders, nullptr before Windows 10 version 1803.
BOOL (WINAPI * unmap_view2)(HANDLE process, PVOID address, ULONG flags);
PVOID (WINAPI * virtual_alloc2)(HANDLE process, PVOID address, SIZE_T size, ULONG type, ULONG protect, void * parameters, ULONG count);

const ULONG preserve_placeholder = 0x2, replace_placeholder = 0x4000;

// zeros commits zeroed memory for the block of a reserved address.
bool zeros(infer_mapped * m, uintptr_t addr) {
    MEMORY_BASIC_INFORMATION info;
    if (!VirtualQuery((void *) addr, &info, sizeof info)) {
        return false;
    }
    if (info.State == MEM_COMMIT) { // another thread was faster
        return info.Protect == PAGE_READONLY || info.Protect == PAGE_READWRITE;
    }
    if (info.State != MEM_RESERVE || info.Type != MEM_PRIVATE) {
        return false;
    }
    const uintptr_t end   = (uintptr_t) info.BaseAddress + info.RegionSize;
    const uintptr_t begin = addr / block * block; // reservations begin at multiples of 64 KiB
    const size_t    size  = end - begin < block ? end - begin : block;
    if (!VirtualAlloc((void *) begin, size, MEM_COMMIT, PAGE_READONLY)) {
        return false;
    }
    m->lost.fetch_add(size);
    return true;
}

// replace replaces the whole view that contains an address by a reservation, since Windows cannot
// replace single pages of a view.
bool replace(infer_mapped * m, uintptr_t addr) {
    MEMORY_BASIC_INFORMATION info;
    if (!VirtualQuery((void *) addr, &info, sizeof info)) {
        return false;
    }
    if (info.Type != MEM_MAPPED) {
        return zeros(m, addr);
    }
    char * base = (char *) info.AllocationBase;
    size_t size = 0;
    while (VirtualQuery(base + size, &info, sizeof info) && info.State != MEM_FREE && info.AllocationBase == base) {
        size += info.RegionSize;
    }
    void * p = nullptr;
    if (unmap_view2 && virtual_alloc2 && unmap_view2(GetCurrentProcess(), base, preserve_placeholder)) {
        p = virtual_alloc2(GetCurrentProcess(), base, size, MEM_RESERVE | replace_placeholder, PAGE_NOACCESS, nullptr, 0);
    } else if (!UnmapViewOfFile(base)) {
        return false;
    }
    if (!p) { // without placeholders another thread may have got these addresses meanwhile
        p = VirtualAlloc(base, size, MEM_RESERVE, PAGE_NOACCESS);
    }
    return p == base && zeros(m, addr);
}

// on_own_stack returns whether the code runs on the stack that the system gave the thread. Go's
// code runs on other stacks, which are too small for this handler: faults there are left to Go.
bool on_own_stack() {
    const NT_TIB * tib  = (const NT_TIB *) NtCurrentTeb();
    const char *   here = (const char *) &tib;
    return here >= (const char *) tib->StackLimit && here < (const char *) tib->StackBase;
}

LONG CALLBACK on_exception(EXCEPTION_POINTERS * e) {
    const EXCEPTION_RECORD * r = e->ExceptionRecord;
    // An in-page error is a page that cannot be read. An access violation is a page of a view that
    // another thread has replaced or is replacing.
    const bool lost = r->ExceptionCode == (DWORD) EXCEPTION_IN_PAGE_ERROR;
    if ((!lost && r->ExceptionCode != (DWORD) EXCEPTION_ACCESS_VIOLATION) || r->NumberParameters < 2 || r->ExceptionInformation[0] != 0) {
        return EXCEPTION_CONTINUE_SEARCH; // ExceptionInformation[0] is 0 for reads
    }
    const uintptr_t addr = r->ExceptionInformation[1];
    for (infer_mapped * m = mappings.load(); m; m = m->next) {
        if (addr < m->begin.load() || addr >= m->end.load()) {
            continue;
        }
        if (!on_own_stack()) {
            break;
        }
        AcquireSRWLockExclusive(&replacing);
        const bool done = lost ? replace(m, addr) : zeros(m, addr);
        ReleaseSRWLockExclusive(&replacing);
        if (!done) {
            break;
        }
        TlsSetValue(handled, (void *) 1);
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

// on_continue stops the system's search through the continue handlers, which follows each handled
// exception: Go's continue handler would end the process for exceptions outside of Go's code.
LONG CALLBACK on_continue(EXCEPTION_POINTERS *) {
    if (!TlsGetValue(handled)) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    TlsSetValue(handled, nullptr);
    return EXCEPTION_CONTINUE_EXECUTION;
}

void watch_bus() {
    static std::once_flag once;
    std::call_once(once, [] {
        handled = TlsAlloc();
        if (handled == TLS_OUT_OF_INDEXES) {
            return;
        }
        if (HMODULE base = GetModuleHandleA("kernelbase.dll")) {
            unmap_view2    = (decltype(unmap_view2)) (void *) GetProcAddress(base, "UnmapViewOfFile2");
            virtual_alloc2 = (decltype(virtual_alloc2)) (void *) GetProcAddress(base, "VirtualAlloc2");
        }
        AddVectoredContinueHandler(1, on_continue);
        AddVectoredExceptionHandler(1, on_exception); // before Go's handler
    });
}

} // namespace

#endif

extern "C" infer_mapped * infer_mapped_new(void * p, size_t size) {
    watch_bus();
    const uintptr_t begin = (uintptr_t) p;
    for (infer_mapped * m = mappings.load(); m; m = m->next) {
        uintptr_t none = 0;
        if (m->end.load() == 0 && m->begin.compare_exchange_strong(none, begin)) {
            m->lost = 0;
            m->end  = begin + size;
            return m;
        }
    }
    infer_mapped * m = new (std::nothrow) infer_mapped;
    if (!m) {
        return nullptr;
    }
    m->begin = begin;
    m->end   = begin + size;
    m->lost  = 0;
    m->next  = mappings.load();
    while (!mappings.compare_exchange_weak(m->next, m)) {
    }
    return m;
}

extern "C" size_t infer_mapped_lost(const infer_mapped * m) {
    return m->lost.load();
}

extern "C" void infer_mapped_free(infer_mapped * m) {
    m->end   = 0;
    m->begin = 0;
}
