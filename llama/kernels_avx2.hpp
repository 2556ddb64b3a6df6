// Kernels for CPUs with AVX2, compiled twice: INFER_VNNI is whether the CPU has AVX-VNNI. A register has four
// numbers of each of eight matrix rows, without sign. Rows are in the order 0 1 4 5 2 3 6 7, which costs less
// than their own.

// spread reads 64 bytes of eight interleaved rows.
INFER_TARGET inline void spread(const uint8_t * p, __m256i out[2]) {
    const __m256 a = _mm256_loadu_ps((const float *) p), b = _mm256_loadu_ps((const float *) (p + 32));
    out[0] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
    out[1] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}

INFER_TARGET inline __m256i ordered(__m256i x) {
    return _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7));
}

INFER_TARGET inline __m256 halves(const void * p) {
    return _mm256_castsi256_ps(ordered(_mm256_castps_si256(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p)))));
}

INFER_TARGET inline __m256i wide(uint64_t bytes) {
    return ordered(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long) bytes)));
}

INFER_TARGET inline __m256i four(const void * p) {
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

// dot returns the sums of the products of 32 numbers, each multiplied by a scale of 16 bits.
INFER_TARGET inline __m256i dot(const __m256i w[8], const int8_t * q, __m256i scale) {
#if INFER_VNNI
    __m256i sums = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++) {
        sums = _mm256_dpbusd_avx_epi32(sums, w[i], four(q + 4 * i));
    }
    return _mm256_mullo_epi32(sums, scale);
#else
    __m256i sums = _mm256_maddubs_epi16(w[0], four(q)); // 16 products of a nibble and a byte fit into 16 bits
    for (int i = 1; i < 8; i++) {
        sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(w[i], four(q + 4 * i)));
    }
    return _mm256_madd_epi16(sums, scale);
#endif
}

// scale_of returns eight scales as dot wants them.
INFER_TARGET inline __m256i scale_of(__m256i x) {
    return INFER_VNNI ? x : _mm256_or_si256(x, _mm256_slli_epi32(x, 16));
}

template <int M> INFER_TARGET void store(const __m256 * acc, float * const * out, int at) {
    for (int m = 0; m < M; m++) {
        _mm256_storeu_ps(out[m] + at, _mm256_castsi256_ps(ordered(_mm256_castps_si256(acc[m]))));
    }
}

// rows are eight rows of a file.
struct rows {
    const char * a;
    size_t       stride;

    // pair returns sixteen bytes of each of two rows.
    INFER_TARGET inline __m256i pair(int64_t at, int i, int j) const {
        return _mm256_set_m128i(_mm_loadu_si128((const __m128i *) (a + at + j * stride)), _mm_loadu_si128((const __m128i *) (a + at + i * stride)));
    }

    // spread reads sixteen bytes of each row, as two times the function above does.
    INFER_TARGET inline void spread(int64_t at, __m256i out[4]) const {
        const __m256i x0 = pair(at, 0, 2), x1 = pair(at, 1, 3), x2 = pair(at, 4, 6), x3 = pair(at, 5, 7);
        const __m256i low = _mm256_unpacklo_epi32(x0, x1), high = _mm256_unpackhi_epi32(x0, x1);
        const __m256i low2 = _mm256_unpacklo_epi32(x2, x3), high2 = _mm256_unpackhi_epi32(x2, x3);
        out[0] = _mm256_unpacklo_epi64(low, low2);
        out[1] = _mm256_unpackhi_epi64(low, low2);
        out[2] = _mm256_unpacklo_epi64(high, high2);
        out[3] = _mm256_unpackhi_epi64(high, high2);
    }

    // halves reads a float16 of each row.
    INFER_TARGET inline __m256 halves(int64_t at) const {
        return _mm256_cvtph_ps(eight_halves<0, 1, 4, 5, 2, 3, 6, 7>(a + at, stride));
    }
};

// A matrix of eight interleaved rows, or of eight rows of a file, as the multiplication reads its blocks.

struct interleaved_q4_0 {
    using type = q4_0;
    const q4_0x8 * a;

    // nibbles reads a block: the low nibbles of a register are four numbers, the high ones four others, sixteen further.
    INFER_TARGET inline void nibbles(int64_t i, __m256i out[4]) const {
        const __m256i sign = _mm256_set1_epi8((char) 0x88);
        infer::INFER_SET::spread(a[i].qs, out);
        infer::INFER_SET::spread(a[i].qs + 64, out + 2);
        for (int j = 0; j < 4; j++) {
            out[j] = _mm256_xor_si256(out[j], sign);
        }
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(a[i].d);
    }
};

