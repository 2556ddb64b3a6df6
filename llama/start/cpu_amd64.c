//go:build cgo

// The system ends a program at the first instruction that the CPU does not have, without a useful
// message. So this file compares the CPU with the instruction sets that the program was compiled
// for. If any is missing, it runs the build for older CPUs in the same folder, or names what is
// missing and exits.

#ifdef __linux__
#define _GNU_SOURCE
#endif

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <limits.h>
#include <unistd.h>
#endif

// The instruction sets that C code was compiled for, each followed by a space (package target).
extern const char infer_start_target[];

enum { exit_code = 1 };

// Register state that the system must save for a thread that uses an instruction set (XCR0 bits).
enum { save_none = 0, save_avx = 0x6, save_avx512 = 0xe6 };

enum reg { eax, ebx, ecx, edx };

struct leaf {
    uint32_t leaf, subleaf;
    uint32_t regs[4];
};

enum { leaf_1, leaf_7, leaf_7_1, leaf_extended, leaves };

// CPUID bits, from Intel's and AMD's manuals.
static const struct feature {
    const char * name;
    int          leaf;
    enum reg     reg;
    int          bit;
    uint32_t     save;
} features[] = {
    { "sse3",               leaf_1,        ecx, 0,  save_none },
    { "ssse3",              leaf_1,        ecx, 9,  save_none },
    { "sse4.1",             leaf_1,        ecx, 19, save_none },
    { "sse4.2",             leaf_1,        ecx, 20, save_none },
    { "popcnt",             leaf_1,        ecx, 23, save_none },
    { "movbe",              leaf_1,        ecx, 22, save_none },
    { "lzcnt",              leaf_extended, ecx, 5,  save_none },
    { "bmi",                leaf_7,        ebx, 3,  save_none },
    { "bmi2",               leaf_7,        ebx, 8,  save_none },
    { "avx",                leaf_1,        ecx, 28, save_avx },
    { "f16c",               leaf_1,        ecx, 29, save_avx },
    { "fma",                leaf_1,        ecx, 12, save_avx },
    { "avx2",               leaf_7,        ebx, 5,  save_avx },
    { "avxvnni",            leaf_7_1,      eax, 4,  save_avx },
    { "gfni",               leaf_7,        ecx, 8,  save_none },
    { "avx512f",            leaf_7,        ebx, 16, save_avx512 },
    { "avx512cd",           leaf_7,        ebx, 28, save_avx512 },
    { "avx512bw",           leaf_7,        ebx, 30, save_avx512 },
    { "avx512dq",           leaf_7,        ebx, 17, save_avx512 },
    { "avx512vl",           leaf_7,        ebx, 31, save_avx512 },
    { "avx512ifma",         leaf_7,        ebx, 21, save_avx512 },
    { "avx512vbmi",         leaf_7,        ecx, 1,  save_avx512 },
    { "avx512vbmi2",        leaf_7,        ecx, 6,  save_avx512 },
    { "avx512vnni",         leaf_7,        ecx, 11, save_avx512 },
    { "avx512bitalg",       leaf_7,        ecx, 12, save_avx512 },
    { "avx512vpopcntdq",    leaf_7,        ecx, 14, save_avx512 },
    { "avx512bf16",         leaf_7_1,      eax, 5,  save_avx512 },
    { "avx512fp16",         leaf_7,        edx, 23, save_avx512 },
    { "avx512vp2intersect", leaf_7,        edx, 8,  save_avx512 },
    { "avx5124fmaps",       leaf_7,        edx, 3,  save_avx512 },
};

static uint32_t saved_by_system(const struct leaf * first) {
    uint32_t low = 0, high = 0;
    if (first->regs[ecx] & 1u << 27) { // OSXSAVE
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    }
    return low;
}

static bool compiled_for(const char * name) {
    const size_t n = strlen(name);
    for (const char * at = infer_start_target; (at = strstr(at, name)) != NULL; at += n) {
        if ((at == infer_start_target || at[-1] == ' ') && at[n] == ' ') {
            return true;
        }
    }
    return false;
}

