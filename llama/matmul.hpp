// Multiplications of weights by the vectors of several tokens, as in prompts and in batches of texts, and with some
// types in the file's layout by a single one. This package's kernels (kernels.h) compute them where this CPU has some.
// The engine computes the rest: repacked weights by one vector, and those in the file's layout by fewer vectors than a
// kernel's least, for which it rounds in another order. In all other cases the bits of a result depend neither on the
// number of vectors nor on the layout.

#include "buffers.h"
#include "kernels.h"

namespace infer {

// compute_params are the engine's ggml_compute_params.
struct compute_params {
    int                      ith, nth; // number of this thread, number of threads
    size_t                   wsize;
    void *                   wdata; // memory of all threads, as large as work_size has asked for
    struct ggml_threadpool * threadpool;
    bool                     use_ref; // of v0.5: compute slowly
};

// The engine's abstract classes: how it computes an operation, and a buffer type's operations. They are in no
// unnamed namespace, where the compiler would take it for granted that the engine derives none from them.
class operation {
public:
    virtual ~operation() {}
    virtual bool work_size(int n_threads, const ggml_tensor * op, size_t & size) = 0;
    virtual bool compute_forward(compute_params * params, ggml_tensor * op) = 0;
};

class operations {
public:
    virtual ~operations() {}
    virtual bool supports_op(ggml_backend_dev_t dev, const ggml_tensor * op) = 0;
    virtual operation * get_tensor_traits(const ggml_tensor * op) = 0;
};

namespace {

constexpr size_t line = 64; // bytes of a cache line

size_t lines(size_t size) {
    return (size + line - 1) / line * line;
}

// product multiplies a matrix, or those of several experts, by vectors. The matrix is repacked, or has the
// file's layout; then, for many vectors, each thread interleaves sixteen rows at a time. The memory of a product has
// the number of the next part to compute, the interleaved rows of each thread, and the prepared vectors.
class product : public operation {
public:
    product(const kernel & k, bool repacked) : k_(k), repacked_(repacked) {}

    // fits returns whether the product computes an operation of its kind.
    virtual bool fits(const ggml_tensor * op) const = 0;

protected:
    const kernel & k_;
    const bool     repacked_;

    size_t group_size(const ggml_tensor * op) const {
        return k_.stored * blocks(op);
    }

    // interleaved returns whether rows are interleaved before they are multiplied by at most n vectors.
    bool interleaved(int64_t n) const {
        return !repacked_ && n > k_.few;
    }

    // most returns by how many vectors a matrix is multiplied at most.
    virtual int64_t most(const ggml_tensor * op) const = 0;

    size_t rows_size(const ggml_tensor * op) const {
        return interleaved(most(op)) ? lines(2 * group_size(op)) : 0;
    }

    int64_t blocks(const ggml_tensor * op) const {
        return op->src[0]->ne[0] / k_.block;
    }

    size_t vector_size(const ggml_tensor * op) const {
        return k_.vector * blocks(op);
    }

    size_t size_with(int threads, const ggml_tensor * op) const {
        const ggml_tensor * v = op->src[1];
        return line + rows_size(op) * threads + lines(vector_size(op) * v->ne[1] * v->ne[2] * v->ne[3]);
    }

    static std::atomic<int64_t> & next(const compute_params * p) {
        return *(std::atomic<int64_t> *) p->wdata;
    }

    const char * vector(const compute_params * p, const ggml_tensor * op, int64_t i) const {
        return (const char *) p->wdata + line + rows_size(op) * p->nth + vector_size(op) * i;
    }

    // prepare prepares this thread's share of the vectors' blocks.
    void prepare(const compute_params * p, const ggml_tensor * op) const {
        const ggml_tensor * v = op->src[1];
        const int64_t each = blocks(op), all = each * v->ne[1] * v->ne[2] * v->ne[3], end = all * (p->ith + 1) / p->nth;
        for (int64_t at = all * p->ith / p->nth, n; at < end; at += n) {
            const int64_t i = at / each, block = at % each;
            n = std::min(each - block, end - at);
            const int64_t i1 = i % v->ne[1], i2 = i / v->ne[1] % v->ne[2], i3 = i / v->ne[1] / v->ne[2];
            const char *  x  = (const char *) v->data + i1 * v->nb[1] + i2 * v->nb[2] + i3 * v->nb[3];
            k_.prepare((const float *) x + block * k_.block, n * k_.block, (char *) vector(p, op, i) + block * k_.vector);
        }
        if (p->ith == 0) {
            new (p->wdata) std::atomic<int64_t>(0);
        }
    }

    // A part of a matrix is a number of pairs of groups of eight rows.
    static int64_t pairs(const ggml_tensor * op) {
        return (op->src[0]->ne[1] / 8 + 1) / 2;
    }

    static int64_t step(const compute_params * p, const ggml_tensor * op) {
        return std::max<int64_t>(pairs(op) / (p->nth * 8), 1);
    }

