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

// dot returns the sums of the products of 32 numbers, of at most Most, each multiplied by a scale of 16 bits.
template <int Most> INFER_TARGET inline __m256i dot(const __m256i w[8], const int8_t * q, __m256i scale) {
#if INFER_VNNI
    __m256i sums = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++) {
        sums = _mm256_dpbusd_avx_epi32(sums, w[i], four(q + 4 * i));
    }
    return _mm256_mullo_epi32(sums, scale);
#else
    constexpr int fit = Most <= 15 ? 8 : 4; // times two products that fit into 16 bits
    static_assert(fit * 2 * Most * 127 < 1 << 15, "");
    __m256i all = _mm256_setzero_si256();
    for (int first = 0; first < 8; first += fit) {
        __m256i sums = _mm256_maddubs_epi16(w[first], four(q + 4 * first));
        for (int i = first + 1; i < first + fit; i++) {
            sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(w[i], four(q + 4 * i)));
        }
        all = _mm256_add_epi32(all, _mm256_madd_epi16(sums, scale));
    }
    return all;
#endif
}

// With a bias of 128, numbers are up to 255. Without VNNI, two products with those do not fit into 16 bits.

// flip gives numbers the sign that wide_dot wants.
INFER_TARGET inline void flip(__m256i w[8]) {
    for (int i = 0; !INFER_VNNI && i < 8; i++) {
        w[i] = _mm256_xor_si256(w[i], _mm256_set1_epi8((char) 128));
    }
}

// wide_dot returns the sums of the products of 32 flipped numbers. offset is what they have too much if they have
// no sign.
INFER_TARGET inline __m256i wide_dot(const __m256i w[8], const int8_t * q, int32_t offset) {
#if INFER_VNNI
    __m256i sums = _mm256_set1_epi32(offset);
    for (int i = 0; i < 8; i++) {
        sums = _mm256_dpbusd_avx_epi32(sums, w[i], four(q + 4 * i));
    }
#else
    (void) offset;
    __m256i sums = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++) {
        const __m256i twos = _mm256_maddubs_epi16(_mm256_abs_epi8(w[i]), _mm256_sign_epi8(four(q + 4 * i), w[i]));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(twos, _mm256_set1_epi16(1)));
    }
#endif
    return sums;
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

// low returns floats of the float16s in the low half of each number.
INFER_TARGET inline __m256 low(__m256i x) {
    const __m256i words = _mm256_packus_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0xffff)), _mm256_setzero_si256());
    return _mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(words, 0x08)));
}

// split returns the low nibbles of four registers, then the high ones.
INFER_TARGET inline void split(const __m256i raw[4], __m256i w[8]) {
    const __m256i mask = _mm256_set1_epi8(0x0f);
    for (int j = 0; j < 4; j++) {
        w[j]     = _mm256_and_si256(raw[j], mask);
        w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(raw[j], 4), mask);
    }
}

// look_up replaces places in a table by its numbers.
INFER_TARGET inline void look_up(const uint8_t * table, __m256i w[8]) {
    const __m256i all = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *) table));
    for (int j = 0; j < 8; j++) {
        w[j] = _mm256_shuffle_epi8(all, w[j]);
    }
}

// spread_bytes reads 32 numbers of eight interleaved rows, a byte each.
INFER_TARGET inline void spread_bytes(const uint8_t * p, __m256i w[8]) {
    for (int j = 0; j < 4; j++) {
        spread(p + 64 * j, w + 2 * j);
    }
}

// A matrix of eight interleaved rows, or of eight rows of a file, as the multiplication reads its blocks.

// Blocks of 32 numbers with a scale. numbers reads a block, four numbers in a register, which are at most up_to.

struct interleaved_q4_0 {
    using kind = of_32;
    static constexpr int up_to = 15;
    const q4_0x8 * a;

    INFER_TARGET inline void numbers(int64_t i, __m256i w[8]) const {
        const __m256i sign = _mm256_set1_epi8((char) 0x88);
        __m256i raw[4];
        spread(a[i].qs, raw);
        spread(a[i].qs + 64, raw + 2);
        for (int j = 0; j < 4; j++) {
            raw[j] = _mm256_xor_si256(raw[j], sign);
        }
        split(raw, w);
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(a[i].d);
    }
};

struct rows_q4_0 : rows {
    using kind = of_32;
    static constexpr int up_to = 15;

    INFER_TARGET inline void numbers(int64_t i, __m256i w[8]) const {
        __m256i raw[4];
        fetch(a, stride, 8, i, sizeof(q4_0));
        spread(i * sizeof(q4_0) + offsetof(q4_0, qs), raw);
        split(raw, w);
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(i * sizeof(q4_0));
    }
};

