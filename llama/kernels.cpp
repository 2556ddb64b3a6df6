#include "kernels.h"
#include "shim_system.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__APPLE__)

#include <immintrin.h>

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // GCC's own intrinsics

#include "kernels_vectors.hpp"
#include "kernels_avx512.hpp"

// Whether the compiler knows AVX-VNNI.
#ifdef __clang__
#define INFER_KNOWS_VNNI (__clang_major__ >= 14)
#else
#define INFER_KNOWS_VNNI (__GNUC__ >= 12)
#endif

namespace infer {

#if INFER_KNOWS_VNNI
namespace avx_vnni {
namespace {
#define INFER_SET avx_vnni
#define INFER_VNNI 1
#define INFER_TARGET __attribute__((target("avxvnni,avx2,fma,f16c")))
#include "kernels_avx2.hpp"
#undef INFER_TARGET
#undef INFER_VNNI
#undef INFER_SET
} // namespace
} // namespace avx_vnni
#endif

namespace avx2 {
namespace {
#define INFER_SET avx2
#define INFER_VNNI 0
#define INFER_TARGET __attribute__((target("avx2,fma,f16c")))
#include "kernels_avx2.hpp"
#undef INFER_TARGET
#undef INFER_VNNI
#undef INFER_SET
} // namespace
} // namespace avx2

static bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

#if INFER_KNOWS_VNNI
static bool has_avx_vnni() {
    return has_avx2() && __builtin_cpu_supports("avxvnni");
}
#endif

static bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

struct kernel_set {
    const char *   name;
    bool           (*available)();
    const kernel * first;
    size_t         n;
};

template <size_t N> constexpr kernel_set set_of(const char * name, bool (*available)(), const kernel (&kernels)[N]) {
    return {name, available, kernels, N};
}

// The sets, fastest first.
static const kernel_set sets[] = {
    set_of("avx512_vnni", has_avx512, avx512::kernels),
#if INFER_KNOWS_VNNI
    set_of("avx_vnni", has_avx_vnni, avx_vnni::kernels),
#endif
    set_of("avx2", has_avx2, avx2::kernels),
};

static const kernel_set * in_use;

void use_quantizer(quantizer q8_K) {
    float x[256];
    for (float & v : x) {
        v = 0x1.993264p-1f; // -127 times this is -101 if it is rounded once, and -102 if twice
    }
    x[0] = 1;
    engine_q8_K block = {};
    q8_K(x, &block, 256);
    bool once = true, twice = true;
    for (int i = 1; i < 256; i++) {
        once  = once && block.q[i] == -101;
        twice = twice && block.q[i] == -102;
    }
    by_engine = {q8_K, twice, once};
}

const kernel * kernel_of(const char * type) {
    for (size_t i = 0; in_use && i < in_use->n; i++) {
        if (strcmp(in_use->first[i].type, type) == 0) {
            return &in_use->first[i];
        }
    }
    return nullptr;
}

} // namespace infer

bool infer_kernels_choose(const char * name) {
    infer::in_use = nullptr;
    if (strcmp(name, "engine") == 0) {
        return true;
    }
    for (const infer::kernel_set & s : infer::sets) {
        if ((!*name || strcmp(name, s.name) == 0) && s.available()) {
            infer::in_use = &s;
            return true;
        }
    }
    return !*name;
}

const char * infer_kernels_chosen(void) {
    return infer::in_use ? infer::in_use->name : "";
}

#else

namespace infer {

void use_quantizer(quantizer) {}

const kernel * kernel_of(const char *) {
    return nullptr;
}

} // namespace infer

bool infer_kernels_choose(const char * name) {
    return !*name || strcmp(name, "engine") == 0;
}

const char * infer_kernels_chosen(void) {
    return "";
}

#endif
