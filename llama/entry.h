// Entries of an engine's table. Internal to the C++ files of this package.

#ifndef INFER_ENTRY_H
#define INFER_ENTRY_H

#include <type_traits>

namespace infer {

// The types in an engine's namespace are others than those of the table, with the same layout where a
// function of the table has them by value.
template <typename A, typename B> struct passed_alike : std::bool_constant<std::is_same<A, B>::value ||
    (sizeof(A) == sizeof(B) && ((std::is_pointer<A>::value && std::is_pointer<B>::value) || (std::is_enum<A>::value && std::is_enum<B>::value) ||
                                (std::is_class<A>::value && std::is_class<B>::value)))> {};
template <> struct passed_alike<void, void> : std::true_type {};

template <typename F, typename G> struct called_alike : std::false_type {};
template <typename R, typename... A, typename S, typename... B> struct called_alike<R (*)(A...), S (*)(B...)> {
    template <bool same, typename...> struct arguments : std::false_type {};
    template <typename T> struct arguments<true, T> : std::bool_constant<(passed_alike<A, B>::value && ...)> {};
    static constexpr bool value = passed_alike<R, S>::value && arguments<sizeof...(A) == sizeof...(B), void>::value;
};

// entry returns an engine's function as the table has it.
template <typename F, typename G> constexpr F entry(G g) {
    static_assert(called_alike<F, G>::value, "the table has another prototype");
    return (F) (void (*)(void)) g;
}

} // namespace infer

#endif
