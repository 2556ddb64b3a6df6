// A bcryptprimitives.dll for wine versions without functions of Windows 10 that Go needs. Each Go
// program loads a library of this name first.
//
// Go's runtime gets random numbers from ProcessPrng, which wine has since version 9.
//
// os.RemoveAll calls NtSetInformationFile with FileDispositionInformationEx. If the system returns
// STATUS_INVALID_INFO_CLASS ("File information classes"), Go removes the file in another way; wine 8
// returns STATUS_NOT_IMPLEMENTED. The function is replaced by one that changes the status.

#include <string.h>
#include <windows.h>
#include <winternl.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size); // RtlGenRandom

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
    while (size > 0) {
        const ULONG n = size < (1 << 28) ? (ULONG) size : 1 << 28;
        if (!SystemFunction036(data, n)) {
            return FALSE;
        }
        data += n;
        size -= n;
    }
    return TRUE;
}

#define NOT_IMPLEMENTED    ((NTSTATUS) 0xC0000002)
#define INVALID_INFO_CLASS ((NTSTATUS) 0xC0000003)

typedef NTSTATUS (NTAPI * set_information)(HANDLE file, PIO_STATUS_BLOCK status, PVOID data, ULONG size, ULONG class);
static set_information asked;

static NTSTATUS NTAPI set_information_file(HANDLE file, PIO_STATUS_BLOCK status, PVOID data, ULONG size, ULONG class) {
    const NTSTATUS s = asked(file, status, data, size, class);
    return s == NOT_IMPLEMENTED ? INVALID_INFO_CLASS : s;
}

// The code of wine's system calls has 32 bytes, without relative addresses. The code is copied, and
// replaced by a jump to set_information_file.
enum { CALL_SIZE = 32 };
static const BYTE call_begins[] = {0x4c, 0x8b, 0xd1, 0xb8}; // mov r10, rcx; mov eax, number

static void redirect(void) {
    BYTE * at = (BYTE *) GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtSetInformationFile");
    BYTE * copy = VirtualAlloc(NULL, CALL_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    DWORD was;
    if (!at || !copy || memcmp(at, call_begins, sizeof call_begins) != 0 || !VirtualProtect(at, CALL_SIZE, PAGE_EXECUTE_READWRITE, &was)) {
        return;
    }
    memcpy(copy, at, CALL_SIZE);
    asked = (set_information) copy;
    BYTE jump[12] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; // mov rax, address; jmp rax
    const set_information to = set_information_file;
    memcpy(jump + 2, &to, sizeof to);
    memcpy(at, jump, sizeof jump);
    VirtualProtect(at, CALL_SIZE, was, &was);
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved) {
    (void) module, (void) reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        redirect();
    }
    return TRUE;
}