template <int UpTo> struct interleaved_blocks {
    using kind = of_32;
    static constexpr int up_to = UpTo;
    const blocks_x8 * a;

    INFER_TARGET inline void numbers(int64_t i, __m256i w[8]) const {
        spread_bytes(a[i].q, w);
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return _mm256_castsi256_ps(ordered(_mm256_castps_si256(_mm256_loadu_ps(a[i].d))));
    }
};

struct rows_q8_0 : rows {
    using kind = of_32;
    static constexpr int up_to = 255;

    INFER_TARGET inline void numbers(int64_t i, __m256i w[8]) const {
        fetch(a, stride, 8, i, sizeof(weights_q8_0));
        spread(i * sizeof(weights_q8_0) + offsetof(weights_q8_0, q), w);
        spread(i * sizeof(weights_q8_0) + offsetof(weights_q8_0, q) + 16, w + 4);
        for (int j = 0; j < 8; j++) {
            w[j] = _mm256_xor_si256(w[j], _mm256_set1_epi8((char) bias_q8_0));
        }
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(i * sizeof(weights_q8_0));
    }
};

struct rows_mxfp4 : rows {
    using kind = of_32;
    static constexpr int up_to = 2 * bias_mxfp4;

    INFER_TARGET inline void numbers(int64_t i, __m256i w[8]) const {
        __m256i raw[4];
        fetch(a, stride, 8, i, sizeof(mxfp4));
        spread(i * sizeof(mxfp4) + offsetof(mxfp4, qs), raw);
        split(raw, w);
        look_up(table_mxfp4, w);
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        const __m256i e = eight_bytes<0, 1, 4, 5, 2, 3, 6, 7>(a + i * sizeof(mxfp4), stride);
        const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23), small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
        return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, small, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
    }
};

// Blocks of eight parts of 32 numbers, each with a scale and a minimum.

template <typename Block> struct interleaved_parts {
    using kind = with_minima;
    const Block * a;

    INFER_TARGET inline void block(int64_t) {}

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

// half_of returns the numbers of part s or s + 1 of nibbles.
INFER_TARGET inline void half_of(const __m256i raw[8], int h, __m256i w[8]) {
    for (int j = 0; j < 8; j++) {
        w[j] = _mm256_and_si256(h ? _mm256_srli_epi16(raw[j], 4) : raw[j], _mm256_set1_epi8(0x0f));
    }
}

struct interleaved_q4_K : interleaved_parts<q4_Kx8> {
    static constexpr int up_to = 15;

    // nibbles reads 64 numbers of parts s and s + 1; numbers returns those of part s + h.
    INFER_TARGET inline void nibbles(int64_t i, int s, __m256i raw[8]) const {
        spread_bytes(a[i].qs + 128 * s, raw);
    }

    INFER_TARGET inline void numbers(int64_t, int, int h, const __m256i raw[8], __m256i w[8]) const {
        half_of(raw, h, w);
    }
};

struct interleaved_q5_K : interleaved_parts<q5_Kx8> {
    static constexpr int up_to = 31;

    INFER_TARGET inline void nibbles(int64_t, int, __m256i *) const {}

    INFER_TARGET inline void numbers(int64_t i, int s, int h, const __m256i *, __m256i w[8]) const {
        spread_bytes(a[i].q + 256 * (s + h), w);
    }
};

template <typename Block> struct rows_parts : rows {
    using kind = with_minima;

    __m256i halves_, scale_[2], min_[2]; // of a block: d and dmin, and a byte for each part

    // block reads what is before the numbers of a block: sixteen bytes.
    INFER_TARGET inline void block(int64_t i) {
        const __m256i six = _mm256_set1_epi8(0x3f), low = _mm256_set1_epi8(0x0f), two = _mm256_set1_epi8(0x30);
        __m256i x[4];
        fetch(a, stride, 8, i, sizeof(Block));
        spread(i * sizeof(Block), x);
        halves_   = x[0];
        scale_[0] = _mm256_and_si256(x[1], six);
        min_[0]   = _mm256_and_si256(x[2], six);
        scale_[1] = _mm256_or_si256(_mm256_and_si256(x[3], low), _mm256_and_si256(_mm256_srli_epi32(x[1], 2), two));
        min_[1]   = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(x[3], 4), low), _mm256_and_si256(_mm256_srli_epi32(x[2], 2), two));
    }

    INFER_TARGET inline void nibbles(int64_t i, int s, __m256i raw[8]) const {
        const int64_t at = i * sizeof(Block) + offsetof(Block, qs) + 16 * s;
        spread(at, raw);
        spread(at + 16, raw + 4);
    }

    INFER_TARGET inline void scales(int64_t, int s, __m256i scale[2], __m256i & min) const {
        const __m256i byte = _mm256_set1_epi32(0xff);
        const __m128i bits = _mm_cvtsi32_si128(8 * (s & 2));
        const __m256i both = _mm256_srl_epi32(scale_[s / 4], bits), minima = _mm256_srl_epi32(min_[s / 4], bits);
        scale[0] = _mm256_and_si256(both, byte);
        scale[1] = _mm256_and_si256(_mm256_srli_epi32(both, 8), byte);
        min = _mm256_or_si256(_mm256_and_si256(minima, byte), _mm256_slli_epi32(_mm256_and_si256(minima, _mm256_set1_epi32(0xff00)), 8));
    }

    INFER_TARGET inline __m256 scale(int64_t) const {
        return low(halves_);
    }

    INFER_TARGET inline __m256 below(int64_t) const {
        return low(_mm256_srli_epi32(halves_, 16));
    }
};

