// Kernels for CPUs with AVX-512 and VNNI. A register has four numbers of each of sixteen matrix rows,
// without sign; vpdpbusd multiplies them by four numbers of a vector.

namespace infer {

namespace avx512 {

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

INFER_TARGET inline __m512 halves(const uint16_t * a, const uint16_t * b) {
    return _mm512_cvtph_ps(_mm256_set_m128i(_mm_loadu_si128((const __m128i *) b), _mm_loadu_si128((const __m128i *) a)));
}

INFER_TARGET inline __m512i wide(uint64_t a, uint64_t b) {
    return _mm512_cvtepu8_epi32(_mm_set_epi64x((long long) b, (long long) a));
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

template <int M> INFER_TARGET void store(const __m512 * acc, bool both, float * const * out) {
    for (int m = 0; m < M; m++) {
        _mm512_mask_storeu_ps(out[m], both ? 0xffff : 0x00ff, acc[m]);
    }
}

template <int M> INFER_TARGET void multiply(const q4_0x8 * a, const q4_0x8 * b, bool both, int64_t blocks, const void * const * prepared, float * const * out) {
    const __m512i sign = _mm512_set1_epi8((char) 0x88), mask = _mm512_set1_epi8(0x0f);
    __m512 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m512i raw[4], w[8];
        spread(a[i].qs, b[i].qs, raw);
        for (int j = 0; j < 4; j++) {
            const __m512i x = _mm512_xor_si512(raw[j], sign);
            w[j]     = _mm512_and_si512(x, mask);
            w[j + 4] = _mm512_and_si512(_mm512_srli_epi16(x, 4), mask);
        }
        const __m512 scale = halves(a[i].d, b[i].d);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
            const q8_0 & y = ((const q8_0 *) prepared[m])[i];
            const __m512i s = dot(_mm512_set1_epi32(y.offset), w, y.q);
            acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), _mm512_mul_ps(scale, _mm512_set1_ps(y.d)), acc[m]);
        }
    }
    store<M>(acc, both, out);
}

template <int M> INFER_TARGET void multiply(const q4_Kx8 * a, const q4_Kx8 * b, bool both, int64_t blocks, const void * const * prepared, float * const * out) {
    const __m512i mask = _mm512_set1_epi8(0x0f);
    __m512 acc[M], least[M];
    for (int m = 0; m < M; m++) {
        acc[m] = least[m] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m512i sums[M], minima[M];
        for (int m = 0; m < M; m++) {
            sums[m] = minima[m] = _mm512_setzero_si512();
        }
        for (int s = 0; s < 8; s += 2) {
            const parts a0(a[i].scales + 12 * s), a1(a[i].scales + 12 * s + 12), b0(b[i].scales + 12 * s), b1(b[i].scales + 12 * s + 12);
            const __m512i scale[2] = {wide(a0.scale, b0.scale), wide(a1.scale, b1.scale)};
            const __m512i min = _mm512_or_si512(wide(a0.min, b0.min), _mm512_slli_epi32(wide(a1.min, b1.min), 16));
            __m512i raw[8], w[8];
            spread(a[i].qs + 128 * s, b[i].qs + 128 * s, raw);
            spread(a[i].qs + 128 * s + 128, b[i].qs + 128 * s + 128, raw + 4);
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                for (int j = 0; j < 8; j++) {
                    w[j] = _mm512_and_si512(h ? _mm512_srli_epi16(raw[j], 4) : raw[j], mask);
                }
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
        const __m512 scale = halves(a[i].d, b[i].d), below = halves(a[i].dmin, b[i].dmin);
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

template <int M> INFER_TARGET void multiply(const q6_Kx8 * a, const q6_Kx8 * b, bool both, int64_t blocks, const void * const * prepared, float * const * out) {
    __m512 acc[M];
    for (int m = 0; m < M; m++) {
        acc[m] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < blocks; i++) {
        __m512i sums[M];
        for (int m = 0; m < M; m++) {
            sums[m] = _mm512_setzero_si512();
        }
        for (int s = 0; s < 16; s++) {
            __m512i w[4];
            spread(a[i].q + 128 * s, b[i].q + 128 * s, w);
            const __m512i scale = _mm512_cvtepi8_epi32(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *) a[i].scales[s]), _mm_loadl_epi64((const __m128i *) b[i].scales[s])));
#pragma GCC unroll 16
            for (int m = 0; m < M; m++) {
                const q8_K16 & y = ((const q8_K16 *) prepared[m])[i];
                __m512i products = _mm512_set1_epi32(y.offset[s]);
                for (int j = 0; j < 4; j++) {
                    products = _mm512_dpbusd_epi32(products, w[j], four(y.q + 16 * s + 4 * j));
                }
                sums[m] = _mm512_add_epi32(sums[m], _mm512_mullo_epi32(scale, products));
            }
        }
        const __m512 scale = halves(a[i].d, b[i].d);
        for (int m = 0; m < M; m++) {
            const __m512 d = _mm512_set1_ps(((const q8_K16 *) prepared[m])[i].d);
            acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[m]), _mm512_mul_ps(scale, d), acc[m]);
        }
    }
    store<M>(acc, both, out);
}

#undef INFER_TARGET

template <typename T, int M = 1> void pick(const void * a, const void * b, int64_t blocks, const void * const * prepared, float * const * out, int m) {
    if (m == M) {
        return multiply<M>((const T *) a, (const T *) (b ? b : a), b, blocks, prepared, out);
    }
    if constexpr (M < most_vectors) {
        pick<T, M + 1>(a, b, blocks, prepared, out, m);
    }
}

const kernel kernels[] = {
    {"q4_0", true, 32, sizeof(q4_0x8), sizeof(q8_0), 16, interleave_q4_0, prepare_q8_0, pick<q4_0x8>},
    {"q4_K", true, 256, sizeof(q4_Kx8), sizeof(q8_K), 16, interleave_q4_K, prepare_q8_K, pick<q4_Kx8>},
    {"q6_K", false, 256, sizeof(q6_Kx8), sizeof(q8_K16), 16, interleave_q6_K, prepare_q8_K16, pick<q6_Kx8>},
};

} // namespace avx512

} // namespace infer
