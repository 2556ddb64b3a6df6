#include "library.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

namespace infer {

library::library(const char * path) : handle_(nullptr) {
    const int n = MultiByteToWideChar(CP_UTF8, 0, path, -1, nullptr, 0);
    std::wstring wide(n, L'\0');
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide.data(), n);
    handle_ = LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
}

library::~library() {
    if (handle_ && !kept_) {
        FreeLibrary((HMODULE) handle_);
    }
}

void * library::find(const char * name) const {
    return (void *) GetProcAddress((HMODULE) handle_, name);
}

std::string library::error() {
    return "error " + std::to_string(GetLastError());
}

std::string library::containing(void * function) {
    HMODULE module = nullptr;
    wchar_t wide[32 << 10];
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, (LPCWSTR) function, &module) ||
        !GetModuleFileNameW(module, wide, sizeof wide / sizeof *wide)) {
        return "";
    }
    const int n = WideCharToMultiByte(CP_UTF8, 0, wide, -1, nullptr, 0, nullptr, nullptr);
    std::string path(n, '\0');
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, path.data(), n, nullptr, nullptr);
    path.resize(n - 1);
    return path;
}

} // namespace infer

#else
#include <dlfcn.h>

namespace infer {

library::library(const char * path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {}

library::~library() {
    if (handle_ && !kept_) {
        dlclose(handle_);
    }
}

void * library::find(const char * name) const {
    return dlsym(handle_, name);
}

std::string library::error() {
    const char * e = dlerror();
    return e ? e : "unknown error";
}

std::string library::containing(void * function) {
    Dl_info info;
    return dladdr(function, &info) && info.dli_fname ? info.dli_fname : "";
}

} // namespace infer

#endif
