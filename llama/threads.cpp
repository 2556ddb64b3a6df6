// Facts about the machine and this build: whether the system can start more threads. The engine must not be asked for threads that
// cannot be started: it ends the process.

#include "guard.h"
#include "shim_system.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

bool infer::threads_available(int n) {
    std::mutex mutex;
    std::condition_variable all;
    bool release = false;
    std::vector<std::thread> threads;
    bool ok = true;
    try {
        threads.reserve(n);
        for (int i = 0; i < n; i++) {
            threads.emplace_back([&] {
                std::unique_lock<std::mutex> lock(mutex);
                all.wait(lock, [&] { return release; });
            });
        }
    } catch (const std::exception &) {
        ok = false;
    }
    {
        std::lock_guard<std::mutex> lock(mutex);
        release = true;
    }
    all.notify_all();
    for (auto & t : threads) {
        t.join();
    }
    return ok;
}

extern "C" bool infer_threads_available(int n) {
    return infer::threads_available(n);
}

extern "C" bool infer_optimized(void) {
#ifdef __OPTIMIZE__
    return true;
#else
    return false;
#endif
}
