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

struct q8_K16 {
    int8_t  q[256];
    int32_t offset[16]; // of 16 numbers each, as in q8_0
    float   d;          // scale
};

#define INFER_TARGET __attribute__((target("avx2,fma,f16c")))

INFER_TARGET inline __m256 absolute(__m256 x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

INFER_TARGET inline float largest(__m256 x) {
    __m128 y = _mm_max_ps(_mm256_extractf128_ps(x, 1), _mm256_castps256_ps128(x)); // the engine's order, which matters for NaN
    y = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

// sum_of returns the sum of 32 numbers.
INFER_TARGET inline int32_t sum_of(const int8_t * q) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), _mm256_loadu_si256((const __m256i *) q));
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

// whole writes 32 numbers, multiplied and rounded. Fused: the products are rounded once, to whole numbers; they
// are at most 127. Otherwise they are rounded to floats first.
template <bool Fused> INFER_TARGET inline void whole(const float * x, float factor, int8_t * q) {
    const __m256 f = _mm256_set1_ps(factor), shift = _mm256_set1_ps(12582912.0f); // 1.5 * 2^23: a sum's last bit is a one
    __m256i i[4];
    for (int j = 0; j < 4; j++) {
        const __m256 v = _mm256_loadu_ps(x + 8 * j);
        i[j] = Fused ? _mm256_sub_epi32(_mm256_castps_si256(_mm256_fmadd_ps(v, f, shift)), _mm256_castps_si256(shift)) : _mm256_cvtps_epi32(_mm256_mul_ps(v, f));
    }
    const __m256i mixed = _mm256_packs_epi16(_mm256_packs_epi32(i[0], i[1]), _mm256_packs_epi32(i[2], i[3]));
    _mm256_storeu_si256((__m256i *) q, _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}

INFER_TARGET void prepare_q8_0(const float * x, int64_t n, void * prepared) {
    q8_0 * y = (q8_0 *) prepared;
    for (int64_t i = 0; i < n / 32; i++, x += 32) {
        __m256 most = absolute(_mm256_loadu_ps(x));
        for (int j = 8; j < 32; j += 8) {
            most = _mm256_max_ps(most, absolute(_mm256_loadu_ps(x + j)));
        }
        const float max = largest(most);
        whole<false>(x, max != 0.0f ? 127.0f / max : 0.0f, y[i].q);
        y[i].offset = -8 * sum_of(y[i].q);
        y[i].d      = _cvtsh_ss(_cvtss_sh(max / 127.0f, _MM_FROUND_TO_NEAREST_INT));
    }
}

// The engine's blocks of Q8_K, and its function that writes them. A compiler can have fused its multiplication
// and its rounding.
struct engine_q8_K {
    float   d;
    int8_t  q[256];
    int16_t sums[16];
};

struct {
    quantizer quantize;
    bool      separate, fused; // how it rounds; none: unknown
} by_engine;

// quantize_q8_K writes 256 numbers as the engine does, and returns their scale.
INFER_TARGET float quantize_q8_K(const float * x, int8_t * q) {
    // Numbers without sign have the order of their bits: NaN and infinity are the largest.
    __m256i bits = _mm256_castps_si256(absolute(_mm256_loadu_ps(x)));
    for (int j = 8; j < 256; j += 8) {
        bits = _mm256_max_epi32(bits, _mm256_castps_si256(absolute(_mm256_loadu_ps(x + j))));
    }
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
    const float max = _mm_cvtss_f32(_mm_castsi128_ps(most));
    if (!(max >= 1e-30f && max <= 1e30f) || !(by_engine.separate || by_engine.fused)) {
        engine_q8_K block;
        by_engine.quantize(x, &block, 256);
        memcpy(q, block.q, sizeof block.q);
        return block.d;
    }
    int first = 0; // number of that size
    while (x[first] != max && x[first] != -max) {
        first++;
    }
    const float factor = -127.0f / x[first];
    for (int j = 0; j < 256; j += 32) {
        by_engine.fused ? whole<true>(x + j, factor, q + j) : whole<false>(x + j, factor, q + j);
    }
    return 1.0f / factor;
}

INFER_TARGET void prepare_q8_K(const float * x, int64_t n, void * prepared) {
    q8_K * y = (q8_K *) prepared;
    for (int64_t i = 0; i < n / 256; i++, x += 256) {
        y[i].d = quantize_q8_K(x, y[i].q);
        for (int j = 0; j < 8; j++) {
            y[i].sums[j] = (int16_t) sum_of(y[i].q + 32 * j);
        }
    }
}

INFER_TARGET void prepare_q8_K16(const float * x, int64_t n, void * prepared) {
    q8_K16 * y = (q8_K16 *) prepared;
    for (int64_t i = 0; i < n / 256; i++, x += 256) {
        y[i].d = quantize_q8_K(x, y[i].q);
        for (int j = 0; j < 16; j++) {
            int32_t sum = 0;
            for (int k = 0; k < 16; k++) {
                sum += y[i].q[16 * j + k];
            }
            y[i].offset[j] = -32 * sum;
        }
    }
}

// A file's blocks.
struct q4_0 {
    uint16_t d;      // scale, float16
    uint8_t  qs[16]; // low nibbles are the first 16 numbers
};

struct q4_K {
    uint16_t d, dmin;
    uint8_t  scales[12]; // as parts has them, for each 32 numbers instead of rows
    uint8_t  qs[128];    // as in q4_Kx8
};

struct q6_K {
    uint8_t  ql[128];    // of each 128 numbers, 64 bytes: low four bits
    uint8_t  qh[64];     // 32 bytes: high two bits
    int8_t   scales[16]; // of 16 numbers each
    uint16_t d;
};

// A layout of our own.
struct q6_Kx8 {
    uint16_t d[8];
    int8_t   scales[16][8]; // of 16 numbers of each row
    uint8_t  q[2048];       // of each row in turn, eight numbers, without sign
};

// The engine's layouts of eight interleaved rows.
struct q4_0x8 {
    uint16_t d[8];    // scales, float16
    uint8_t  qs[128]; // of each row in turn, eight bytes; a nibble is a number with a sign
};

struct q4_Kx8 {
    uint16_t d[8], dmin[8]; // scales of scales and of minima, float16
    uint8_t  scales[96];    // parts for each 32 numbers
    uint8_t  qs[1024];      // of each row in turn, eight bytes; low nibbles are of 32 numbers, high ones of the next 32
};

// parts are the scales and minima, of six bits, of eight parts of a matrix, in twelve bytes: the low six bits of
// the first eight bytes are the first four of each. The others have four bits in the last four bytes, and
// two above the six.
struct parts {
    uint64_t scale, min; // a byte for each

    parts() = default;

    explicit parts(const uint8_t * p) {
        uint32_t x[3];
        memcpy(x, p, sizeof x);
        scale = (x[0] & 0x3f3f3f3f) | (uint64_t) ((x[2] & 0x0f0f0f0f) | (x[0] >> 2 & 0x30303030)) << 32;
        min   = (x[1] & 0x3f3f3f3f) | (uint64_t) ((x[2] >> 4 & 0x0f0f0f0f) | (x[1] >> 2 & 0x30303030)) << 32;
    }

    void write(uint8_t * p) const {
        const uint32_t s = (uint32_t) (scale >> 32), m = (uint32_t) (min >> 32);
        const uint32_t x[3] = {(uint32_t) scale | (s & 0x30303030) << 2, (uint32_t) min | (m & 0x30303030) << 2, (s & 0x0f0f0f0f) | (m & 0x0f0f0f0f) << 4};
        memcpy(p, x, sizeof x);
    }
};

// transpose turns eight rows of eight bytes into columns.
INFER_TARGET inline void transpose(uint64_t x[8]) {
    __m128i a[4], b[4];
    for (int i = 0; i < 4; i++) {
        a[i] = _mm_unpacklo_epi8(_mm_cvtsi64_si128((long long) x[2 * i]), _mm_cvtsi64_si128((long long) x[2 * i + 1])); // pairs of rows
    }
    b[0] = _mm_unpacklo_epi16(a[0], a[1]);
    b[1] = _mm_unpackhi_epi16(a[0], a[1]);
    b[2] = _mm_unpacklo_epi16(a[2], a[3]);
    b[3] = _mm_unpackhi_epi16(a[2], a[3]);
    for (int i = 0; i < 2; i++) {
        _mm_storeu_si128((__m128i *) (x + 4 * i), _mm_unpacklo_epi32(b[i], b[i + 2]));
        _mm_storeu_si128((__m128i *) (x + 4 * i + 2), _mm_unpackhi_epi32(b[i], b[i + 2]));
    }
}

// eights writes the sixteen bytes at each of eight places as two times eight bytes of each.
INFER_TARGET inline void eights(const uint8_t * const * from, __m128i flip, uint8_t * to) {
    for (int i = 0; i < 4; i++) {
        const __m128i x = _mm_xor_si128(_mm_loadu_si128((const __m128i *) from[2 * i]), flip);
        const __m128i y = _mm_xor_si128(_mm_loadu_si128((const __m128i *) from[2 * i + 1]), flip);
        _mm_storeu_si128((__m128i *) (to + 16 * i), _mm_unpacklo_epi64(x, y));
        _mm_storeu_si128((__m128i *) (to + 64 + 16 * i), _mm_unpackhi_epi64(x, y));
    }
}

// fetch fetches the memory of the next n rows of a file after these into the second cache: its share at block i of
// each row, in the order of the memory. The rows' own addresses are too many for what the CPU fetches by itself.
INFER_TARGET inline void fetch(const char * rows, size_t stride, int n, int64_t i, size_t block) {
    const char * next = rows + n * (stride + i * block);
    for (size_t at = 0; at < n * block; at += 64) {
        __builtin_prefetch(next + at, 0, 2);
    }
}

INFER_TARGET void interleave_q4_0(const void * rows, size_t stride, int64_t blocks, void * interleaved) {
    q4_0x8 * to = (q4_0x8 *) interleaved;
    for (int64_t i = 0; i < blocks; i++) {
        fetch((const char *) rows, stride, 8, i, sizeof(q4_0));
        const uint8_t * qs[8];
        for (int r = 0; r < 8; r++) {
            const q4_0 & from = ((const q4_0 *) ((const char *) rows + r * stride))[i];
            to[i].d[r] = from.d;
            qs[r] = from.qs;
        }
        eights(qs, _mm_set1_epi8((char) 0x88), to[i].qs);
    }
}

INFER_TARGET void interleave_q4_K(const void * rows, size_t stride, int64_t blocks, void * interleaved) {
    q4_Kx8 * to = (q4_Kx8 *) interleaved;
    for (int64_t i = 0; i < blocks; i++) {
        fetch((const char *) rows, stride, 8, i, sizeof(q4_K));
        const uint8_t * qs[8];
        uint64_t scale[8], min[8];
        for (int r = 0; r < 8; r++) {
            const q4_K & from = ((const q4_K *) ((const char *) rows + r * stride))[i];
            to[i].d[r]    = from.d;
            to[i].dmin[r] = from.dmin;
            const parts p(from.scales);
            scale[r] = p.scale;
            min[r]   = p.min;
            qs[r] = from.qs;
        }
        transpose(scale);
        transpose(min);
        for (int s = 0; s < 8; s++) {
            parts p;
            p.scale = scale[s];
            p.min   = min[s];
            p.write(to[i].scales + 12 * s);
        }
        for (int j = 0; j < 128; j += 16) {
            eights(qs, _mm_setzero_si128(), to[i].qs + 8 * j);
            for (const uint8_t * & q : qs) {
                q += 16;
            }
        }
    }
}

// bytes writes the 256 numbers of a block.
INFER_TARGET inline void bytes(const q6_K & from, uint8_t * to) {
    const __m256i low = _mm256_set1_epi8(0x0f), two = _mm256_set1_epi8(0x30);
    for (int h = 0; h < 2; h++) {
        const __m256i a = _mm256_loadu_si256((const __m256i *) (from.ql + 64 * h)), b = _mm256_loadu_si256((const __m256i *) (from.ql + 64 * h + 32));
        const __m256i top = _mm256_loadu_si256((const __m256i *) (from.qh + 32 * h));
        __m256i * out = (__m256i *) (to + 128 * h);
        _mm256_storeu_si256(out, _mm256_or_si256(_mm256_and_si256(a, low), _mm256_and_si256(_mm256_slli_epi16(top, 4), two)));
        _mm256_storeu_si256(out + 1, _mm256_or_si256(_mm256_and_si256(b, low), _mm256_and_si256(_mm256_slli_epi16(top, 2), two)));
        _mm256_storeu_si256(out + 2, _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), low), _mm256_and_si256(top, two)));
        _mm256_storeu_si256(out + 3, _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(b, 4), low), _mm256_and_si256(_mm256_srli_epi16(top, 2), two)));
    }
}

