// Multiplication of quantised matrices by one vector or several at once. The matrices are in layouts of eight
// interleaved rows, or in the file's. The results have the same bits in both, however many vectors there are. With
// the engine's layouts, they are those of the engine's function for one vector, except for Q4_0 and vectors with NaN
// or infinity. Internal to the C++ files of this package; needs no engine.

#ifndef INFER_KERNELS_H
#define INFER_KERNELS_H

#include <stddef.h>
#include <stdint.h>

namespace infer {

// most_vectors is how many vectors a kernel multiplies at once at most.
constexpr int most_vectors = 16;

// kernel multiplies matrices of one type.
struct kernel {
    const char * type;   // ggml's name
    bool         engine; // the layout is the engine's, not only ours
    int          block;  // numbers in a block of a row
    size_t       stored; // bytes of a block of eight interleaved rows
    size_t       vector; // bytes of a block of a prepared vector
    int          most;   // vectors at once, up to most_vectors
    int          least;  // vectors for which a matrix in the file's layout is multiplied faster than by the engine
    int          few;    // vectors, at most, for which in_file is faster than to interleave

    // interleave writes eight rows of a file in the layout. They begin stride bytes apart.
    void (*interleave)(const void * rows, size_t stride, int64_t blocks, void * interleaved);

    // prepare writes a vector of n floats as the multiplication reads it.
    void (*prepare)(const float * x, int64_t n, void * prepared);

    // multiply multiplies sixteen matrix rows, or eight if b is nullptr, by m vectors, 1 to most.
    // blocks is the number of blocks in a row. a has the first eight rows, b the others. The results of
    // vector i are written to out[i].
    void (*multiply)(const void * a, const void * b, int64_t blocks, const void * const * prepared, float * const * out, int m);

    // in_file multiplies rows of a file, which begin stride bytes apart, with the same bits.
    void (*in_file)(const void * a, const void * b, size_t stride, int64_t blocks, const void * const * prepared, float * const * out, int m);
};

// quantizer is a function of the engine's that quantises n floats.
using quantizer = void (*)(const float * x, void * quantized, int64_t n);

// use_quantizer sets the engine's function for Q8_K, and finds out how it rounds. No vector may be prepared for
// q4_K before.
void use_quantizer(quantizer q8_K);

// kernel_of returns the kernel for a type of ggml's in the set in use, nullptr if there is none.
const kernel * kernel_of(const char * type);

} // namespace infer

#endif
