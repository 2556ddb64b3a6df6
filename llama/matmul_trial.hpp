// Kernels are used for repacked matrices of those types for which they compute what the engine computes, and for
// those in the file's layout if many vectors have the bits of each one, and these are right. A trial says so before
// the first use: it multiplies a random matrix by random vectors at once, and one by one.

namespace infer {

namespace {

// product_shape says what a trial multiplies.
struct product_shape {
    int64_t length, rows, vectors;
    int64_t experts = 0, each = 0; // matrices, and how many each vector chooses; 0: one matrix
    bool    plain = false;         // the kernel gets the matrix in the file's layout, the engine always repacked

    // What is multiplied: random numbers, the largest sums that integers must hold, or also the smallest and
    // largest floats, or also infinity and NaN.
    enum : int { random, sums, floats, infinite } numbers = random;
};

class trial {
public:
    // buffers are those of the engine's for repacked weights; nullptr: a kernel is compared with itself.
    trial(ggml_backend_buffer_type_t buffers, enum ggml_type type, const product_shape & s) : shape_(s), alone_(!buffers), x_(s.length * s.vectors) {
        ggml_threadpool_params one = ggml_threadpool_params_default(1);
        threads_ = ggml_threadpool_new(&one);
        describe(matrix_, type, s.length, s.rows, std::max<int64_t>(s.experts, 1));
        for (size_t i = 0; i < x_.size(); i++) {
            x_[i] = activation((int64_t) i / s.length);
        }
        if (!threads_) {
            return;
        }
        // A pool has its number of threads from the first graph.
        alignas(64) static unsigned char no_nodes[1024];
        ggml_cplan plan = ggml_graph_plan((ggml_cgraph *) no_nodes, 1, threads_);
        ggml_graph_compute((ggml_cgraph *) no_nodes, &plan);
        numbers_.resize(s.length * s.rows * matrix_.ne[2]);
        for (float & n : numbers_) {
            n = number();
        }
        plain_ = matrix_;
        plain_.buffer = ggml_backend_cpu_buffer_type()->iface.alloc_buffer(ggml_backend_cpu_buffer_type(), matrix_.nb[3]);
        if (!plain_.buffer) {
            return;
        }
        plain_.data = plain_.buffer->iface.get_base(plain_.buffer);
        ggml_quantize_chunk(type, numbers_.data(), plain_.data, 0, s.rows * matrix_.ne[2], s.length, nullptr);
        if (s.numbers != product_shape::random) {
            set_blocks();
        }
        ready_ = alone_ || repack(buffers);
    }

    ~trial() {
        for (ggml_backend_buffer_t b : {matrix_.buffer, plain_.buffer}) {
            if (b) {
                free_buffer(b);
            }
        }
        if (threads_) {
            ggml_threadpool_free(threads_);
        }
    }

    trial(const trial &) = delete;
    trial & operator=(const trial &) = delete;

    // same returns whether the vectors at once, with a kernel, have the bits that each has with the engine, or with
    // the kernel.
    bool same(operations * engine, operations * with) {
        if (!ready_) {
            return false;
        }
        std::vector<float> all(result_size()), single(result_size());
        const operation * by_kernel = multiply(with, shape_.plain ? plain_ : matrix_, 0, shape_.vectors, all.data());
        const operation * by_engine = nullptr;
        for (int64_t i = 0; i < shape_.vectors; i++) {
            by_engine = alone_ ? multiply(with, plain_, i, 1, single.data()) : multiply(engine, matrix_, i, 1, single.data());
        }
        if (!by_kernel || !by_engine || (by_kernel == by_engine) != alone_) {
            return false;
        }
        for (size_t i = 0; i < all.size(); i++) {
            if (memcmp(&all[i], &single[i], sizeof(float)) != 0 && !(std::isnan(all[i]) && std::isnan(single[i]))) {
                return false;
            }
        }
        return !alone_ || right(all);
    }

private:
    product_shape     shape_;
    bool              alone_;
    std::vector<float> x_, numbers_;
    ggml_tensor       matrix_ = {}, plain_ = {};
    ggml_threadpool * threads_ = nullptr;
    bool              ready_   = false;
    uint32_t          seed_    = 1;

