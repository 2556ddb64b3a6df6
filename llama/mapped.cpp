// Pages of mapped files that are not there any more. A file that is cut short, or a disk
// that fails, is told of by a signal when the lost page is read, which by default ends the
// process. Where the page is a weight's, it is replaced by zeros and counted: what is
// computed with it is nonsense, and nobody gets it, as the count is looked at afterwards.
//
// Windows refuses to cut a file short that is mapped.

#include "guard.h"
#include "shim_more.h"

#include <atomic>
#include <new>

struct infer_mapped {
    std::atomic<uintptr_t> begin, end; // equal: not in use
    std::atomic<size_t>    lost;       // bytes
    infer_mapped *         next;
};

namespace {

// Only ever grows at its head, so that a signal handler can walk it at any time; entries
// are used again.
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

// A mapping that takes the place of lost pages is at most this large: there are many more
// to come where one is lost, and no bound on mappings is smaller.
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
        sigaction(sig, &before, nullptr); // comes again, and ends the process
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
        ours.sa_flags     = SA_SIGINFO | SA_ONSTACK | SA_RESTART; // as Go wants handlers
        sigfillset(&ours.sa_mask);
        sigaction(SIGBUS, &ours, nullptr);
    });
}

} // namespace

#else

namespace {
void watch_bus() {}
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
