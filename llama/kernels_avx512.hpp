// Kernels for CPUs with AVX-512 and VNNI. A register has four numbers of each of sixteen matrix rows,
// without sign; vpdpbusd multiplies them by four numbers of a vector.

namespace infer {

namespace avx512 {

namespace {

#define INFER_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))

// spread reads 128 bytes of each of two groups of eight interleaved rows.
INFER_TARGET inline void spread(const uint8_t * a, const uint8_t * b, __m512i out[4]) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd  = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    for (int i = 0; i < 2; i++) {
        const __m512i of_a = _mm512_loadu_si512(a + 64 * i), of_b = _mm512_loadu_si512(b + 64 * i);
        out[2 * i]     = _mm512_permutex2var_epi32(of_a, even, of_b);
        out[2 * i + 1] = _mm512_permutex2var_epi32(of_a, odd, of_b);
    }
}

INFER_TARGET inline __m512 halves(const void * a, const void * b) {
    return _mm512_cvtph_ps(_mm256_set_m128i(_mm_loadu_si128((const __m128i *) b), _mm_loadu_si128((const __m128i *) a)));
}

INFER_TARGET inline __m512i wide(uint64_t a, uint64_t b) {
    return _mm512_cvtepu8_epi32(_mm_set_epi64x((long long) b, (long long) a));
}

// rows are sixteen rows of a file: two groups of eight.
struct rows {
    const char * a, * b;
    size_t       stride;

    // quarter returns sixteen bytes of each of the rows j, j + 4, j + 8 and j + 12.
    INFER_TARGET inline __m512i quarter(int64_t at, int j) const {
        const char * p = a + at + j * stride, * q = b + at + j * stride;
        const __m256i x = _mm256_set_m128i(_mm_loadu_si128((const __m128i *) (p + 4 * stride)), _mm_loadu_si128((const __m128i *) p));
        const __m256i y = _mm256_set_m128i(_mm_loadu_si128((const __m128i *) (q + 4 * stride)), _mm_loadu_si128((const __m128i *) q));
        return _mm512_inserti64x4(_mm512_castsi256_si512(x), y, 1);
    }

    // spread reads sixteen bytes of each row, as the function above does.
    INFER_TARGET inline void spread(int64_t at, __m512i out[4]) const {
        const __m512i x0 = quarter(at, 0), x1 = quarter(at, 1), x2 = quarter(at, 2), x3 = quarter(at, 3);
        const __m512i low = _mm512_unpacklo_epi32(x0, x1), high = _mm512_unpackhi_epi32(x0, x1);
        const __m512i low2 = _mm512_unpacklo_epi32(x2, x3), high2 = _mm512_unpackhi_epi32(x2, x3);
        out[0] = _mm512_unpacklo_epi64(low, low2);
        out[1] = _mm512_unpackhi_epi64(low, low2);
        out[2] = _mm512_unpacklo_epi64(high, high2);
        out[3] = _mm512_unpackhi_epi64(high, high2);
    }

    // halves reads a float16 of each row.
    INFER_TARGET inline __m512 halves(int64_t at) const {
        return _mm512_cvtph_ps(_mm256_set_m128i(eight_halves<0, 1, 2, 3, 4, 5, 6, 7>(b + at, stride), eight_halves<0, 1, 2, 3, 4, 5, 6, 7>(a + at, stride)));
    }
};

// low returns floats of the float16s in the low half of each number.
INFER_TARGET inline __m512 low(__m512i x) {
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x));
}

// four returns four bytes in all lanes.
INFER_TARGET inline __m512i four(const void * p) {
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

// dot adds the products of 32 numbers to sums.
INFER_TARGET inline __m512i dot(__m512i sums, const __m512i w[8], const int8_t * q) {
    for (int i = 0; i < 8; i++) {
        sums = _mm512_dpbusd_epi32(sums, w[i], four(q + 4 * i));
    }
    return sums;
}

// split returns the low nibbles of four registers, then the high ones.
INFER_TARGET inline void split(const __m512i raw[4], __m512i w[8]) {
    const __m512i mask = _mm512_set1_epi8(0x0f);
    for (int j = 0; j < 4; j++) {
        w[j]     = _mm512_and_si512(raw[j], mask);
        w[j + 4] = _mm512_and_si512(_mm512_srli_epi16(raw[j], 4), mask);
    }
}

// look_up replaces places in a table by its numbers.
INFER_TARGET inline void look_up(const uint8_t * table, __m512i w[8]) {
    const __m512i all = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *) table));
    for (int j = 0; j < 8; j++) {
        w[j] = _mm512_shuffle_epi8(all, w[j]);
    }
}