    // right returns whether results are those of the numbers before they were quantised, but for that.
    bool right(const std::vector<float> & results) const {
        if (shape_.experts != 0 || shape_.numbers != product_shape::random) {
            return true; // of those it is not known
        }
        double error = 0, size = 0;
        for (size_t i = 0; i < results.size(); i++) {
            const float * row = &numbers_[i % shape_.rows * shape_.length], * x = &x_[i / shape_.rows * shape_.length];
            const double exact = std::inner_product(row, row + shape_.length, x, 0.0);
            error += (exact - results[i]) * (exact - results[i]);
            size += exact * exact;
        }
        return error <= size / 20;
    }

    // repack fills the engine's matrix.
    bool repack(ggml_backend_buffer_type_t buffers) {
        matrix_.buffer = buffers->iface.alloc_buffer(buffers, matrix_.nb[3]);
        if (!matrix_.buffer) {
            return false;
        }
        matrix_.data = matrix_.buffer->iface.get_base(matrix_.buffer);
        if (matrix_.buffer->iface.init_tensor(matrix_.buffer, &matrix_) != GGML_STATUS_SUCCESS || !matrix_.extra || !known_operation(matrix_.extra)) {
            return false;
        }
        matrix_.buffer->iface.set_tensor(matrix_.buffer, &matrix_, plain_.data, 0, matrix_.nb[3]);
        return true;
    }

    float number() { // from -1 to 1
        seed_ = seed_ * 1664525 + 1013904223;
        return (float) (int32_t) seed_ / 2147483648.0f;
    }

    // activation returns a number of a vector.
    float activation(int64_t vector) {
        const float v = number();
        switch (shape_.numbers) {
        case product_shape::random:
            return v;
        case product_shape::sums:
            return vector % 3 == 0 ? 1 : vector % 3 == 1 ? -1 : v < 0 ? -1 : 1;
        default:
            const float rare[] = {3.4e38f, 1e-42f, 1e-38f, INFINITY, NAN};
            const float scales[] = {1, 0, 1e-42f, 1e-37f, 3e-36f, 1e30f, 3e38f};
            const int odd = (int) ((seed_ >> 8) % 9973);
            return odd < (shape_.numbers == product_shape::infinite ? 5 : 3) && vector % 2 ? rare[odd] : v * scales[vector / 2 % 7];
        }
    }

    // set_blocks sets all bits of the matrix but the blocks' float16s: scales, which come first, of Q6_K last, and of
    // MXFP4 are none.
    void set_blocks() {
        const enum ggml_type type = matrix_.type;
        const size_t   size = ggml_type_size(type), halves = type == GGML_TYPE_MXFP4 ? 0 : type == GGML_TYPE_Q4_K || type == GGML_TYPE_Q5_K ? 2 : 1;
        const size_t   at   = type == GGML_TYPE_Q6_K ? size - sizeof(uint16_t) : 0;
        const uint16_t scales[] = {0x3c00, 0xbc00, 0x0001, 0x8001, 0x7bff, 0}, rare[] = {0x7c00, 0x7e00}; // 1, least, most, 0, infinity, NaN
        for (char * b = (char *) plain_.data; b < (char *) plain_.data + matrix_.nb[3]; b += size) {
            uint16_t s[2];
            for (uint16_t & v : s) {
                number();
                const uint32_t any = seed_ >> 8;
                v = scales[shape_.numbers == product_shape::sums ? 0 : any % 6];
                if (shape_.numbers == product_shape::infinite && any % 211 < 2) {
                    v = rare[any % 211];
                }
            }
            if (shape_.numbers == product_shape::sums || seed_ >> 31) {
                memset(b, 0xff, size);
            }
            memcpy(b + at, s, halves * sizeof *s);
        }
    }

    size_t result_size() const {
        return shape_.rows * shape_.vectors * std::max<int64_t>(shape_.each, 1);
    }

    static void describe(ggml_tensor & t, enum ggml_type type, int64_t n0, int64_t n1, int64_t n2) {
        t.type  = type;
        t.ne[0] = n0;
        t.ne[1] = n1;
        t.ne[2] = n2;
        t.ne[3] = 1;
        t.nb[0] = ggml_type_size(type);
        t.nb[1] = ggml_row_size(type, n0);
        t.nb[2] = t.nb[1] * n1;
        t.nb[3] = t.nb[2] * n2;
    }

