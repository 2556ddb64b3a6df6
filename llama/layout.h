// Where an engine looks in a struct. Internal to the C++ files of this package.

#ifndef INFER_LAYOUT_H
#define INFER_LAYOUT_H

#include <cstddef>
#include <cstdint>
#include <utility>

namespace infer {

// A fake object consists of functions. Function n returns n + 1, whatever it is called with. What an
// accessor of an engine returns for it tells at which place the engine looks.
class fake {
public:
    fake() { fill(std::make_index_sequence<words>()); }

    // ask returns the answer of an accessor. mask has the bits of its type.
    uintptr_t ask(void * accessor, uintptr_t mask) const {
        return ((uintptr_t (*)(const void *)) accessor)(object_) & mask;
    }
    const void * object() const { return object_; }
    // place returns the answer of an accessor that calls the function at an offset in bytes.
    static uintptr_t place(size_t offset) { return offset / sizeof(uintptr_t) + 1; }
    // word returns the answer of an accessor that returns the field at an offset in bytes.
    uintptr_t word(size_t offset) const { return object_[offset / sizeof(uintptr_t)]; }

private:
    static constexpr size_t words = 64;
    uintptr_t               object_[words];

    template <size_t n> static uintptr_t numbered(void *) { return n + 1; }
    template <size_t... n> void fill(std::index_sequence<n...>) {
        ((object_[n] = (uintptr_t) &numbered<n>), ...);
    }
};

} // namespace infer

#endif