struct rows_q4_0 : rows {
    using type = q4_0;

    INFER_TARGET inline void nibbles(int64_t i, __m256i out[4]) const {
        fetch(a, stride, 8, i, sizeof(q4_0));
        spread(i * sizeof(q4_0) + offsetof(q4_0, qs), out);
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(i * sizeof(q4_0));
    }
};

struct interleaved_q4_K {
    using type = q4_K;
    const q4_Kx8 * a;

    INFER_TARGET inline void block(int64_t) {}

    // nibbles reads 64 numbers, as interleaved_q4_0 does, from parts s and s + 1.
    INFER_TARGET inline void nibbles(int64_t i, int s, __m256i out[8]) const {
        for (int j = 0; j < 4; j++) {
            infer::INFER_SET::spread(a[i].qs + 128 * s + 64 * j, out + 2 * j);
        }
    }

    // scales reads the scales of two parts, and both minima.
    INFER_TARGET inline void scales(int64_t i, int s, __m256i scale[2], __m256i & min) const {
        const parts p0(a[i].scales + 12 * s), p1(a[i].scales + 12 * s + 12);
        scale[0] = wide(p0.scale);
        scale[1] = wide(p1.scale);
        min = _mm256_or_si256(wide(p0.min), _mm256_slli_epi32(wide(p1.min), 16));
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(a[i].d);
    }

    INFER_TARGET inline __m256 below(int64_t i) const {
        return halves(a[i].dmin);
    }
};

struct rows_q4_K : rows {
    using type = q4_K;

    __m256i halves_, scale_[2], min_[2]; // of a block: d and dmin, and a byte for each part

    // block reads what is before the numbers of a block: sixteen bytes.
    INFER_TARGET inline void block(int64_t i) {
        const __m256i six = _mm256_set1_epi8(0x3f), low = _mm256_set1_epi8(0x0f), two = _mm256_set1_epi8(0x30);
        __m256i x[4];
        fetch(a, stride, 8, i, sizeof(q4_K));
        spread(i * sizeof(q4_K), x);
        halves_   = x[0];
        scale_[0] = _mm256_and_si256(x[1], six);
        min_[0]   = _mm256_and_si256(x[2], six);
        scale_[1] = _mm256_or_si256(_mm256_and_si256(x[3], low), _mm256_and_si256(_mm256_srli_epi32(x[1], 2), two));
        min_[1]   = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(x[3], 4), low), _mm256_and_si256(_mm256_srli_epi32(x[2], 2), two));
    }

    INFER_TARGET inline void nibbles(int64_t i, int s, __m256i out[8]) const {
        const int64_t at = i * sizeof(q4_K) + offsetof(q4_K, qs) + 16 * s;
        spread(at, out);
        spread(at + 16, out + 4);
    }

    INFER_TARGET inline void scales(int64_t, int s, __m256i scale[2], __m256i & min) const {
        const __m256i byte = _mm256_set1_epi32(0xff);
        const __m128i bits = _mm_cvtsi32_si128(8 * (s & 2));
        const __m256i both = _mm256_srl_epi32(scale_[s / 4], bits), minima = _mm256_srl_epi32(min_[s / 4], bits);
        scale[0] = _mm256_and_si256(both, byte);
        scale[1] = _mm256_and_si256(_mm256_srli_epi32(both, 8), byte);
        min = _mm256_or_si256(_mm256_and_si256(minima, byte), _mm256_slli_epi32(_mm256_and_si256(minima, _mm256_set1_epi32(0xff00)), 8));
    }

    // low returns floats of the float16s in the low half of each number.
    INFER_TARGET static inline __m256 low(__m256i x) {
        const __m256i words = _mm256_packus_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0xffff)), _mm256_setzero_si256());
        return _mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(words, 0x08)));
    }

    INFER_TARGET inline __m256 scale(int64_t) const {
        return low(halves_);
    }

    INFER_TARGET inline __m256 below(int64_t) const {
        return low(_mm256_srli_epi32(halves_, 16));
    }
};

struct interleaved_q6_K {
    using type = q6_K;
    const q6_Kx8 * a;

    INFER_TARGET inline void block(int64_t) {}

