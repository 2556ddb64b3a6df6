//go:build linux && (amd64 || arm64)

package memtest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ptraceSyscallInfo is struct ptrace_syscall_info of linux/ptrace.h, the same on all
// architectures:
//
//	__u8 op; __u8 pad[3]; __u32 arch; __u64 instruction_pointer; __u64 stack_pointer;
//	union {
//		struct { __u64 nr; __u64 args[6]; } entry;
//		struct { __s64 rval; __u8 is_error; } exit;
//		struct { __u64 nr; __u64 args[6]; __u32 ret_data; } seccomp;
//	};
type ptraceSyscallInfo struct {
	op   uint8
	_    [3]uint8
	_    uint32
	_, _ uint64
	nr   uint64 // of an exit: rval
	args [6]uint64
	_    uint64
}

// exit reads the second form of the union.
func (i *ptraceSyscallInfo) exit() (rval int64, failed bool) {
	return int64(i.nr), *(*uint8)(unsafe.Pointer(&i.args[0])) != 0
}

func syscallInfo(tid int) (*ptraceSyscallInfo, error) {
	var info ptraceSyscallInfo
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return nil, errno
	}
	return &info, nil
}
