// Tokenization and chat templates.

#include "guard.h"
#include "shim_system.h"
#include "shim_text.h"

#include <cstdint>
#include <string>

#ifdef _WIN32
#include <windows.h>
#else
#include <limits.h>
#include <pthread.h>
#include <unistd.h>
#endif

using infer::guarded;

namespace {

// on_stack runs f on a new thread with a stack of size bytes. It returns false if there was no
// memory for the thread.
#ifdef _WIN32
bool on_stack(size_t size, void (*f)(void *), void * arg) {
    struct job {
        void (*f)(void *);
        void * arg;
    } j{f, arg};
    HANDLE thread = CreateThread(nullptr, size, [](LPVOID p) -> DWORD {
        job * j = (job *) p;
        j->f(j->arg);
        return 0;
    }, &j, STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
    if (!thread) {
        return false;
    }
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    return true;
}
#else
bool on_stack(size_t size, void (*f)(void *), void * arg) {
    struct job {
        void (*f)(void *);
        void * arg;
    } j{f, arg};
    const size_t page = (size_t) sysconf(_SC_PAGESIZE);
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    pthread_t thread;
    const bool ok = pthread_attr_setstacksize(&attr, (size + page - 1) / page * page) == 0
        && pthread_create(&thread, &attr, [](void * p) -> void * {
               job * j = (job *) p;
               j->f(j->arg);
               return nullptr;
           }, &j) == 0;
    pthread_attr_destroy(&attr);
    if (ok) {
        pthread_join(thread, nullptr);
    }
    return ok;
}
#endif

} // namespace

int32_t infer_tokenize(const struct llama_vocab * vocab, const char * text, int32_t text_len, llama_token * tokens, int32_t n_max,
        bool add_special, bool parse_special, size_t stack, infer_error * err) {
    int32_t n = 0;
    auto tokenize = [&] {
        n = guarded(err, (int32_t) 0, [&] { return llama_tokenize(vocab, text, text_len, tokens, n_max, add_special, parse_special); });
    };
    if (stack == 0) {
        tokenize();
    } else if (!on_stack(stack, [](void * p) { (*(decltype(tokenize) *) p)(); }, &tokenize)) {
        guarded(err, 0, [&]() -> int { throw std::bad_alloc(); });
    }
    return n;
}

int32_t infer_piece(const struct llama_vocab * vocab, llama_token token, char * buf, int32_t length, bool special, infer_error * err) {
    return guarded(err, (int32_t) 0, [&] { return llama_token_to_piece(vocab, token, buf, length, 0, special); });
}

size_t infer_detokenize_size(const struct llama_vocab * vocab, const llama_token * tokens, size_t n, bool unparse_special, infer_error * err) {
    // The engine's own sum is 32 bits wide and not checked for overflow.
    return guarded(err, (size_t) SIZE_MAX, [&] {
        size_t size = 0;
        for (size_t i = 0; i < n; i++) {
            size += (size_t) -(int64_t) llama_token_to_piece(vocab, tokens[i], nullptr, 0, 0, unparse_special);
        }
        return size;
    });
}

int32_t infer_detokenize(const struct llama_vocab * vocab, const llama_token * tokens, int32_t n, char * text, int32_t length,
        bool remove_special, bool unparse_special, infer_error * err) {
    return guarded(err, (int32_t) 0, [&] { return llama_detokenize(vocab, tokens, n, text, length, remove_special, unparse_special); });
}

int32_t infer_chat(const char * tmpl, const struct llama_chat_message * chat, size_t n, bool add_assistant, char * buf, int32_t length, infer_error * err) {
    return guarded(err, (int32_t) -1, [&] { return llama_chat_apply_template(tmpl, chat, n, add_assistant, buf, length); });
}