struct rows_q4_K : rows_parts<q4_K> {
    static constexpr int up_to = 15;

    INFER_TARGET inline void numbers(int64_t, int, int h, const __m256i raw[8], __m256i w[8]) const {
        half_of(raw, h, w);
    }
};

struct rows_q5_K : rows_parts<q5_K> {
    static constexpr int up_to = 31;

    __m256i fifth_[8]; // a bit for each part

    INFER_TARGET inline void block(int64_t i) {
        rows_parts::block(i);
        spread(i * sizeof(q5_K) + offsetof(q5_K, qh), fifth_);
        spread(i * sizeof(q5_K) + offsetof(q5_K, qh) + 16, fifth_ + 4);
    }

    INFER_TARGET inline void numbers(int64_t, int s, int h, const __m256i raw[8], __m256i w[8]) const {
        const __m128i bits = _mm_cvtsi32_si128(s + h);
        half_of(raw, h, w);
        for (int j = 0; j < 8; j++) {
            const __m256i bit = _mm256_and_si256(_mm256_srl_epi16(fifth_[j], bits), _mm256_set1_epi8(1));
            w[j] = _mm256_or_si256(w[j], _mm256_slli_epi16(bit, 4));
        }
    }
};

// interleaved_scaled are interleaved rows of parts with a scale each.
template <typename Block> struct interleaved_scaled {
    const Block * a;

    INFER_TARGET inline void block(int64_t) {}

    INFER_TARGET inline __m256i scale_of(int64_t i, int part) const {
        return ordered(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) a[i].scales[part])));
    }

    INFER_TARGET inline __m256 scale(int64_t i) const {
        return halves(a[i].d);
    }
};

// Blocks of eight parts of 32 numbers, each with a scale.

struct interleaved_iq4_xs : interleaved_scaled<iq4_xsx8> {
    using kind = parts_of_32;

    INFER_TARGET inline void numbers(int64_t i, int part, __m256i w[8]) const {
        spread_bytes(a[i].q + 256 * part, w);
    }
};

struct rows_iq4_xs : rows {
    using kind = parts_of_32;

    __m256i head_[4]; // of a block: d and the scales' high bits, the low ones, and numbers

    INFER_TARGET inline void block(int64_t i) {
        fetch(a, stride, 8, i, sizeof(iq4_xs));
        spread(i * sizeof(iq4_xs), head_);
    }

    INFER_TARGET inline void numbers(int64_t i, int part, __m256i w[8]) const {
        __m256i raw[4];
        spread(i * sizeof(iq4_xs) + offsetof(iq4_xs, qs) + 16 * part, raw);
        split(raw, w);
        look_up(table_iq4_xs, w);
    }

    INFER_TARGET inline __m256i scale_of(int64_t, int part) const {
        const __m256i four = _mm256_and_si256(_mm256_srl_epi32(head_[1], _mm_cvtsi32_si128(4 * part)), _mm256_set1_epi32(15));
        const __m256i two  = _mm256_and_si256(_mm256_srl_epi32(head_[0], _mm_cvtsi32_si128(12 + 2 * part)), _mm256_set1_epi32(48));
        return _mm256_sub_epi32(_mm256_or_si256(four, two), _mm256_set1_epi32(32));
    }

    INFER_TARGET inline __m256 scale(int64_t) const {
        return low(head_[0]);
    }
};

// Blocks of sixteen parts of 16 numbers, each with a scale.

struct interleaved_q6_K : interleaved_scaled<q6_Kx8> {
    using kind = parts_of_16;

    // bits reads what the four parts have in common that begin 16 * part numbers into the block, and 32 numbers
    // apart; numbers returns sixteen numbers of them.
    INFER_TARGET inline void bits(int64_t, int) {}

