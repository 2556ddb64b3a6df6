// Emulates AMX on a CPU without it, for tests, as a library for LD_PRELOAD. A program asks the system
// for AMX before it uses it. If the system refuses, this library grants it, and from then on carries out
// the tile instructions on which the CPU fails.

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum { TILES = 8, ROWS = 16, ROW = 64, REQUEST_PERMISSION = 0x1023 };

// The registers of a thread.
static __thread __attribute__((tls_model("initial-exec"))) struct {
    uint8_t config[64]; // as LDTILECFG loads it: bytes in a row of tile t at 16 + 2t, rows at 48 + t
    uint8_t tile[TILES][ROWS][ROW];
} state;

static struct sigaction before; // the handler that the program had

static int columns(int t) { return state.config[16 + 2 * t]; }
static int rows(int t) { return state.config[48 + t]; }

// dot adds the products of two tiles to a third: with bytes that have a sign or not.
static void dot(int to, int a, int b, int a_signed, int b_signed) {
    for (int m = 0; m < rows(to); m++) {
        int32_t * sum = (int32_t *) state.tile[to][m];
        for (int k = 0; k < columns(a) / 4; k++) {
            const uint8_t * x = &state.tile[a][m][4 * k];
            for (int n = 0; n < columns(to) / 4; n++) {
                const uint8_t * y = &state.tile[b][k][4 * n];
                for (int i = 0; i < 4; i++) {
                    sum[n] += (a_signed ? (int8_t) x[i] : x[i]) * (b_signed ? (int8_t) y[i] : y[i]);
                }
            }
        }
    }
}

static const int number[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// instruction is a VEX instruction with three bytes of prefix.
struct instruction {
    const uint8_t * end;
    int             opcode, prefix, reg, rm, vvvv;
    int             memory; // whether it has an operand in memory:
    uint8_t *       address;
    intptr_t        stride;
};

enum { NONE, P66, PF3, PF2 };

static void operand(struct instruction * in, const uint8_t * p, int inverted, int mod, const greg_t * regs) {
    intptr_t address, stride = 0;
    int      base = in->rm;
    if (base == 4) {
        const int index = (*p >> 3 & 7) | (inverted & 2 ? 0 : 8);
        base   = *p & 7;
        stride = index == 4 ? 0 : (intptr_t) regs[number[index]] << (*p >> 6);
        p++;
    }
    const int no_base = mod == 0 && base == 5;
    address = no_base ? 0 : regs[number[base | (inverted & 1 ? 0 : 8)]];
    if (mod == 1) {
        address += (int8_t) *p++;
    } else if (mod == 2 || no_base) {
        int32_t displacement;
        memcpy(&displacement, p, 4);
        address += displacement;
        p += 4;
        if (no_base && in->rm == 5) {
            address += (intptr_t) p; // relative to the next instruction
        }
    }
    in->address = (uint8_t *) address;
    in->stride  = stride;
    in->end     = p;
}

static int decode(struct instruction * in, const uint8_t * p, const greg_t * regs) {
    if (p[0] != 0xC4 || (p[1] & 31) != 2 || (p[2] & 0x84)) { // map 0F38, W0, L0
        return 0;
    }
    in->opcode = p[3];
    in->prefix = p[2] & 3;
    in->vvvv   = ~p[2] >> 3 & 7;
    in->reg    = p[4] >> 3 & 7;
    in->rm     = p[4] & 7;
    in->memory = p[4] >> 6 != 3;
    in->end    = p + 5;
    if (in->memory) {
        operand(in, p + 5, p[1] >> 5, p[4] >> 6, regs);
    }
    return 1;
}

static void load(int tile, const uint8_t * from, intptr_t stride) {
    memset(state.tile[tile], 0, sizeof state.tile[tile]);
    for (int r = 0; r < rows(tile); r++) {
        memcpy(state.tile[tile][r], from + r * stride, columns(tile));
    }
}

static void store(int tile, uint8_t * to, intptr_t stride) {
    for (int r = 0; r < rows(tile); r++) {
        memcpy(to + r * stride, state.tile[tile][r], columns(tile));
    }
}

// execute returns whether it knows the instruction.
static int execute(const struct instruction * in) {
    switch (in->opcode << 4 | in->memory << 2 | in->prefix) {
    case 0x494: // LDTILECFG
        memset(&state, 0, sizeof state);
        memcpy(state.config, in->address, sizeof state.config);
        return 1;
    case 0x495: // STTILECFG
        memcpy(in->address, state.config, sizeof state.config);
        return 1;
    case 0x490: // TILERELEASE
        memset(&state, 0, sizeof state);
        return 1;
    case 0x493: // TILEZERO
        memset(state.tile[in->reg], 0, sizeof state.tile[0]);
        return 1;
    case 0x4B5: // TILELOADDT1
    case 0x4B7: // TILELOADD
        load(in->reg, in->address, in->stride);
        return 1;
    case 0x4B6: // TILESTORED
        store(in->reg, in->address, in->stride);
        return 1;
    case 0x5E0: // TDPBUUD, TDPBUSD, TDPBSUD, TDPBSSD
    case 0x5E1:
    case 0x5E2:
    case 0x5E3:
        dot(in->reg, in->rm, in->vvvv, in->prefix == PF3 || in->prefix == PF2, in->prefix == P66 || in->prefix == PF2);
        return 1;
    }
    return 0;
}

static void on_illegal(int sig, siginfo_t * info, void * context) {
    greg_t *           regs = ((ucontext_t *) context)->uc_mcontext.gregs;
    struct instruction in = {0};
    int                known = 0;
    while (decode(&in, (const uint8_t *) regs[REG_RIP], regs) && execute(&in)) { // those that follow, too
        regs[REG_RIP] = (greg_t) in.end;
        known = 1;
    }
    if (known) {
        return;
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(sig, info, context);
    } else {
        sigaction(sig, &before, NULL); // it is raised again
    }
}

static void emulate(void) {
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_illegal;
    ours.sa_flags     = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER;
    struct sigaction now;
    sigaction(SIGILL, NULL, &now);
    if (now.sa_sigaction != on_illegal) {
        before = now;
        sigaction(SIGILL, &ours, NULL);
    }
}

// syscall replaces that of the C library.
long syscall(long n, ...) {
    va_list list;
    va_start(list, n);
    long a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(list, long);
    }
    va_end(list);
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8")   = a[4];
    register long r9 __asm__("r9")   = a[5];
    long          result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    if (n == SYS_arch_prctl && a[0] == REQUEST_PERMISSION && result != 0) {
        emulate();
        return 0;
    }
    if (result < 0 && result > -4096) {
        errno = (int) -result;
        return -1;
    }
    return result;
}
