// Shared libraries. Internal to the C++ files of this package.

#ifndef INFER_LIBRARY_H
#define INFER_LIBRARY_H

#include <string>

namespace infer {

// library is a shared library. Other libraries do not see its symbols.
class library {
public:
    explicit library(const char * path);
    ~library();
    library(const library &) = delete;
    library & operator=(const library &) = delete;

    bool   loaded() const { return handle_; }
    void * find(const char * name) const; // nullptr: none
    void   keep() { kept_ = true; }       // it stays loaded when this object ends

    // error returns why the last library could not be loaded on this thread.
    static std::string error();
    // containing returns the path of the loaded library that has a function, empty if unknown.
    static std::string containing(void * function);

private:
    void * handle_;
    bool   kept_ = false;
};

} // namespace infer

#endif
