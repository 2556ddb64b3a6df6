package loader_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
)

// growHeap makes Go reserve in advance the addresses that its heap may need under a limit: it takes
// 64 MiB at a time, and ends the process if they are refused.
func growHeap() { runtime.KeepAlive(make([]byte, 16<<20)) }

// childPool makes a pool of args[1] MiB in segments of 4 MiB, after a limit was put on it,
// and prints the outcome; then one of 4 MiB, which always fits.
func childPool(args []string) int {
	size, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	var l memory.Ledger
	o := memory.PoolOptions{SegmentSize: 4 << 20, Ledger: &l, Retry: -1}
	runtime.LockOSThread() // of which a capability is taken
	growHeap()
	switch args[0] {
	case "as":
		err = memtest.SetLimits(memtest.Limits{AddressSpace: 64 << 20, Headroom: true})
	case "data":
		err = memtest.SetLimits(memtest.Limits{Data: 64 << 20, Headroom: true})
	case "holes":
		_, err = memtest.Carve(memtest.CarveOptions{HoleSize: 16 << 20, Holes: 64})
	case "lock":
		o.Lock = true
		err = errors.Join(memtest.SetLimits(memtest.Limits{Locked: 8 << 20}), unprivileged())
	}
	if err != nil {
		fmt.Println("unsupported:", err)
		return 0
	}
	for _, size := range []uint64{size << 20, 4 << 20} {
		p, err := memory.NewPool(size, o)
		var e *memory.Error
		switch {
		case err == nil:
			a := memory.NewArena(memory.ArenaOptions{Pool: p})
			s := p.Stats()
			if _, err := a.AllocBlock(memory.PurposeWeights, uintptr(s.LargestFree)); err != nil {
				fmt.Println(err)
			}
			fmt.Println("ok, in one range:", s.Ranges == 1)
			if err := errors.Join(a.Close(), p.Close()); err != nil {
				fmt.Println(err)
			}
		case errors.As(err, &e):
			fmt.Println(e.Limit, "for", words.Size(e.Requested))
		default:
			fmt.Println(err)
		}
		if u := l.Snapshot().Total; u.Current != 0 || u.Count != 0 {
			fmt.Println("left behind:", u)
		}
	}
	return 0
}

// unprivileged drops this thread's right to lock more than its limit.
func unprivileged() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	return unix.Capset(&header, &data[0])
}

// Under real limits of processes, a pool is refused with the limit's name, nothing stays allocated,
// and a smaller pool is granted afterwards.
func TestPoolsOfLimitedProcesses(t *testing.T) {
	memtest.WithoutRace(t)
	const small = "ok, in one range: true\n"
	for _, tt := range []struct {
		name  string
		args  []string
		first string
	}{
		{"little data, a large pool", []string{"data", "256"}, "data limit (RLIMIT_DATA) for 256 MiB\n"},
		{"little data, a small pool", []string{"data", "32"}, small},
		{"few addresses, a large pool", []string{"as", "256"}, "address space limit (RLIMIT_AS) for 256 MiB\n"},
		{"few addresses, a small pool", []string{"as", "32"}, small},
		{"holes, a pool that fits none", []string{"holes", "100"}, "ok, in one range: false\n"},
		{"holes, a pool that fits one", []string{"holes", "8"}, small},
		{"few locks, a large pool", []string{"lock", "32"}, "locked memory limit (RLIMIT_MEMLOCK) for 4.0 MiB\n"},
		{"few locks, a small pool", []string{"lock", "8"}, small},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := memtest.Run(t.Context(), memtest.Child("pool", tt.args...), memtest.Limits{})
			memtest.Need(t, err)
			got := string(res.Stdout)
			if len(got) > 11 && got[:11] == "unsupported" {
				t.Skip(got)
			}
			if res.Code != 0 || got != tt.first+small {
				t.Errorf("got %q, want %q\n%s", got, tt.first+small, res.Stderr)
			}
		})
	}
}
