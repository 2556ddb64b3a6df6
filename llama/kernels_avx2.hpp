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

INFER_TARGET inline __m256 halves(const uint16_t * p) {
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

template <int M> INFER_TARGET void multiply(const q4_0x8 * a, int64_t blocks, const void * const * prepared, float * const * out, int at) {
    const __m256i sign = _mm256_set1_epi8((char) 0x88), mask = _mm256_set1_epi8(0x0f), one = scale_of(_mm256_set1_epi32(1));
    __m256 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m256i raw[4], w[8];
        spread(a[i].qs, raw);
        spread(a[i].qs + 64, raw + 2);
        for (int j = 0; j < 4; j++) {
            const __m256i x = _mm256_xor_si256(raw[j], sign);
            w[j]     = _mm256_and_si256(x, mask);
            w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(x, 4), mask);
        }
        const __m256 scale = halves(a[i].d);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
            const q8_0 & y = ((const q8_0 *) prepared[m])[i];
            const __m256i s = _mm256_add_epi32(_mm256_set1_epi32(y.offset), dot(w, y.q, one));
            acc[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_mul_ps(scale, _mm256_set1_ps(y.d)), acc[m]);
        }
    }
    store<M>(acc, out, at);
}

template <int M> INFER_TARGET void multiply(const q4_Kx8 * a, int64_t blocks, const void * const * prepared, float * const * out, int at) {
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
        for (int s = 0; s < 8; s += 2) {
            const parts p0(a[i].scales + 12 * s), p1(a[i].scales + 12 * s + 12);
            const __m256i scale[2] = {scale_of(wide(p0.scale)), scale_of(wide(p1.scale))};
            const __m256i min = _mm256_or_si256(wide(p0.min), _mm256_slli_epi32(wide(p1.min), 16));
            __m256i raw[8], w[8];
            for (int j = 0; j < 4; j++) {
                spread(a[i].qs + 128 * s + 64 * j, raw + 2 * j);
            }
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
        const __m256 scale = halves(a[i].d), below = halves(a[i].dmin);
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

template <int M> INFER_TARGET void multiply(const q6_Kx8 * a, int64_t blocks, const void * const * prepared, float * const * out, int at) {
    __m256 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m256i sums[M];
        for (int m = 0; m < M; m++) {
            sums[m] = _mm256_setzero_si256();
        }
        for (int s = 0; s < 16; s++) {
            __m256i w[4];
            spread(a[i].q + 128 * s, w);
            spread(a[i].q + 128 * s + 64, w + 2);
            const __m256i scale = ordered(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) a[i].scales[s])));
#pragma GCC unroll 16
            for (int m = 0; m < M; m++) {
                const q8_K16 & y = ((const q8_K16 *) prepared[m])[i];
                __m256i products = _mm256_set1_epi32(y.offset[s]);
                for (int j = 0; j < 4; j++) {
#if INFER_VNNI
                    products = _mm256_dpbusd_avx_epi32(products, w[j], four(y.q + 16 * s + 4 * j));
#else // two products fit into 16 bits
                    products = _mm256_add_epi32(products, _mm256_madd_epi16(_mm256_maddubs_epi16(w[j], four(y.q + 16 * s + 4 * j)), _mm256_set1_epi16(1)));
#endif
                }
                sums[m] = _mm256_add_epi32(sums[m], _mm256_mullo_epi32(scale, products));
            }
        }
        const __m256 scale = halves(a[i].d);
        for (int m = 0; m < M; m++) {
            const __m256 d = _mm256_set1_ps(((const q8_K16 *) prepared[m])[i].d);
            acc[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[m]), _mm256_mul_ps(scale, d), acc[m]);
        }
    }
    store<M>(acc, out, at);
}

constexpr int most = 4; // vectors at once: their sums, and the matrix's numbers, in sixteen registers

template <typename T, int M = 1> void pick(const void * a, const void * b, int64_t blocks, const void * const * prepared, float * const * out, int m) {
    if (m == M) {
        multiply<M>((const T *) a, blocks, prepared, out, 0);
        if (b) {
            multiply<M>((const T *) b, blocks, prepared, out, 8);
        }
        return;
    }
    if constexpr (M < most) {
        pick<T, M + 1>(a, b, blocks, prepared, out, m);
    }
}

const kernel kernels[] = {
    {"q4_0", true, 32, sizeof(q4_0x8), sizeof(q8_0), most, interleave_q4_0, prepare_q8_0, pick<q4_0x8>},
    {"q4_K", true, 256, sizeof(q4_Kx8), sizeof(q8_K), most, interleave_q4_K, prepare_q8_K, pick<q4_Kx8>},
    {"q6_K", false, 256, sizeof(q6_Kx8), sizeof(q8_K16), most, interleave_q6_K, prepare_q8_K16, pick<q6_Kx8>},
};