// Appends the names of the instruction sets that are compiled for and missing.
static void find_lacking(char * text, size_t size) {
    struct leaf all[leaves] = { { 1, 0, { 0 } }, { 7, 0, { 0 } }, { 7, 1, { 0 } }, { 0x80000001, 0, { 0 } } };
    for (int i = 0; i < leaves; i++) {
        uint32_t * r = all[i].regs;
        if (!__get_cpuid_count(all[i].leaf, all[i].subleaf, &r[eax], &r[ebx], &r[ecx], &r[edx])) {
            memset(r, 0, sizeof all[i].regs);
        }
    }
    const uint32_t saved = saved_by_system(&all[leaf_1]);
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        const struct feature * f = &features[i];
        const bool there = (all[f->leaf].regs[f->reg] >> f->bit & 1) != 0 && (saved & f->save) == f->save;
        if (!there && compiled_for(f->name) && strlen(text) + strlen(f->name) + 2 < size) {
            strcat(text, " ");
            strcat(text, f->name);
        }
    }
}

#define LESSER "-v2" // file name suffix of the build for CPUs without AVX

#ifdef _WIN32

static BOOL WINAPI leave_to_child(DWORD event) {
    (void) event; // the child gets the event from the console, too
    return TRUE;
}

// Runs the build for older CPUs with the same command line, handles and console, and exits with its
// exit code. A job object ends the child when this process ends.
static void run_lesser(void) {
    static WCHAR path[32768];
    const DWORD most = sizeof path / sizeof path[0];
    const WCHAR suffix[] = L"" LESSER ".exe";
    DWORD n = GetModuleFileNameW(NULL, path, most);
    if (n < 4 || n + sizeof suffix / sizeof suffix[0] >= most || _wcsicmp(path + n - 4, L".exe") != 0) {
        return;
    }
    wcscpy(path + n - 4, suffix);
    STARTUPINFOW start;
    PROCESS_INFORMATION child;
    GetStartupInfoW(&start);
    start.dwFlags   |= STARTF_USESTDHANDLES;
    start.hStdInput  = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError  = GetStdHandle(STD_ERROR_HANDLE);
    if (!CreateProcessW(path, GetCommandLineW(), NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &start, &child)) {
        return;
    }
    const HANDLE job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION ends = { .BasicLimitInformation = { .LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE } };
    if (job != NULL && SetInformationJobObject(job, JobObjectExtendedLimitInformation, &ends, sizeof ends)) {
        AssignProcessToJobObject(job, child.hProcess);
    }
    SetConsoleCtrlHandler(leave_to_child, TRUE);
    ResumeThread(child.hThread);
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = exit_code;
    GetExitCodeProcess(child.hProcess, &code);
    ExitProcess(code);
}

static void say(const char * text) {
    DWORD written;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, (DWORD) strlen(text), &written, NULL);
    ExitProcess(exit_code);
}

#else

static void run_lesser(char ** argv) {
#if defined(__linux__) && defined(__GLIBC__) // glibc passes argv to constructors
    static char path[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof LESSER);
    if (n > 0 && (size_t) n < sizeof path - sizeof LESSER) {
        strcpy(path + n, LESSER);
        execv(path, argv);
    }
#else
    (void) argv;
#endif
}

static void say(const char * text) {
    if (write(2, text, strlen(text)) < 0) {
        // The message cannot be printed; the exit code remains.
    }
    _exit(exit_code);
}

#endif

// Priority 101 runs before the constructors of C++ code, which may use missing instructions, too.
__attribute__((constructor(101))) static void look_at_cpu(int argc, char ** argv) {
    static char lacking[512], text[1024];
    (void) argc;
    find_lacking(lacking, sizeof lacking);
    if (lacking[0] == 0) {
        return;
    }
#ifdef _WIN32
    (void) argv;
    run_lesser();
#else
    run_lesser(argv);
#endif
    strcpy(text, "infer: compiled for");
    strcat(text, lacking);
    strcat(text, ", which this CPU does not have: use a build for x86-64-v2, or build it on this machine\n");
    say(text);
}