    static int64_t parts(const compute_params * p, const ggml_tensor * op) {
        return (pairs(op) + step(p, op) - 1) / step(p, op);
    }

    // multiply multiplies a part of a matrix by n vectors. place(i) returns vector i, and where its result is.
    template <typename F> void multiply(const compute_params * p, const ggml_tensor * op, const char * matrix, int64_t part, int64_t n, F place) const {
        const int64_t groups = op->src[0]->ne[1] / 8, end = std::min((part + 1) * step(p, op) * 2, groups);
        const int64_t turns  = (n + k_.most - 1) / k_.most;
        const size_t  size   = group_size(op), stride = op->src[0]->nb[1];
        char *        mine   = (char *) p->wdata + line + rows_size(op) * p->ith;
        for (int64_t g = part * step(p, op) * 2; g < end; g += 2) {
            const char * a = repacked_ ? matrix + g * size : mine, * rows = matrix + g * 8 * stride;
            for (int64_t i = 0; interleaved(n) && i < std::min<int64_t>(2, groups - g); i++) {
                k_.interleave(rows + i * 8 * stride, stride, blocks(op), mine + i * size);
            }
            for (int64_t t = 0; t < turns; t++) {
                const void *  prepared[most_vectors];
                float *       out[most_vectors];
                const int64_t first = n * t / turns, last = n * (t + 1) / turns;
                for (int64_t i = first; i < last; i++) {
                    const std::pair<const char *, char *> at = place(i);
                    prepared[i - first] = at.first;
                    out[i - first]      = (float *) at.second + g * 8;
                }
                const bool both = g + 1 < groups;
                if (repacked_ || interleaved(n)) {
                    k_.multiply(a, both ? a + size : nullptr, blocks(op), prepared, out, (int) (last - first));
                } else {
                    k_.in_file(rows, both ? rows + 8 * stride : nullptr, stride, blocks(op), prepared, out, (int) (last - first));
                }
            }
        }
    }
};

// mul_mat is a product of one matrix.
class mul_mat : public product {
public:
    using product::product;

    bool fits(const ggml_tensor * op) const override {
        const ggml_tensor * m = op->src[0], * v = op->src[1];
        return m->ne[2] == 1 && m->ne[3] == 1 && v->ne[1] * v->ne[2] * v->ne[3] >= (repacked_ ? 2 : k_.least);
    }

    int64_t most(const ggml_tensor * op) const override {
        return op->ne[1] * op->ne[2] * op->ne[3];
    }

    bool work_size(int threads, const ggml_tensor * op, size_t & size) override {
        size = size_with(threads, op);
        return true;
    }

    bool compute_forward(compute_params * p, ggml_tensor * op) override {
        prepare(p, op);
        barrier(p->threadpool);
        const int64_t n = most(op), all = parts(p, op);
        for (int64_t part; (part = next(p)++) < all;) {
            multiply(p, op, (const char *) op->src[0]->data, part, n, [&](int64_t i) {
                const int64_t i1 = i % op->ne[1], i2 = i / op->ne[1] % op->ne[2], i3 = i / op->ne[1] / op->ne[2];
                return std::pair(vector(p, op, i), (char *) op->data + i1 * op->nb[1] + i2 * op->nb[2] + i3 * op->nb[3]);
            });
        }
        return true;
    }
};

// mul_mat_id is a product of the matrices of the experts that each vector has chosen.
class mul_mat_id : public product {
public:
    using product::product;

    bool fits(const ggml_tensor * op) const override {
        const ggml_tensor * m = op->src[0], * v = op->src[1], * ids = op->src[2];
        const bool any = !repacked_ && k_.least == 1, enough = repacked_ || most(op) >= k_.least * m->ne[2];
        return m->ne[3] == 1 && v->ne[3] == 1 && (any || (ids->ne[1] > 1 && enough)) && ids->nb[0] == sizeof(int32_t);
    }

    int64_t most(const ggml_tensor * op) const override {
        return op->src[2]->ne[0] * op->src[2]->ne[1];
    }

    bool work_size(int threads, const ggml_tensor * op, size_t & size) override {
        const int64_t experts = op->src[0]->ne[2], choices = op->src[2]->ne[0] * op->src[2]->ne[1];
        size = size_with(threads, op) + sizeof(int32_t) * (2 * experts + 2 + choices);
        return true;
    }

