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

// prepare_q8_0 prepares a vector for weights without sign, from which Bias is to be subtracted.
template <int Bias> INFER_TARGET void prepare_q8_0(const float * x, int64_t n, void * prepared) {
    q8_0 * y = (q8_0 *) prepared;
    for (int64_t i = 0; i < n / 32; i++, x += 32) {
        __m256 most = absolute(_mm256_loadu_ps(x));
        for (int j = 8; j < 32; j += 8) {
            most = _mm256_max_ps(most, absolute(_mm256_loadu_ps(x + j)));
        }
        const float max = largest(most);
        whole<false>(x, max != 0.0f ? 127.0f / max : 0.0f, y[i].q);
        y[i].offset = -Bias * sum_of(y[i].q);
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

// The kinds of blocks. A kernel has a multiplication for each.
struct of_32 {};       // numbers with a scale
struct with_minima {}; // eight parts of 32 numbers, each with a scale and a minimum
struct parts_of_32 {}; // with a scale each
struct parts_of_16 {};

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

struct q5_K {
    uint16_t d, dmin;
    uint8_t  scales[12]; // as in q4_K
    uint8_t  qh[32];     // a bit of each is the fifth of a number; of 32 numbers the same bit
    uint8_t  qs[128];    // as in q4_K
};

struct q6_K {
    uint8_t  ql[128];    // of each 128 numbers, 64 bytes: low four bits
    uint8_t  qh[64];     // 32 bytes: high two bits
    int8_t   scales[16]; // of 16 numbers each
    uint16_t d;

    int8_t scale(int part) const {
        return scales[part];
    }
};

struct weights_q8_0 {
    uint16_t d;
    int8_t   q[32];
};

struct mxfp4 {
    uint8_t e;      // the scale's exponent, for twice the numbers
    uint8_t qs[16]; // as in q4_0; places in a table
};

struct iq4_xs {
    uint16_t d;
    uint16_t scales_h;    // of each 32 numbers, two bits above the four
    uint8_t  scales_l[4]; // four bits
    uint8_t  qs[128];     // of each 32 numbers, as in q4_0; places in a table

    // scale returns the scale of 32 numbers.
    int8_t scale(int part) const {
        return (int8_t) ((scales_l[part / 2] >> (part % 2 * 4) & 15) + (scales_h >> (2 * part) & 3) * 16 - 32);
    }
};

// The tables' numbers with the bias, so that they have no sign.
constexpr int bias_mxfp4 = 12, bias_iq4_xs = 128, bias_q8_0 = 128;

alignas(16) constexpr uint8_t table_mxfp4[16]  = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
alignas(16) constexpr uint8_t table_iq4_xs[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

// Layouts of our own: of eight rows in turn, eight numbers, without sign.

struct blocks_x8 { // of 32 numbers
    float   d[8];
    uint8_t q[256];
};

struct q5_Kx8 {
    uint16_t d[8], dmin[8];
    uint8_t  scales[96]; // as in q4_Kx8
    uint8_t  q[2048];
};

template <int Parts> struct scaled_x8 {
    static constexpr int parts = Parts;

    uint16_t d[8];
    int8_t   scales[Parts][8]; // of a part of each row
    uint8_t  q[2048];
};

using q6_Kx8   = scaled_x8<16>;
using iq4_xsx8 = scaled_x8<8>;

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

// interleave_bytes writes n numbers of each of eight rows.
INFER_TARGET inline void interleave_bytes(const uint8_t * const * rows, int n, uint8_t * to) {
    const uint8_t * q[8];
    for (int r = 0; r < 8; r++) {
        q[r] = rows[r];
    }
    for (int j = 0; j < n; j += 16) {
        eights(q, _mm_setzero_si128(), to + 8 * j);
        for (const uint8_t * & p : q) {
            p += 16;
        }
    }
}

// interleave_parts writes the scales and minima of eight rows.
INFER_TARGET inline void interleave_parts(const uint8_t * const * rows, uint8_t * to) {
    uint64_t scale[8], min[8];
    for (int r = 0; r < 8; r++) {
        const parts p(rows[r]);
        scale[r] = p.scale;
        min[r]   = p.min;
    }
    transpose(scale);
    transpose(min);
    for (int s = 0; s < 8; s++) {
        parts p;
        p.scale = scale[s];
        p.min   = min[s];
        p.write(to + 12 * s);
    }
}

INFER_TARGET void interleave_q4_K(const void * rows, size_t stride, int64_t blocks, void * interleaved) {
    q4_Kx8 * to = (q4_Kx8 *) interleaved;
    for (int64_t i = 0; i < blocks; i++) {
        fetch((const char *) rows, stride, 8, i, sizeof(q4_K));
        const uint8_t * qs[8], * scales[8];
        for (int r = 0; r < 8; r++) {
            const q4_K & from = ((const q4_K *) ((const char *) rows + r * stride))[i];
            to[i].d[r]    = from.d;
            to[i].dmin[r] = from.dmin;
            scales[r]     = from.scales;
            qs[r]         = from.qs;
        }
        interleave_parts(scales, to[i].scales);
        interleave_bytes(qs, 128, to[i].qs);
    }
}

// unpack writes 32 numbers of a table. Nibbles are their places in it: the low ones, then the high ones.
INFER_TARGET inline void unpack(const uint8_t * nibbles, const uint8_t * table, uint8_t * to) {
    const __m128i low = _mm_set1_epi8(0x0f), x = _mm_loadu_si128((const __m128i *) nibbles), all = _mm_load_si128((const __m128i *) table);
    _mm_storeu_si128((__m128i *) to, _mm_shuffle_epi8(all, _mm_and_si128(x, low)));
    _mm_storeu_si128((__m128i *) (to + 16), _mm_shuffle_epi8(all, _mm_and_si128(_mm_srli_epi16(x, 4), low)));
}

// These write the numbers of a block.

INFER_TARGET inline void unpack(const weights_q8_0 & from, uint8_t * to) {
    _mm256_storeu_si256((__m256i *) to, _mm256_xor_si256(_mm256_loadu_si256((const __m256i *) from.q), _mm256_set1_epi8((char) bias_q8_0)));
}

INFER_TARGET inline void unpack(const mxfp4 & from, uint8_t * to) {
    unpack(from.qs, table_mxfp4, to);
}

INFER_TARGET inline void unpack(const iq4_xs & from, uint8_t * to) {
    for (int part = 0; part < 8; part++) {
        unpack(from.qs + 16 * part, table_iq4_xs, to + 32 * part);
    }
}

INFER_TARGET inline void unpack(const q5_K & from, uint8_t * to) {
    const __m256i low = _mm256_set1_epi8(0x0f), one = _mm256_set1_epi8(1), top = _mm256_loadu_si256((const __m256i *) from.qh);
    for (int part = 0; part < 8; part++) {
        const __m256i x = _mm256_loadu_si256((const __m256i *) (from.qs + 32 * (part / 2)));
        const __m256i fifth = _mm256_slli_epi16(_mm256_and_si256(_mm256_srl_epi16(top, _mm_cvtsi32_si128(part)), one), 4);
        _mm256_storeu_si256((__m256i *) (to + 32 * part), _mm256_or_si256(_mm256_and_si256(part % 2 ? _mm256_srli_epi16(x, 4) : x, low), fifth));
    }
}

INFER_TARGET inline float scale_of(const weights_q8_0 & from) {
    return _cvtsh_ss(from.d);
}

INFER_TARGET inline float scale_of(const mxfp4 & from) {
    const uint32_t bits = from.e < 2 ? 0x00200000u << from.e : (from.e - 1u) << 23; // half of two to that power
    float d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

template <typename T> INFER_TARGET void interleave_blocks(const void * rows, size_t stride, int64_t blocks, void * interleaved) {
    blocks_x8 * to = (blocks_x8 *) interleaved;
    for (int64_t i = 0; i < blocks; i++) {
        fetch((const char *) rows, stride, 8, i, sizeof(T));
        uint8_t numbers[8][32];
        const uint8_t * q[8];
        for (int r = 0; r < 8; r++) {
            const T & from = ((const T *) ((const char *) rows + r * stride))[i];
            to[i].d[r] = scale_of(from);
            unpack(from, numbers[r]);
            q[r] = numbers[r];
        }
        interleave_bytes(q, 32, to[i].q);
    }
}

INFER_TARGET void interleave_q5_K(const void * rows, size_t stride, int64_t blocks, void * interleaved) {
    q5_Kx8 * to = (q5_Kx8 *) interleaved;
    for (int64_t i = 0; i < blocks; i++) {
        fetch((const char *) rows, stride, 8, i, sizeof(q5_K));
        uint8_t numbers[8][256];
        const uint8_t * q[8], * scales[8];
        for (int r = 0; r < 8; r++) {
            const q5_K & from = ((const q5_K *) ((const char *) rows + r * stride))[i];
            to[i].d[r]    = from.d;
            to[i].dmin[r] = from.dmin;
            scales[r]     = from.scales;
            unpack(from, numbers[r]);
            q[r] = numbers[r];
        }
        interleave_parts(scales, to[i].scales);
        interleave_bytes(q, 256, to[i].q);
    }
}

INFER_TARGET inline void unpack(const q6_K & from, uint8_t * to) {
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

// interleave_scaled interleaves blocks of parts with a scale each.
template <typename From, typename To> INFER_TARGET void interleave_scaled(const void * rows, size_t stride, int64_t blocks, void * interleaved) {
    To * to = (To *) interleaved;
    for (int64_t i = 0; i < blocks; i++) {
        fetch((const char *) rows, stride, 8, i, sizeof(From));
        uint8_t numbers[8][256];
        const uint8_t * q[8];
        for (int r = 0; r < 8; r++) {
            const From & from = ((const From *) ((const char *) rows + r * stride))[i];
            to[i].d[r] = from.d;
            for (int j = 0; j < To::parts; j++) {
                to[i].scales[j][r] = from.scale(j);
            }
            unpack(from, numbers[r]);
            q[r] = numbers[r];
        }
        interleave_bytes(q, 256, to[i].q);
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

// eight_bytes reads a byte of each of eight rows of a file, in an order.
template <int... Order> INFER_TARGET inline __m256i eight_bytes(const char * rows, size_t stride) {
    return _mm256_setr_epi32((uint8_t) rows[Order * stride]...);
}

#undef INFER_TARGET

} // namespace

} // namespace infer
