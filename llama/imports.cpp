#include "imports.h"

#ifdef __linux__

#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

// object is a loaded library.
struct object {
    uintptr_t          base    = 0; // what is added to addresses in the file
    const ElfW(Dyn) *  dynamic = nullptr;
    uintptr_t          relro = 0, relro_end = 0; // read-only after the relocation
};

struct search {
    uintptr_t address; // in the object
    object    found;
};

int visit(dl_phdr_info * info, size_t, void * data) {
    search * s = (search *) data;
    object   o;
    bool     here = false;
    o.base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) & p = info->dlpi_phdr[i];
        const uintptr_t begin = o.base + p.p_vaddr;
        if (p.p_type == PT_LOAD && s->address >= begin && s->address - begin < p.p_memsz) {
            here = true;
        } else if (p.p_type == PT_DYNAMIC) {
            o.dynamic = (const ElfW(Dyn) *) begin;
        } else if (p.p_type == PT_GNU_RELRO) {
            o.relro     = begin;
            o.relro_end = begin + p.p_memsz;
        }
    }
    if (here) {
        s->found = o;
    }
    return here;
}

// Some C libraries add the base to addresses in the dynamic section, others do not.
const char * address(const object & o, ElfW(Addr) a) {
    return (const char *) (a < o.base ? o.base + a : a);
}

bool is_call(const ElfW(Rela) & r) {
#if defined(__x86_64__)
    return ELF64_R_TYPE(r.r_info) == R_X86_64_JUMP_SLOT || ELF64_R_TYPE(r.r_info) == R_X86_64_GLOB_DAT;
#elif defined(__aarch64__)
    return ELF64_R_TYPE(r.r_info) == R_AARCH64_JUMP_SLOT || ELF64_R_TYPE(r.r_info) == R_AARCH64_GLOB_DAT;
#else
    (void) r;
    return false;
#endif
}

// write stores a value in a slot that may be read-only.
bool write(const object & o, void ** slot, void * value) {
    const uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE), at = (uintptr_t) slot / page * page;
    if (mprotect((void *) at, page, PROT_READ | PROT_WRITE) != 0) {
        return false;
    }
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
    if ((uintptr_t) slot >= o.relro && (uintptr_t) slot < o.relro_end) {
        mprotect((void *) at, page, PROT_READ);
    }
    return true;
}

} // namespace

bool infer::redirect(const void * in_library, const char * name, void * replacement) {
    search s{(uintptr_t) in_library, {}};
    if (!dl_iterate_phdr(visit, &s) || !s.found.dynamic) {
        return false;
    }
    const char *       strings = nullptr;
    const ElfW(Sym) *  symbols = nullptr;
    const ElfW(Rela) * lists[2] = {};
    size_t             sizes[2] = {};
    for (const ElfW(Dyn) * d = s.found.dynamic; d->d_tag != DT_NULL; d++) {
        switch (d->d_tag) {
        case DT_STRTAB:   strings = address(s.found, d->d_un.d_ptr); break;
        case DT_SYMTAB:   symbols = (const ElfW(Sym) *) address(s.found, d->d_un.d_ptr); break;
        case DT_JMPREL:   lists[0] = (const ElfW(Rela) *) address(s.found, d->d_un.d_ptr); break;
        case DT_PLTRELSZ: sizes[0] = d->d_un.d_val; break;
        case DT_RELA:     lists[1] = (const ElfW(Rela) *) address(s.found, d->d_un.d_ptr); break;
        case DT_RELASZ:   sizes[1] = d->d_un.d_val; break;
        }
    }
    if (!strings || !symbols) {
        return false;
    }
    bool done = false;
    for (int l = 0; l < 2; l++) {
        for (size_t i = 0; lists[l] && i < sizes[l] / sizeof(ElfW(Rela)); i++) {
            const ElfW(Rela) & r = lists[l][i];
            if (!is_call(r) || strcmp(strings + symbols[ELF64_R_SYM(r.r_info)].st_name, name) != 0) {
                continue;
            }
            void ** slot = (void **) (s.found.base + r.r_offset);
            done |= write(s.found, slot, replacement);
        }
    }
    return done;
}

#else

bool infer::redirect(const void *, const char *, void *) {
    return false;
}

#endif