INFER_TARGET void interleave_q6_K(const void * rows, size_t stride, int64_t blocks, void * interleaved) {
    q6_Kx8 * to = (q6_Kx8 *) interleaved;
    for (int64_t i = 0; i < blocks; i++) {
        fetch((const char *) rows, stride, 8, i, sizeof(q6_K));
        uint8_t numbers[8][256];
        const uint8_t * q[8];
        for (int r = 0; r < 8; r++) {
            const q6_K & from = ((const q6_K *) ((const char *) rows + r * stride))[i];
            to[i].d[r] = from.d;
            for (int j = 0; j < 16; j++) {
                to[i].scales[j][r] = from.scales[j];
            }
            bytes(from, numbers[r]);
            q[r] = numbers[r];
        }
        for (int j = 0; j < 256; j += 16) {
            eights(q, _mm_setzero_si128(), to[i].q + 8 * j);
            for (const uint8_t * & p : q) {
                p += 16;
            }
        }
    }
}

// eight_halves reads a float16 of each of eight rows of a file, in an order.
template <int... Order> INFER_TARGET inline __m128i eight_halves(const char * rows, size_t stride) {
    const auto half = [](const char * p) {
        int16_t x;
        memcpy(&x, p, sizeof x);
        return x;
    };
    return _mm_setr_epi16(half(rows + Order * stride)...);
}

#undef INFER_TARGET

} // namespace

} // namespace infer