// A matrix of eight interleaved rows twice, or of sixteen rows of a file, as the multiplication reads its blocks.

// Blocks of 32 numbers with a scale.

struct interleaved_q4_0 {
    using kind = of_32;
    const q4_0x8 * a, * b;

    // numbers reads a block, four numbers in a register.
    INFER_TARGET inline void numbers(int64_t i, __m512i w[8]) const {
        const __m512i sign = _mm512_set1_epi8((char) 0x88);
        __m512i raw[4];
        infer::avx512::spread(a[i].qs, b[i].qs, raw);
        for (int j = 0; j < 4; j++) {
            raw[j] = _mm512_xor_si512(raw[j], sign);
        }
        split(raw, w);
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        return halves(a[i].d, b[i].d);
    }
};

struct rows_q4_0 : rows {
    using kind = of_32;

    INFER_TARGET inline void numbers(int64_t i, __m512i w[8]) const {
        __m512i raw[4];
        fetch(a, stride, 16, i, sizeof(q4_0));
        spread(i * sizeof(q4_0) + offsetof(q4_0, qs), raw);
        split(raw, w);
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        return halves(i * sizeof(q4_0));
    }
};

struct interleaved_blocks {
    using kind = of_32;
    const blocks_x8 * a, * b;

    INFER_TARGET inline void numbers(int64_t i, __m512i w[8]) const {
        infer::avx512::spread(a[i].q, b[i].q, w);
        infer::avx512::spread(a[i].q + 128, b[i].q + 128, w + 4);
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a[i].d)), _mm256_loadu_ps(b[i].d), 1);
    }
};

struct rows_q8_0 : rows {
    using kind = of_32;

    INFER_TARGET inline void numbers(int64_t i, __m512i w[8]) const {
        fetch(a, stride, 16, i, sizeof(weights_q8_0));
        spread(i * sizeof(weights_q8_0) + offsetof(weights_q8_0, q), w);
        spread(i * sizeof(weights_q8_0) + offsetof(weights_q8_0, q) + 16, w + 4);
        for (int j = 0; j < 8; j++) {
            w[j] = _mm512_xor_si512(w[j], _mm512_set1_epi8((char) bias_q8_0));
        }
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        return halves(i * sizeof(weights_q8_0));
    }
};

struct rows_mxfp4 : rows {
    using kind = of_32;

    INFER_TARGET inline void numbers(int64_t i, __m512i w[8]) const {
        __m512i raw[4];
        fetch(a, stride, 16, i, sizeof(mxfp4));
        spread(i * sizeof(mxfp4) + offsetof(mxfp4, qs), raw);
        split(raw, w);
        look_up(table_mxfp4, w);
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        const __m512i e = _mm512_inserti64x4(_mm512_castsi256_si512(eight_bytes<0, 1, 2, 3, 4, 5, 6, 7>(a + i * sizeof(mxfp4), stride)), eight_bytes<0, 1, 2, 3, 4, 5, 6, 7>(b + i * sizeof(mxfp4), stride), 1);
        const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
        return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(normal, _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2)), _mm512_set1_epi32(0x00200000), e));
    }
};

template <int M> INFER_TARGET void store(const __m512 * acc, bool both, float * const * out) {
    for (int m = 0; m < M; m++) {
        _mm512_mask_storeu_ps(out[m], both ? 0xffff : 0x00ff, acc[m]);
    }
}

template <int M, typename T> INFER_TARGET void multiply(of_32, T & matrix, bool both, int64_t blocks, const void * const * prepared, float * const * out) {
    __m512 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m512i w[8];
        matrix.numbers(i, w);
        const __m512 scale = matrix.scale(i);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
            const q8_0 & y = ((const q8_0 *) prepared[m])[i];
            const __m512i s = dot(_mm512_set1_epi32(y.offset), w, y.q);
            acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), _mm512_mul_ps(scale, _mm512_set1_ps(y.d)), acc[m]);
        }
    }
    store<M>(acc, both, out);
}

// Blocks of eight parts of 32 numbers, each with a scale and a minimum.