    INFER_TARGET inline void numbers(int64_t i, int part, int, __m256i w[4]) const {
        infer::INFER_SET::spread(a[i].q + 128 * part, w);
        infer::INFER_SET::spread(a[i].q + 128 * part + 64, w + 2);
    }
};

struct rows_q6_K : rows {
    using kind = parts_of_16;

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

template <int M, typename T> INFER_TARGET void multiply(of_32, T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at) {
    const __m256i one = scale_of(_mm256_set1_epi32(1));
    __m256 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m256i w[8];
        matrix.numbers(i, w);
        if (T::up_to > 31) {
            flip(w);
        }
        const __m256 scale = matrix.scale(i);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
            const q8_0 & y = ((const q8_0 *) prepared[m])[i];
            __m256i s;
            if constexpr (T::up_to > 31) {
                s = wide_dot(w, y.q, y.offset);
            } else {
                s = _mm256_add_epi32(_mm256_set1_epi32(y.offset), dot<T::up_to>(w, y.q, one));
            }
            acc[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_mul_ps(scale, _mm256_set1_ps(y.d)), acc[m]);
        }
    }
    store<M>(acc, out, at);
}

template <int M, typename T> INFER_TARGET void multiply(with_minima, T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at) {
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
                matrix.numbers(i, s, h, raw, w);
#pragma GCC unroll 16
                for (int m = 0; m < M; m++) {
                    const q8_K & y = ((const q8_K *) prepared[m])[i];
                    sums[m] = _mm256_add_epi32(sums[m], dot<T::up_to>(w, y.q + 32 * (s + h), scale[h]));
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

template <int M, typename T> INFER_TARGET void multiply(parts_of_32, T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at) {
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
        for (int part = 0; part < 8; part++) {
            __m256i w[8];
            matrix.numbers(i, part, w);
            flip(w);
            const __m256i scale = matrix.scale_of(i, part);
#pragma GCC unroll 16
            for (int m = 0; m < M; m++) {
                const q8_K & y = ((const q8_K *) prepared[m])[i];
                sums[m] = _mm256_add_epi32(sums[m], _mm256_mullo_epi32(scale, wide_dot(w, y.q + 32 * part, -bias_iq4_xs * y.sums[part])));
            }
        }
        const __m256 scale = matrix.scale(i);
        for (int m = 0; m < M; m++) {
            const __m256 d = _mm256_set1_ps(((const q8_K *) prepared[m])[i].d);
            acc[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[m]), _mm256_mul_ps(scale, d), acc[m]);
        }
    }
    store<M>(acc, out, at);
}

template <int M, typename T> INFER_TARGET void multiply(parts_of_16, T & matrix, int64_t blocks, const void * const * prepared, float * const * out, int at) {
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
        return multiply<M>(typename T::kind(), matrix, blocks, prepared, out, at);
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
    {"q4_0", true, 32, sizeof(q4_0x8), sizeof(q8_0), most, 1, 8, interleave_q4_0, prepare_q8_0<8>, interleaved<interleaved_q4_0>, in_file<rows_q4_0>},
    {"q4_K", true, 256, sizeof(q4_Kx8), sizeof(q8_K), most, 2, 8, interleave_q4_K, prepare_q8_K, interleaved<interleaved_q4_K>, in_file<rows_q4_K>},
    {"q6_K", false, 256, sizeof(q6_Kx8), sizeof(q8_K16), most, 4, 8, interleave_scaled<q6_K, q6_Kx8>, prepare_q8_K16, interleaved<interleaved_q6_K>, in_file<rows_q6_K>},
    {"q8_0", false, 32, sizeof(blocks_x8), sizeof(q8_0), most, 1, 8, interleave_blocks<weights_q8_0>, prepare_q8_0<bias_q8_0>, interleaved<interleaved_blocks<255>>, in_file<rows_q8_0>},
    {"mxfp4", false, 32, sizeof(blocks_x8), sizeof(q8_0), most, 1, 8, interleave_blocks<mxfp4>, prepare_q8_0<bias_mxfp4>, interleaved<interleaved_blocks<2 * bias_mxfp4>>, in_file<rows_mxfp4>},
    {"q5_K", false, 256, sizeof(q5_Kx8), sizeof(q8_K), most, 2, 8, interleave_q5_K, prepare_q8_K, interleaved<interleaved_q5_K>, in_file<rows_q5_K>},
    {"iq4_xs", false, 256, sizeof(iq4_xsx8), sizeof(q8_K), most, 2, 8, interleave_scaled<iq4_xs, iq4_xsx8>, prepare_q8_K, interleaved<interleaved_iq4_xs>, in_file<rows_iq4_xs>},
};
