// Guards of calls of the engine: they turn exceptions, failed assertions and log lines into an
// infer_error. Internal to the C++ files of this package.

#ifndef INFER_GUARD_H
#define INFER_GUARD_H

#include "shim.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

namespace infer {

// A failed assertion of the engine. It is thrown from ggml's abort callback and unwinds the
// engine's C frames, which are compiled with unwind tables on the supported platforms.
struct assert_failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Thrown when a call would exceed a bound on its work or memory.
struct too_much : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Thrown when the parameters of a sampler leave no token to choose.
struct no_choice : std::runtime_error {
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

    // watch sets a function that is called with each line that the engine logs during the frame.
    // It may throw only from calls that the engine is known to survive.
    void watch(void (*f)(const char * text, void * data), void * data) { watch_ = f; watch_data_ = data; }
    void see(const char * text) { if (watch_) watch_(text, watch_data_); }

    static frame * current();

private:
    infer_error * err_;
    size_t        len_ = 0;
    bool          errors_ = false; // the log has errors, otherwise warnings
    frame *       outer_;
    void (*watch_)(const char *, void *) = nullptr;
    void *        watch_data_ = nullptr;
};

// guarded runs f and returns its result. If f throws, it stores the exception in err and returns
// failed.
template <typename R, typename F>
R guarded(infer_error * err, R failed, F && f) {
    frame fr(err);
    try {
        return f();
    } catch (const assert_failure & e) {
        fr.fail(INFER_ASSERT, e.what());
    } catch (const too_much & e) {
        fr.fail(INFER_TOO_MUCH, e.what());
    } catch (const no_choice & e) {
        fr.fail(INFER_NO_CHOICE, e.what());
    } catch (const std::bad_alloc & e) {
        fr.fail(INFER_NO_MEMORY, e.what());
    } catch (const std::exception & e) {
        fr.fail(INFER_EXCEPTION, e.what());
    } catch (...) {
        fr.fail(INFER_EXCEPTION, "unknown exception");
    }
    return failed;
}

// guarded_chunk runs f, which quantises rows and returns their size. If an assertion fails, it returns 1,
// which is no valid size of rows: the quantiser's own validation fails and ends the work.
template <typename F> size_t guarded_chunk(F && f) {
    infer_error err;
    return guarded(&err, (size_t) 1, f);
}

// threads_available returns whether n threads can be started at once. The C library keeps their
// stacks for the threads that follow.
bool threads_available(int n);

// on_log is the engine's log callback. It sends a line to the frame of this thread and to Go.
void on_log(int level, const char * text);
// on_assert is called for a failed assertion of the engine. In a guarded call it throws.
void on_assert(const char * message);

} // namespace infer

#endif