template <typename Block> struct interleaved_parts {
    using kind = with_minima;
    const Block * a, * b;

    INFER_TARGET inline void block(int64_t) {}

    // scales reads the scales of two parts, and both minima.
    INFER_TARGET inline void scales(int64_t i, int s, __m512i scale[2], __m512i & min) const {
        const parts a0(a[i].scales + 12 * s), a1(a[i].scales + 12 * s + 12), b0(b[i].scales + 12 * s), b1(b[i].scales + 12 * s + 12);
        scale[0] = wide(a0.scale, b0.scale);
        scale[1] = wide(a1.scale, b1.scale);
        min = _mm512_or_si512(wide(a0.min, b0.min), _mm512_slli_epi32(wide(a1.min, b1.min), 16));
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        return halves(a[i].d, b[i].d);
    }

    INFER_TARGET inline __m512 below(int64_t i) const {
        return halves(a[i].dmin, b[i].dmin);
    }
};

// half_of returns the numbers of part s or s + 1 of nibbles.
INFER_TARGET inline void half_of(const __m512i raw[8], int h, __m512i w[8]) {
    for (int j = 0; j < 8; j++) {
        w[j] = _mm512_and_si512(h ? _mm512_srli_epi16(raw[j], 4) : raw[j], _mm512_set1_epi8(0x0f));
    }
}

struct interleaved_q4_K : interleaved_parts<q4_Kx8> {
    // nibbles reads 64 numbers of parts s and s + 1; numbers returns those of part s + h.
    INFER_TARGET inline void nibbles(int64_t i, int s, __m512i raw[8]) const {
        infer::avx512::spread(a[i].qs + 128 * s, b[i].qs + 128 * s, raw);
        infer::avx512::spread(a[i].qs + 128 * s + 128, b[i].qs + 128 * s + 128, raw + 4);
    }

    INFER_TARGET inline void numbers(int64_t, int, int h, const __m512i raw[8], __m512i w[8]) const {
        half_of(raw, h, w);
    }
};

struct interleaved_q5_K : interleaved_parts<q5_Kx8> {
    INFER_TARGET inline void nibbles(int64_t, int, __m512i *) const {}

    INFER_TARGET inline void numbers(int64_t i, int s, int h, const __m512i *, __m512i w[8]) const {
        const int at = 256 * (s + h);
        infer::avx512::spread(a[i].q + at, b[i].q + at, w);
        infer::avx512::spread(a[i].q + at + 128, b[i].q + at + 128, w + 4);
    }
};

template <typename Block> struct rows_parts : rows {
    using kind = with_minima;

    __m512i halves_, scale_[2], min_[2]; // of a block: d and dmin, and a byte for each part

    // block reads what is before the numbers of a block: sixteen bytes.
    INFER_TARGET inline void block(int64_t i) {
        const __m512i six = _mm512_set1_epi8(0x3f), four = _mm512_set1_epi8(0x0f), two = _mm512_set1_epi8(0x30);
        __m512i x[4];
        fetch(a, stride, 16, i, sizeof(Block));
        spread(i * sizeof(Block), x);
        halves_   = x[0];
        scale_[0] = _mm512_and_si512(x[1], six);
        min_[0]   = _mm512_and_si512(x[2], six);
        scale_[1] = _mm512_or_si512(_mm512_and_si512(x[3], four), _mm512_and_si512(_mm512_srli_epi32(x[1], 2), two));
        min_[1]   = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(x[3], 4), four), _mm512_and_si512(_mm512_srli_epi32(x[2], 2), two));
    }

    INFER_TARGET inline void nibbles(int64_t i, int s, __m512i raw[8]) const {
        const int64_t at = i * sizeof(Block) + offsetof(Block, qs) + 16 * s;
        spread(at, raw);
        spread(at + 16, raw + 4);
    }

    INFER_TARGET inline void scales(int64_t, int s, __m512i scale[2], __m512i & min) const {
        const __m512i  byte = _mm512_set1_epi32(0xff);
        const __m128i  bits = _mm_cvtsi32_si128(8 * (s & 2));
        const __m512i  both = _mm512_srl_epi32(scale_[s / 4], bits), minima = _mm512_srl_epi32(min_[s / 4], bits);
        scale[0] = _mm512_and_si512(both, byte);
        scale[1] = _mm512_and_si512(_mm512_srli_epi32(both, 8), byte);
        min = _mm512_or_si512(_mm512_and_si512(minima, byte), _mm512_slli_epi32(_mm512_and_si512(minima, _mm512_set1_epi32(0xff00)), 8));
    }

    INFER_TARGET inline __m512 scale(int64_t) const {
        return low(halves_);
    }

    INFER_TARGET inline __m512 below(int64_t) const {
        return low(_mm512_srli_epi32(halves_, 16));
    }
};

