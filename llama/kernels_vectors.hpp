// Vectors as the kernels read them: the numbers that the engine's quantisation to Q8_0 and Q8_K yields.

namespace infer {

namespace {

struct q8_0 {
    int8_t  q[32];
    float   d;      // scale, a float16's value
    int32_t offset; // what a product with nibbles without sign has too much
};

struct q8_K {
    int8_t  q[256];
    int16_t sums[8]; // of 32 numbers each
    float   d;       // scale
};

#define INFER_TARGET __attribute__((target("avx2,fma,f16c")))

INFER_TARGET inline __m256 absolute(__m256 x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

INFER_TARGET inline float largest(__m256 x) {
    __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

// whole writes 32 numbers, multiplied and rounded, and returns their sum.
INFER_TARGET inline int32_t whole(const float * x, float factor, int8_t * q) {
    const __m256 f = _mm256_set1_ps(factor);
    __m256i i[4];
    for (int j = 0; j < 4; j++) {
        i[j] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * j), f));
    }
    const __m256i mixed = _mm256_packs_epi16(_mm256_packs_epi32(i[0], i[1]), _mm256_packs_epi32(i[2], i[3]));
    _mm256_storeu_si256((__m256i *) q, _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    const __m256i eight = _mm256_add_epi32(_mm256_add_epi32(i[0], i[1]), _mm256_add_epi32(i[2], i[3]));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

INFER_TARGET void prepare_q8_0(const float * x, int64_t n, void * prepared) {
    q8_0 * y = (q8_0 *) prepared;
    for (int64_t i = 0; i < n / 32; i++, x += 32) {
        __m256 most = absolute(_mm256_loadu_ps(x));
        for (int j = 8; j < 32; j += 8) {
            most = _mm256_max_ps(most, absolute(_mm256_loadu_ps(x + j)));
        }
        const float max = largest(most);
        y[i].offset = -8 * whole(x, max != 0.0f ? 127.0f / max : 0.0f, y[i].q);
        y[i].d      = _cvtsh_ss(_cvtss_sh(max / 127.0f, _MM_FROUND_TO_NEAREST_INT));
    }
}

INFER_TARGET void prepare_q8_K(const float * x, int64_t n, void * prepared) {
    q8_K * y = (q8_K *) prepared;
    for (int64_t i = 0; i < n / 256; i++, x += 256) {
        __m256 most = absolute(_mm256_loadu_ps(x));
        for (int j = 8; j < 256; j += 8) {
            most = _mm256_max_ps(most, absolute(_mm256_loadu_ps(x + j)));
        }
        const float max = largest(most);
        if (max == 0.0f) {
            memset(&y[i], 0, sizeof y[i]);
            continue;
        }
        int first = 0; // number of that size
        while (x[first] != max && x[first] != -max && first < 255) {
            first++;
        }
        const float factor = -127.0f / x[first];
        for (int j = 0; j < 8; j++) {
            y[i].sums[j] = (int16_t) whole(x + 32 * j, factor, y[i].q + 32 * j);
        }
        y[i].d = 1.0f / factor;
    }
}

#undef INFER_TARGET

// parts are the scales and minima of 32 numbers of eight interleaved rows of type Q4_K, from twelve bytes: the
// low six bits of the first eight bytes are of the first four rows. The others have four bits in the last four
// bytes, and two above the six.
struct parts {
    uint64_t scale, min; // a byte for each row

    explicit parts(const uint8_t * p) {
        uint32_t x[3];
        memcpy(x, p, sizeof x);
        scale = (x[0] & 0x3f3f3f3f) | (uint64_t) ((x[2] & 0x0f0f0f0f) | (x[0] >> 2 & 0x30303030)) << 32;
        min   = (x[1] & 0x3f3f3f3f) | (uint64_t) ((x[2] >> 4 & 0x0f0f0f0f) | (x[1] >> 2 & 0x30303030)) << 32;
    }
};

// The engine's layouts.
struct q4_0x8 {
    uint16_t d[8];    // scales, float16
    uint8_t  qs[128]; // of each row in turn, eight bytes; a nibble is a number with a sign
};

struct q4_Kx8 {
    uint16_t d[8], dmin[8]; // scales of scales and of minima, float16
    uint8_t  scales[96];    // twelve bytes for each 32 numbers
    uint8_t  qs[1024];      // of each row in turn, eight bytes; low nibbles are of 32 numbers, high ones of the next 32
};

} // namespace

} // namespace infer