    // multiply multiplies a matrix by n vectors from the first one. It returns what has computed them.
    const operation * multiply(operations * by, ggml_tensor & matrix, int64_t first, int64_t n, float * results) {
        ggml_tensor v = {}, ids = {}, op = {};
        std::vector<int32_t> chosen(n * shape_.each);
        op.src[0] = &matrix;
        op.src[1] = &v;
        v.data    = x_.data() + first * shape_.length;
        if (shape_.experts == 0) {
            describe(v, GGML_TYPE_F32, shape_.length, n, 1);
            describe(op, GGML_TYPE_F32, shape_.rows, n, 1);
            op.op = numbered("MUL_MAT");
        } else {
            describe(v, GGML_TYPE_F32, shape_.length, 1, n);
            describe(ids, GGML_TYPE_I32, shape_.each, n, 1);
            describe(op, GGML_TYPE_F32, shape_.rows, shape_.each, n);
            for (size_t i = 0; i < chosen.size(); i++) {
                chosen[i] = (int32_t) ((first * shape_.each + i) * 7 % shape_.experts);
            }
            ids.data  = chosen.data();
            op.src[2] = &ids;
            op.op = numbered("MUL_MAT_ID");
        }
        op.data = results + first * shape_.rows * std::max<int64_t>(shape_.each, 1);
        operation * o = by->get_tensor_traits(&op);
        size_t size = 0;
        if (!o || !o->work_size(1, &op, size)) {
            return nullptr;
        }
        std::vector<char> memory(size + line);
        compute_params p = {0, 1, size, memory.data() + line - (uintptr_t) memory.data() % line, threads_};
        return o->compute_forward(&p, &op) ? o : nullptr;
    }

    static enum ggml_op numbered(const char * name) {
        int i = 0;
        while (strcmp(ggml_op_name((enum ggml_op) i), name) != 0) {
            i++;
        }
        return (enum ggml_op) i;
    }
};

// used are the engine's operations with repacked weights, and what is used instead of them.
struct {
    ggml_backend_buffer_type_t type   = nullptr;
    operations *               engine = nullptr;
    with_kernels *             with   = nullptr; // as long as the process
} used;

} // namespace

void use_kernels(ggml_backend_buffer_type_t type) {
    if (strcmp(type->iface.get_name(type), "CPU_REPACK") != 0 || !known_operations(type->context)) {
        return;
    }
    use_quantizer(quantizer_q8_K());
    operations * engine = (operations *) type->context;
    auto with = std::make_unique<with_kernels>(engine, [](operations * engine, enum ggml_type t, const kernel & k, bool plain) {
        scope_guard own({}); // the trial's memory is the engine's, also while a context is measured
        kernel any = k;
        any.least = 1; // the engine computes fewer vectors in another order: a kernel is compared with itself
        with_kernels tried(engine);
        tried.add(t, any);
        product_shape s = {256, 24, 3};
        if (s.plain = plain; plain) {
            s.vectors = k.few + 1; // interleaved if at once
        }
        return trial(plain ? nullptr : used.type, t, s).same(engine, &tried);
    });
    for (const enum ggml_type t : {GGML_TYPE_Q4_0, GGML_TYPE_Q8_0, GGML_TYPE_MXFP4, GGML_TYPE_IQ4_XS, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K}) {
        if (const kernel * k = kernel_of(ggml_type_name(t))) {
            with->add(t, *k);
        }
    }
    if (with->any()) {
        used = {type, engine, with.release()};
        type->context = used.with;
    }
}

} // namespace infer

bool infer_kernels_used(void) {
    return infer::used.with;
}

bool infer_kernel_agrees(enum ggml_type type, int64_t length, int64_t rows, int64_t vectors, int64_t experts, int64_t each, bool plain, int numbers) {
    using namespace infer;
    const kernel * k = kernel_of(ggml_type_name(type));
    if (!used.with || !k) {
        return false;
    }
    const product_shape s = {length, rows, vectors, experts, each, plain, (decltype(product_shape::numbers)) numbers};
    kernel any = *k;
    any.least = 1; // however many vectors there are
    with_kernels tried(used.engine);
    tried.add(type, any);
    return trial(k->engine ? used.type : nullptr, type, s).same(used.engine, &tried);
}