struct rows_q4_K : rows_parts<q4_K> {
    INFER_TARGET inline void numbers(int64_t, int, int h, const __m512i raw[8], __m512i w[8]) const {
        half_of(raw, h, w);
    }
};

struct rows_q5_K : rows_parts<q5_K> {
    __m512i fifth_[8]; // a bit for each part

    INFER_TARGET inline void block(int64_t i) {
        rows_parts::block(i);
        spread(i * sizeof(q5_K) + offsetof(q5_K, qh), fifth_);
        spread(i * sizeof(q5_K) + offsetof(q5_K, qh) + 16, fifth_ + 4);
    }

    INFER_TARGET inline void numbers(int64_t, int s, int h, const __m512i raw[8], __m512i w[8]) const {
        const __m128i bits = _mm_cvtsi32_si128(s + h);
        half_of(raw, h, w);
        for (int j = 0; j < 8; j++) {
            const __m512i bit = _mm512_and_si512(_mm512_srl_epi16(fifth_[j], bits), _mm512_set1_epi8(1));
            w[j] = _mm512_or_si512(w[j], _mm512_slli_epi16(bit, 4));
        }
    }
};

template <int M, typename T> INFER_TARGET void multiply(with_minima, T & matrix, bool both, int64_t blocks, const void * const * prepared, float * const * out) {
    __m512 acc[M], least[M];
    for (int m = 0; m < M; m++) {
        acc[m] = least[m] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m512i sums[M], minima[M];
        for (int m = 0; m < M; m++) {
            sums[m] = minima[m] = _mm512_setzero_si512();
        }
        matrix.block(i);
        for (int s = 0; s < 8; s += 2) {
            __m512i raw[8], w[8], scale[2], min;
            matrix.scales(i, s, scale, min);
            matrix.nibbles(i, s, raw);
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                matrix.numbers(i, s, h, raw, w);
#pragma GCC unroll 16
                for (int m = 0; m < M; m++) {
                    const q8_K & y = ((const q8_K *) prepared[m])[i];
                    sums[m] = _mm512_add_epi32(sums[m], _mm512_mullo_epi32(scale[h], dot(_mm512_setzero_si512(), w, y.q + 32 * (s + h))));
                    if (h) {
                        minima[m] = _mm512_dpwssd_epi32(minima[m], min, four(y.sums + s));
                    }
                }
            }
        }
        const __m512 scale = matrix.scale(i), below = matrix.below(i);
        for (int m = 0; m < M; m++) {
            const __m512 d = _mm512_set1_ps(((const q8_K *) prepared[m])[i].d);
            acc[m]   = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[m]), _mm512_mul_ps(scale, d), acc[m]);
            least[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(minima[m]), _mm512_mul_ps(below, d), least[m]);
        }
    }
    for (int m = 0; m < M; m++) {
        acc[m] = _mm512_sub_ps(acc[m], least[m]);
    }
    store<M>(acc, both, out);
}

// interleaved_scaled are interleaved rows of parts with a scale each.
template <typename Block> struct interleaved_scaled {
    const Block * a, * b;

    INFER_TARGET inline void block(int64_t) {}

    INFER_TARGET inline __m512i scale_of(int64_t i, int part) const {
        return _mm512_cvtepi8_epi32(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *) a[i].scales[part]), _mm_loadl_epi64((const __m128i *) b[i].scales[part])));
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        return halves(a[i].d, b[i].d);
    }
};

// Blocks of eight parts of 32 numbers, each with a scale.

struct interleaved_iq4_xs : interleaved_scaled<iq4_xsx8> {
    using kind = parts_of_32;

    INFER_TARGET inline void numbers(int64_t i, int part, __m512i w[8]) const {
        infer::avx512::spread(a[i].q + 256 * part, b[i].q + 256 * part, w);
        infer::avx512::spread(a[i].q + 256 * part + 128, b[i].q + 256 * part + 128, w + 4);
    }
};

struct rows_iq4_xs : rows {
    using kind = parts_of_32;

    __m512i head_[4]; // of a block: d and the scales' high bits, the low ones, and numbers

    INFER_TARGET inline void block(int64_t i) {
        fetch(a, stride, 16, i, sizeof(iq4_xs));
        spread(i * sizeof(iq4_xs), head_);
    }

    INFER_TARGET inline void numbers(int64_t i, int part, __m512i w[8]) const {
        __m512i raw[4];
        spread(i * sizeof(iq4_xs) + offsetof(iq4_xs, qs) + 16 * part, raw);
        split(raw, w);
        look_up(table_iq4_xs, w);
    }

