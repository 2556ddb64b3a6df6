// Internal to the C++ files of this package: see shim.h.

#ifndef INFER_GUARD_H
#define INFER_GUARD_H

#include "shim.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

namespace infer {

// A failed engine check, thrown from ggml's abort callback through the C frames
// between (they are built with unwind tables on the platforms supported).
struct assert_failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Thrown where a call would take more work or memory than it may.
struct too_much : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// frame marks that this thread is inside a guarded call, and collects its log.
class frame {
public:
    explicit frame(infer_error * err);
    ~frame();
    frame(const frame &) = delete;
    frame & operator=(const frame &) = delete;

    void fail(int kind, const char * what);
    void note(bool error, const char * text);

    // watch is shown every line that the engine logs while the frame lasts; it may
    // throw where the engine is known to survive that.
    void watch(void (*f)(const char * text, void * data), void * data) { watch_ = f; watch_data_ = data; }
    void see(const char * text) { if (watch_) watch_(text, watch_data_); }

    static frame * current();

private:
    infer_error * err_;
    size_t        len_ = 0;
    bool          errors_ = false; // that is what the log has
    frame *       outer_;
    void (*watch_)(const char *, void *) = nullptr;
    void *        watch_data_ = nullptr;
};

// guarded runs f; what it throws becomes err and the result `failed`.
template <typename R, typename F>
R guarded(infer_error * err, R failed, F && f) {
    frame fr(err);
    try {
        return f();
    } catch (const assert_failure & e) {
        fr.fail(INFER_ASSERT, e.what());
    } catch (const too_much & e) {
        fr.fail(INFER_TOO_MUCH, e.what());
    } catch (const std::bad_alloc & e) {
        fr.fail(INFER_NO_MEMORY, e.what());
    } catch (const std::exception & e) {
        fr.fail(INFER_EXCEPTION, e.what());
    } catch (...) {
        fr.fail(INFER_EXCEPTION, "unknown exception");
    }
    return failed;
}

// threads_available tries to have n threads at once. Their stacks stay with the C
// library for the next ones.
bool threads_available(int n);

// backends_last makes the engine free the backends of a context behind all else that it
// frees while this lives: the scheduler goes after them and looks at them once more.
class backends_last {
public:
    backends_last();
    ~backends_last();
    backends_last(const backends_last &) = delete;
    backends_last & operator=(const backends_last &) = delete;
};

} // namespace infer

#endif
