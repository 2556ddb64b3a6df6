//go:build cgo && unix

// Checks that run before Go's runtime starts. A program starts in this order: dynamic linker,
// constructors, Go's runtime, Go's initialisers, main.

#define _GNU_SOURCE
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int infer_start_closed  = 0;
int infer_start_threads = 0;

// Go's runtime opens /dev/null in place of closed standard descriptors. This function remembers
// which were closed, since output to them is lost.
static void look_at_descriptors(void) {
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            infer_start_closed |= 1 << fd;
        }
    }
}

#ifdef __linux__

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    exit_code        = 3,
    needed_files     = 12,
    needed_threads   = 10,
    most_tried       = 256,
};

static const uint64_t KiB = 1 << 10, MiB = 1 << 20, GiB = 1 << 30;

// Stack sizes of threads: the most that the engine needs, and the smallest that it usually gets.
#define THREAD_STACK       (8 * MiB)
#define SMALL_THREAD_STACK (2 * MiB)
#define MAIN_STACK         (512 * KiB)

// What Go's runtime and this program map at the start, as measured: page summaries, the heap's map
// and its first arena. START_PRIVATE is the private writable part.
#if UINTPTR_MAX > 0xffffffff
#define START_MAPPED  (1248 * MiB)
#define START_PRIVATE (72 * MiB)
#else
#define START_MAPPED  (160 * MiB)
#define START_PRIVATE (48 * MiB)
#endif

static uint64_t soft(int resource) {
    struct rlimit l;
    return getrlimit(resource, &l) == 0 ? (uint64_t) l.rlim_cur : (uint64_t) RLIM_INFINITY;
}

static bool has_limit(uint64_t limit) { return limit != (uint64_t) RLIM_INFINITY; }

static const char * size_text(char * to, size_t n, uint64_t bytes) {
    if (bytes >= 10 * MiB) {
        snprintf(to, n, "%llu MiB", (unsigned long long) (bytes / MiB));
    } else {
        snprintf(to, n, "%llu KiB", (unsigned long long) (bytes / KiB));
    }
    return to;
}

static void refuse(const char * text) {
    size_t n = strlen(text);
    if (write(2, text, n) < 0) {
        // The message cannot be printed; the exit code remains.
    }
    _exit(exit_code);
}

static void refuse_size(const char * what, const char * names, uint64_t limit, uint64_t needed) {
    char text[256], has[24], wants[24];
    // Rounded up, so that a limit of the size in the message is enough.
    needed = needed >= 10 * MiB ? (needed + MiB - 1) / MiB * MiB : (needed + KiB - 1) / KiB * KiB;
    snprintf(text, sizeof text, "infer: the limit of %s (%s) is %s, and %s are needed to start: raise it\n",
        what, names, size_text(has, sizeof has, limit), size_text(wants, sizeof wants, needed));
    refuse(text);
}

// The main thread's stack grows up to the soft limit, which the process raises here.
static void look_at_stack(void) {
    struct rlimit l;
    if (getrlimit(RLIMIT_STACK, &l) != 0 || l.rlim_cur >= THREAD_STACK) {
        return;
    }
    l.rlim_cur = l.rlim_max < THREAD_STACK ? l.rlim_max : THREAD_STACK;
    if (setrlimit(RLIMIT_STACK, &l) != 0) {
        getrlimit(RLIMIT_STACK, &l);
    }
    if (l.rlim_cur < MAIN_STACK) {
        refuse_size("stacks", "RLIMIT_STACK, ulimit -s", l.rlim_cur, MAIN_STACK);
    }
}

// By default, the stacks of threads are as large as the stack limit, or 2 MiB without a limit. That
// is too small after ulimit -s 64, and too large where addresses are limited.
static uint64_t set_thread_stacks(bool tight) {
    pthread_attr_t attr;
    size_t size = 0;
    if (pthread_getattr_default_np(&attr) != 0) {
        return THREAD_STACK;
    }
    pthread_attr_getstacksize(&attr, &size);
    size_t want = tight ? SMALL_THREAD_STACK : THREAD_STACK;
    if (tight ? size != want : size < SMALL_THREAD_STACK) {
        pthread_attr_setstacksize(&attr, want);
        if (pthread_setattr_default_np(&attr) == 0) {
            size = want;
        }
    }
    pthread_attr_destroy(&attr);
    return size;
}