    bool compute_forward(compute_params * p, ggml_tensor * op) override {
        prepare(p, op);
        const ggml_tensor * matrices = op->src[0], * v = op->src[1], * ids = op->src[2];
        const int32_t experts = (int32_t) matrices->ne[2], each = (int32_t) ids->ne[0];
        // After the vectors: the number of chosen experts, their numbers, where each one's choices begin, and
        // the choices, ordered by expert.
        int32_t * chosen = (int32_t *) ((char *) p->wdata + size_with(p->nth, op));
        int32_t * begin = chosen + 1 + experts, * choices = begin + experts + 1;
        if (p->ith == 0) {
            order(ids, experts, chosen, begin, choices);
        }
        barrier(p->threadpool);
        const int64_t of_one = parts(p, op), all = chosen[0] * of_one;
        for (int64_t part; (part = next(p)++) < all;) {
            const int32_t   e    = chosen[1 + part / of_one];
            const int32_t * mine = choices + begin[e];
            multiply(p, op, (const char *) matrices->data + e * matrices->nb[2], part % of_one, begin[e + 1] - begin[e], [&](int64_t i) {
                const int64_t slot = mine[i] % each, text = mine[i] / each;
                return std::pair(vector(p, op, text * v->ne[1] + slot % v->ne[1]), (char *) op->data + slot * op->nb[1] + text * op->nb[2]);
            });
        }
        return true;
    }

private:
    static void order(const ggml_tensor * ids, int32_t experts, int32_t * chosen, int32_t * begin, int32_t * choices) {
        const auto expert = [&](int32_t i) {
            return *(const int32_t *) ((const char *) ids->data + i / ids->ne[0] * ids->nb[1] + i % ids->ne[0] * ids->nb[0]);
        };
        const int32_t n = (int32_t) (ids->ne[0] * ids->ne[1]);
        std::fill(begin, begin + experts + 1, 0);
        for (int32_t i = 0; i < n; i++) {
            const int32_t e = expert(i);
            if (e < 0 || e >= experts) { // the engine's operation ends the process, too
                fprintf(stderr, "expert %d of %d of %s was chosen\n", (int) e, (int) experts, ids->name);
                abort();
            }
            begin[e]++;
        }
        chosen[0] = 0;
        for (int32_t e = 0, sum = 0; e <= experts; e++) {
            if (e < experts && begin[e] > 0) {
                chosen[1 + chosen[0]++] = e;
            }
            sum += begin[e];
            begin[e] = sum; // the end of its choices
        }
        for (int32_t i = n; i-- > 0;) {
            choices[--begin[expert(i)]] = i;
        }
    }
};

// with_kernels are the operations of which kernels compute some.
class with_kernels : public operations {
public:
    // agrees returns whether a kernel computes what the engine computes with repacked weights, or with weights in the
    // file's layout (plain) the same for one vector as for many. It is asked once for each type and layout,
    // before the first use.
    using agreement = bool (*)(operations * engine, enum ggml_type type, const kernel & k, bool plain);

    explicit with_kernels(operations * engine, agreement agrees = nullptr) : engine_(engine), agrees_(agrees) {}

    void add(enum ggml_type type, const kernel & k) {
        products_.emplace_back(type, k);
    }

    bool any() const {
        return !products_.empty();
    }

    bool supports_op(ggml_backend_dev_t dev, const ggml_tensor * op) override {
        return engine_->supports_op(dev, op);
    }

    operation * get_tensor_traits(const ggml_tensor * op) override {
        operation * by_engine = engine_->get_tensor_traits(op); // none: the weights are not repacked
        const bool one = strcmp(ggml_op_name(op->op), "MUL_MAT") == 0;
        if (!one && strcmp(ggml_op_name(op->op), "MUL_MAT_ID") != 0) {
            return by_engine;
        }
        for (products & p : products_) {
            if (p.type != op->src[0]->type || op->src[1]->type != GGML_TYPE_F32 || op->src[1]->nb[0] != sizeof(float)) {
                continue;
            }
            product & of_one = by_engine ? p.repacked : p.plain, & of_chosen = by_engine ? p.repacked_chosen : p.plain_chosen;
            product & by_kernel = one ? of_one : of_chosen;
            if (by_kernel.fits(op) && (by_engine ? p.k.engine : is_plain(op->src[0])) && agrees(p, !by_engine)) {
                return &by_kernel;
            }
        }
        return by_engine;
    }

private:
    struct products {
        enum ggml_type type;
        const kernel & k;
        mul_mat        repacked{k, true};
        mul_mat_id     repacked_chosen{k, true};
        mul_mat        plain{k, false};
        mul_mat_id     plain_chosen{k, false};
        std::once_flag asked[2]; // of repacked weights, and of plain ones
        bool           agrees[2] = {true, true};

        products(enum ggml_type type, const kernel & k) : type(type), k(k) {}
    };
    operations *         engine_;
    agreement            agrees_;
    std::deque<products> products_;

    bool agrees(products & p, bool plain) {
        std::call_once(p.asked[plain], [&] { p.agrees[plain] = !agrees_ || agrees_(engine_, p.type, p.k, plain); });
        return p.agrees[plain];
    }

    // is_plain returns whether a matrix in host memory has the file's layout.
    static bool is_plain(const ggml_tensor * m) {
        const ggml_tensor * owner = m->view_src ? m->view_src : m;
        return owner->buffer && !owner->extra && m->ne[1] % 8 == 0 && m->ne[0] % ggml_blck_size(m->type) == 0 && m->nb[0] == ggml_type_size(m->type) &&
            owner->buffer->buft->iface.is_host && owner->buffer->buft->iface.is_host(owner->buffer->buft);
    }
};

} // namespace

} // namespace infer