    INFER_TARGET inline __m512i scale_of(int64_t, int part) const {
        const __m512i four = _mm512_and_si512(_mm512_srl_epi32(head_[1], _mm_cvtsi32_si128(4 * part)), _mm512_set1_epi32(15));
        const __m512i two  = _mm512_and_si512(_mm512_srl_epi32(head_[0], _mm_cvtsi32_si128(12 + 2 * part)), _mm512_set1_epi32(48));
        return _mm512_sub_epi32(_mm512_or_si512(four, two), _mm512_set1_epi32(32));
    }

    INFER_TARGET inline __m512 scale(int64_t) const {
        return low(head_[0]);
    }
};

template <int M, typename T> INFER_TARGET void multiply(parts_of_32, T & matrix, bool both, int64_t blocks, const void * const * prepared, float * const * out) {
    __m512 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m512i sums[M];
        for (int m = 0; m < M; m++) {
            sums[m] = _mm512_setzero_si512();
        }
        matrix.block(i);
        for (int part = 0; part < 8; part++) {
            __m512i w[8];
            matrix.numbers(i, part, w);
            const __m512i scale = matrix.scale_of(i, part);
#pragma GCC unroll 16
            for (int m = 0; m < M; m++) {
                const q8_K & y = ((const q8_K *) prepared[m])[i];
                sums[m] = _mm512_add_epi32(sums[m], _mm512_mullo_epi32(scale, dot(_mm512_set1_epi32(-bias_iq4_xs * y.sums[part]), w, y.q + 32 * part)));
            }
        }
        const __m512 scale = matrix.scale(i);
        for (int m = 0; m < M; m++) {
            const __m512 d = _mm512_set1_ps(((const q8_K *) prepared[m])[i].d);
            acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[m]), _mm512_mul_ps(scale, d), acc[m]);
        }
    }
    store<M>(acc, both, out);
}

// Blocks of sixteen parts of 16 numbers, each with a scale.

struct interleaved_q6_K : interleaved_scaled<q6_Kx8> {
    using kind = parts_of_16;

    // bits reads what the four parts have in common that begin 16 * part numbers into the block, and 32 numbers
    // apart; numbers returns sixteen numbers of them.
    INFER_TARGET inline void bits(int64_t, int) {}

    INFER_TARGET inline void numbers(int64_t i, int part, int, __m512i w[4]) const {
        infer::avx512::spread(a[i].q + 128 * part, b[i].q + 128 * part, w);
    }
};

struct rows_q6_K : rows {
    using kind = parts_of_16;

    __m512i scales_[4], low_[2][4], high_[4];

    INFER_TARGET inline void block(int64_t i) {
        fetch(a, stride, 16, i, sizeof(q6_K));
        spread(i * sizeof(q6_K) + offsetof(q6_K, scales), scales_);
    }

    INFER_TARGET inline void bits(int64_t i, int part) {
        const int64_t at = i * sizeof(q6_K) + 16 * (part % 8);
        spread(at + 64 * (part / 8), low_[0]);
        spread(at + 64 * (part / 8) + 32, low_[1]);
        spread(at + 32 * (part / 8) + offsetof(q6_K, qh), high_);
    }

    INFER_TARGET inline void numbers(int64_t, int, int k, __m512i w[4]) const {
        const __m512i four = _mm512_set1_epi8(0x0f), two = _mm512_set1_epi8(0x30);
        for (int j = 0; j < 4; j++) {
            const __m512i low = low_[k % 2][j], high = high_[j];
            const __m512i top = k == 0 ? _mm512_slli_epi16(high, 4) : k == 1 ? _mm512_slli_epi16(high, 2) : k == 2 ? high : _mm512_srli_epi16(high, 2);
            w[j] = _mm512_or_si512(_mm512_and_si512(k < 2 ? low : _mm512_srli_epi16(low, 4), four), _mm512_and_si512(top, two));
        }
    }

    INFER_TARGET inline __m512i scale_of(int64_t, int part) const {
        return _mm512_srai_epi32(_mm512_sll_epi32(scales_[part / 4], _mm_cvtsi32_si128(24 - part % 4 * 8)), 24);
    }

    INFER_TARGET inline __m512 scale(int64_t i) const {
        return halves(i * sizeof(q6_K) + offsetof(q6_K, d));
    }
};