    // bits reads what the four parts have in common that begin 16 * part numbers into the block, and 32 numbers
    // apart; numbers returns sixteen numbers of them.
    INFER_TARGET inline void bits(int64_t, int) {}

    INFER_TARGET inline void numbers(int64_t i, int part, int, __m256i w[4]) const {
        infer::INFER_SET::spread(a[i].q + 128 * part, w);
        infer::INFER_SET::spread(a[i].q + 128 * part + 64, w + 2);
    }

    INFER_TARGET inline __m256i scale_of(int64_t i, int part) const {
        return ordered(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) a[i].scales[part])));
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(a[i].d);
    }
};

struct rows_q6_K : rows {
    using type = q6_K;

    __m256i scales_[4], low_[2][4], high_[4];

    INFER_TARGET inline void block(int64_t i) {
        fetch(a, stride, 8, i, sizeof(q6_K));
        spread(i * sizeof(q6_K) + offsetof(q6_K, scales), scales_);
    }

    INFER_TARGET inline void bits(int64_t i, int part) {
        const int64_t at = i * sizeof(q6_K) + 16 * (part % 8);
        spread(at + 64 * (part / 8), low_[0]);
        spread(at + 64 * (part / 8) + 32, low_[1]);
        spread(at + 32 * (part / 8) + offsetof(q6_K, qh), high_);
    }

    INFER_TARGET inline void numbers(int64_t, int, int k, __m256i w[4]) const {
        const __m256i four = _mm256_set1_epi8(0x0f), two = _mm256_set1_epi8(0x30);
        for (int j = 0; j < 4; j++) {
            const __m256i low = low_[k % 2][j], high = high_[j];
            const __m256i top = k == 0 ? _mm256_slli_epi16(high, 4) : k == 1 ? _mm256_slli_epi16(high, 2) : k == 2 ? high : _mm256_srli_epi16(high, 2);
            w[j] = _mm256_or_si256(_mm256_and_si256(k < 2 ? low : _mm256_srli_epi16(low, 4), four), _mm256_and_si256(top, two));
        }
    }

    INFER_TARGET inline __m256i scale_of(int64_t, int part) const {
        return _mm256_srai_epi32(_mm256_sll_epi32(scales_[part / 4], _mm_cvtsi32_si128(24 - part % 4 * 8)), 24);
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(i * sizeof(q6_K) + offsetof(q6_K, d));
    }
};

template <int M, typename T> INFER_TARGET void multiply(const q4_0 *, T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at) {
    const __m256i mask = _mm256_set1_epi8(0x0f), one = scale_of(_mm256_set1_epi32(1));
    __m256 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m256i raw[4], w[8];
        matrix.nibbles(i, raw);
        for (int j = 0; j < 4; j++) {
            w[j]     = _mm256_and_si256(raw[j], mask);
            w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(raw[j], 4), mask);
        }
        const __m256 scale = matrix.scale(i);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
            const q8_0 & y = ((const q8_0 *) prepared[m])[i];
            const __m256i s = _mm256_add_epi32(_mm256_set1_epi32(y.offset), dot(w, y.q, one));
            acc[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_mul_ps(scale, _mm256_set1_ps(y.d)), acc[m]);
        }
    }
    store<M>(acc, out, at);
}

template <int M, typename T> INFER_TARGET void multiply(const q4_K *, T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at) {
    const __m256i mask = _mm256_set1_epi8(0x0f);
    __m256 acc[M], least[M];
    for (int m = 0; m < M; m++) {
        acc[m] = least[m] = _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m256i sums[M], minima[M];
        for (int m = 0; m < M; m++) {
            sums[m] = minima[m] = _mm256_setzero_si256();
        }
        matrix.block(i);
        for (int s = 0; s < 8; s += 2) {
            __m256i raw[8], w[8], scale[2], min;
            matrix.scales(i, s, scale, min);
            scale[0] = scale_of(scale[0]);
            scale[1] = scale_of(scale[1]);
            matrix.nibbles(i, s, raw);
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                for (int j = 0; j < 8; j++) {
                    w[j] = _mm256_and_si256(h ? _mm256_srli_epi16(raw[j], 4) : raw[j], mask);
                }
#pragma GCC unroll 16
                for (int m = 0; m < M; m++) {
                    const q8_K & y = ((const q8_K *) prepared[m])[i];
                    sums[m] = _mm256_add_epi32(sums[m], dot(w, y.q + 32 * (s + h), scale[h]));
                    if (h) {
                        minima[m] = _mm256_add_epi32(minima[m], _mm256_madd_epi16(min, four(y.sums + s)));
                    }
                }
            }
        }
        const __m256 scale = matrix.scale(i), below = matrix.below(i);
        for (int m = 0; m < M; m++) {
            const __m256 d = _mm256_set1_ps(((const q8_K *) prepared[m])[i].d);
            acc[m]   = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[m]), _mm256_mul_ps(scale, d), acc[m]);
            least[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(minima[m]), _mm256_mul_ps(below, d), least[m]);
        }
    }
    for (int m = 0; m < M; m++) {
        acc[m] = _mm256_sub_ps(acc[m], least[m]);
    }
    store<M>(acc, out, at);
}