// Gets the process's sizes in bytes, 0 if /proc cannot be read.
static void sizes(uint64_t * mapped, uint64_t * private) {
    unsigned long long total = 0, data = 0;
    char text[128];
    *mapped = *private = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n > 0) {
        text[n] = 0;
        if (sscanf(text, "%llu %*u %*u %*u %*u %llu", &total, &data) == 2) {
            *mapped  = total * (uint64_t) sysconf(_SC_PAGESIZE);
            *private = data * (uint64_t) sysconf(_SC_PAGESIZE);
        }
    }
}

static bool look_at_memory(void) {
    uint64_t mapped, private;
    const uint64_t addresses = soft(RLIMIT_AS), data = soft(RLIMIT_DATA);
    const bool tight = addresses < 4 * GiB || data < 1 * GiB;
    const uint64_t stacks = needed_threads * set_thread_stacks(tight);
    if (!tight) {
        return false;
    }
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 1); // otherwise malloc reserves addresses for each thread
#endif
    sizes(&mapped, &private);
    if (addresses < mapped + START_MAPPED + stacks) {
        refuse_size("addresses", "RLIMIT_AS, ulimit -v", addresses, mapped + START_MAPPED + stacks);
    }
    if (data < private + START_PRIVATE + stacks) {
        refuse_size("private memory", "RLIMIT_DATA, ulimit -d", data, private + START_PRIVATE + stacks);
    }
    return true;
}

// Opens files as a test, since the process may have inherited any number of descriptors.
static void look_at_files(void) {
    int fds[needed_files], n = 0;
    struct rlimit l, most;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0) {
        return;
    }
    most = l;
    most.rlim_cur = most.rlim_max; // Go's runtime raises the limit, too
    setrlimit(RLIMIT_NOFILE, &most);
    while (n < needed_files && (fds[n] = open("/", O_RDONLY | O_CLOEXEC)) >= 0) {
        n++;
    }
    const bool few = n < needed_files && errno == EMFILE;
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
    setrlimit(RLIMIT_NOFILE, &l);
    if (few) {
        char text[256];
        snprintf(text, sizeof text, "infer: the limit of open files (RLIMIT_NOFILE, ulimit -n) is %llu, and %llu are needed to start: raise it\n",
            (unsigned long long) most.rlim_max, (unsigned long long) (most.rlim_max + needed_files - n));
        refuse(text);
    }
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void * wait_at_gate(void * none) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return none;
}

// Starts threads as a test: all processes of the user share RLIMIT_NPROC, and control groups have
// limits, too.
static void look_at_threads(bool tight) {
    static pthread_t threads[most_tried];
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int wanted = needed_threads + 2 * (cpus > 0 ? (int) cpus : 1), n = 0;
    if (wanted > most_tried) {
        wanted = most_tried;
    }
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 * KiB);
    pthread_mutex_lock(&gate);
    while (n < wanted && pthread_create(&threads[n], &attr, wait_at_gate, NULL) == 0) {
        n++;
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_attr_destroy(&attr);
    if (n < needed_threads) {
        char text[320];
        const uint64_t limit = soft(RLIMIT_NPROC);
        if (has_limit(limit) && getuid() != 0) {
            snprintf(text, sizeof text, "infer: the limit of processes and threads (RLIMIT_NPROC, ulimit -u) is %llu for all that this user runs; "
                "it leaves %d, and %d are needed to start: raise it\n", (unsigned long long) limit, n, needed_threads);
        } else {
            snprintf(text, sizeof text, "infer: the limit of threads (pids.max of the control group, or the system's) leaves %d, "
                "and %d are needed to start: raise it\n", n, needed_threads);
        }
        refuse(text);
    }
    if (n < wanted || tight) {
        infer_start_threads = n;
    }
}

static void look_at_limits(void) {
    look_at_stack();
    look_at_files();
    look_at_threads(look_at_memory());
}

#else

static void look_at_limits(void) {}

#endif

// Priority 101 runs before the constructors of C++ code.
__attribute__((constructor(101))) static void start(void) {
    look_at_descriptors();
    look_at_limits();
}