template <int M, typename T> INFER_TARGET void multiply(parts_of_16, T & matrix, bool both, int64_t blocks, const void * const * prepared, float * const * out) {
    __m512 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m512i sums[M];
        for (int m = 0; m < M; m++) {
            sums[m] = _mm512_setzero_si512();
        }
        matrix.block(i);
        for (int piece = 0; piece < 4; piece++) {
            const int first = piece / 2 * 8 + piece % 2;
            matrix.bits(i, first);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                const int part = first + 2 * k;
                __m512i w[4];
                matrix.numbers(i, part, k, w);
                const __m512i scale = matrix.scale_of(i, part);
#pragma GCC unroll 16
                for (int m = 0; m < M; m++) {
                    const q8_K16 & y = ((const q8_K16 *) prepared[m])[i];
                    __m512i products = _mm512_set1_epi32(y.offset[part]);
                    for (int j = 0; j < 4; j++) {
                        products = _mm512_dpbusd_epi32(products, w[j], four(y.q + 16 * part + 4 * j));
                    }
                    sums[m] = _mm512_add_epi32(sums[m], _mm512_mullo_epi32(scale, products));
                }
            }
        }
        const __m512 scale = matrix.scale(i);
        for (int m = 0; m < M; m++) {
            const __m512 d = _mm512_set1_ps(((const q8_K16 *) prepared[m])[i].d);
            acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[m]), _mm512_mul_ps(scale, d), acc[m]);
        }
    }
    store<M>(acc, both, out);
}

#undef INFER_TARGET

template <typename T, int M = 1> void pick(T & matrix, bool both, int64_t blocks, const void * const * prepared, float * const * out, int m) {
    if (m == M) {
        return multiply<M>(typename T::kind(), matrix, both, blocks, prepared, out);
    }
    if constexpr (M < most_vectors) {
        pick<T, M + 1>(matrix, both, blocks, prepared, out, m);
    }
}

template <typename T> void interleaved(const void * a, const void * b, int64_t blocks, const void * const * prepared, float * const * out, int m) {
    T matrix;
    matrix.a = (decltype(matrix.a)) a;
    matrix.b = (decltype(matrix.b)) (b ? b : a);
    pick(matrix, b, blocks, prepared, out, m);
}

template <typename T> void in_file(const void * a, const void * b, size_t stride, int64_t blocks, const void * const * prepared, float * const * out, int m) {
    T matrix;
    matrix.a      = (const char *) a;
    matrix.b      = (const char *) (b ? b : a);
    matrix.stride = stride;
    pick(matrix, b, blocks, prepared, out, m);
}

const kernel kernels[] = {
    {"q4_0", true, 32, sizeof(q4_0x8), sizeof(q8_0), 16, 1, 64, interleave_q4_0, prepare_q8_0<8>, interleaved<interleaved_q4_0>, in_file<rows_q4_0>},
    {"q4_K", true, 256, sizeof(q4_Kx8), sizeof(q8_K), 16, 2, 64, interleave_q4_K, prepare_q8_K, interleaved<interleaved_q4_K>, in_file<rows_q4_K>},
    {"q6_K", false, 256, sizeof(q6_Kx8), sizeof(q8_K16), 16, 4, 64, interleave_scaled<q6_K, q6_Kx8>, prepare_q8_K16, interleaved<interleaved_q6_K>, in_file<rows_q6_K>},
    {"q8_0", false, 32, sizeof(blocks_x8), sizeof(q8_0), 16, 1, 64, interleave_blocks<weights_q8_0>, prepare_q8_0<bias_q8_0>, interleaved<interleaved_blocks>, in_file<rows_q8_0>},
    {"mxfp4", false, 32, sizeof(blocks_x8), sizeof(q8_0), 16, 1, 64, interleave_blocks<mxfp4>, prepare_q8_0<bias_mxfp4>, interleaved<interleaved_blocks>, in_file<rows_mxfp4>},
    {"q5_K", false, 256, sizeof(q5_Kx8), sizeof(q8_K), 16, 2, 64, interleave_q5_K, prepare_q8_K, interleaved<interleaved_q5_K>, in_file<rows_q5_K>},
    {"iq4_xs", false, 256, sizeof(iq4_xsx8), sizeof(q8_K), 16, 2, 64, interleave_scaled<iq4_xs, iq4_xsx8>, prepare_q8_K, interleaved<interleaved_iq4_xs>, in_file<rows_iq4_xs>},
};

} // namespace

} // namespace avx512

} // namespace infer
