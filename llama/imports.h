// Calls of a shared library to others, and to its own exported functions. Internal to the C++ files of
// this package.

#ifndef INFER_IMPORTS_H
#define INFER_IMPORTS_H

namespace infer {

// redirect lets the library that contains a function call replacement in place of the function with a
// name. It returns false, changing nothing, if the library does not call such a function through its table of
// imports. Only on Linux.
bool redirect(const void * in_library, const char * name, void * replacement);

} // namespace infer

#endif