template <int M, typename T> INFER_TARGET void multiply(const q6_K *, T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at) {
    __m256 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m256i sums[M];
        for (int m = 0; m < M; m++) {
            sums[m] = _mm256_setzero_si256();
        }
        matrix.block(i);
        for (int piece = 0; piece < 4; piece++) {
            const int first = piece / 2 * 8 + piece % 2;
            matrix.bits(i, first);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                const int part = first + 2 * k;
                __m256i w[4];
                matrix.numbers(i, part, k, w);
                const __m256i scale = matrix.scale_of(i, part);
#pragma GCC unroll 16
                for (int m = 0; m < M; m++) {
                    const q8_K16 & y = ((const q8_K16 *) prepared[m])[i];
                    __m256i products = _mm256_set1_epi32(y.offset[part]);
                    for (int j = 0; j < 4; j++) {
#if INFER_VNNI
                        products = _mm256_dpbusd_avx_epi32(products, w[j], four(y.q + 16 * part + 4 * j));
#else // two products fit into 16 bits
                        products = _mm256_add_epi32(products, _mm256_madd_epi16(_mm256_maddubs_epi16(w[j], four(y.q + 16 * part + 4 * j)), _mm256_set1_epi16(1)));
#endif
                    }
                    sums[m] = _mm256_add_epi32(sums[m], _mm256_mullo_epi32(scale, products));
                }
            }
        }
        const __m256 scale = matrix.scale(i);
        for (int m = 0; m < M; m++) {
            const __m256 d = _mm256_set1_ps(((const q8_K16 *) prepared[m])[i].d);
            acc[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[m]), _mm256_mul_ps(scale, d), acc[m]);
        }
    }
    store<M>(acc, out, at);
}

constexpr int most = 4; // vectors at once: their sums, and the matrix's numbers, in sixteen registers

template <typename T, int M = 1> void pick(T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at, int m) {
    if (m == M) {
        return multiply<M>((const typename T::type *) nullptr, matrix, blocks, prepared, out, at);
    }
    if constexpr (M < most) {
        pick<T, M + 1>(matrix, blocks, prepared, out, at, m);
    }
}

template <typename T> void interleaved(const void * a, const void * b, int64_t blocks, const void * const * prepared, float * const * out, int m) {
    T matrix;
    for (int i = 0; i < (b ? 2 : 1); i++) {
        matrix.a = (decltype(matrix.a)) (i ? b : a);
        pick(matrix, blocks, prepared, out, 8 * i, m);
    }
}

template <typename T> void in_file(const void * a, const void * b, size_t stride, int64_t blocks, const void * const * prepared, float * const * out, int m) {
    T matrix;
    matrix.stride = stride;
    for (int i = 0; i < (b ? 2 : 1); i++) {
        matrix.a = (const char *) (i ? b : a);
        pick(matrix, blocks, prepared, out, 8 * i, m);
    }
}

const kernel kernels[] = {
    {"q4_0", true, 32, sizeof(q4_0x8), sizeof(q8_0), most, 1, 8, interleave_q4_0, prepare_q8_0, interleaved<interleaved_q4_0>, in_file<rows_q4_0>},
    {"q4_K", true, 256, sizeof(q4_Kx8), sizeof(q8_K), most, 32, 8, interleave_q4_K, prepare_q8_K, interleaved<interleaved_q4_K>, in_file<rows_q4_K>},
    {"q6_K", false, 256, sizeof(q6_Kx8), sizeof(q8_K16), most, 32, 8, interleave_q6_K, prepare_q8_K16, interleaved<interleaved_q6_K>, in_file<rows_q6_K>},
};
