package probe

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

const LimitGroup Limit = "control group"

func RaiseCommit(by string) string {
	return "add swap or raise vm.overcommit_ratio, for a commit limit that is higher" + by
}

// Measure reads the limits of this process. It takes about a millisecond, more in a process with
// thousands of mappings. It is safe for concurrent use.
func Measure() (Probe, error) { return measure(os.DirFS("/")) }

// MappingsLeft returns how many mappings the process may still make, [Unlimited] if it is unknown or
// the system has no such limit. It reads less than [Measure].
func MappingsLeft() uint64 {
	p := unlimited()
	if p.addresses(os.DirFS("/")) != nil {
		return Unlimited
	}
	return p.MappingsLeft
}

// measure reads the files below root, which tests replace.
func measure(root fs.FS) (Probe, error) {
	p := unlimited()
	p.PageSize = uint64(os.Getpagesize())
	mem, err := fields(root, "proc/meminfo")
	if err != nil {
		return p, fmt.Errorf("measuring memory: %w", err)
	}
	status, err := fields(root, "proc/self/status")
	if err != nil {
		return p, fmt.Errorf("measuring memory: %w", err)
	}
	p.ram(mem)
	p.commit(root, mem, status["VmSize"])
	p.CgroupLimit, p.CgroupLeft = cgroupMemory(root)
	p.limits(root, status)
	if err := p.addresses(root); err != nil {
		return p, fmt.Errorf("measuring memory: %w", err)
	}
	p.finish()
	return p, nil
}

func (p *Probe) ram(mem map[string]uint64) {
	p.RAMTotal, p.SwapTotal, p.SwapFree = mem["MemTotal"], mem["SwapTotal"], mem["SwapFree"]
	available, ok := mem["MemAvailable"]
	if !ok { // older than Linux 3.14
		available = min(p.RAMTotal, mem["MemFree"]+mem["Buffers"]+mem["Cached"])
	}
	listed := mem["Active(file)"] + mem["Inactive(file)"] // which the kernel counts as available
	mem["files"] = mem["Buffers"] + mem["Cached"]
	offered := listed - pageCache(listed, mem, "files", "Shmem")
	p.RAMAvailable = available - min(available, offered)
}

// commit applies vm.overcommit_memory.
func (p *Probe) commit(root fs.FS, mem map[string]uint64, size uint64) {
	mode := number(root, "proc/sys/vm/overcommit_memory")
	switch mode {
	case 0:
		p.CommitLeft = p.RAMTotal + p.SwapTotal
	case 2:
		p.CommitLimit = mem["CommitLimit"]
		p.CommitLeft = p.CommitLimit - min(p.CommitLimit, mem["Committed_AS"])
		// The kernel keeps a reserve for the administrator, and one that grows with the process.
		admin := kilobytes(root, "proc/sys/vm/admin_reserve_kbytes")
		user := min(size/32, kilobytes(root, "proc/sys/vm/user_reserve_kbytes"))
		p.CommitLeft -= min(p.CommitLeft, admin+user)
	}
	p.CommitPossible, p.CommitPossibleLeft = p.CommitLimit, p.CommitLeft
	if mode <= 2 {
		p.Overcommit = int(mode)
	}
}

// limits reads the process's own limits.
func (p *Probe) limits(root fs.FS, status map[string]uint64) {
	f, err := root.Open("proc/self/limits")
	if err != nil {
		return
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		for _, l := range []struct {
			name        string
			used        uint64
			limit, left *uint64
		}{
			{"Max address space ", status["VmSize"], &p.AddressSpaceLimit, &p.AddressSpaceLeft},
			{"Max data size ", status["VmData"], &p.DataLimit, &p.DataLeft},
			{"Max locked memory ", status["VmLck"], &p.LockedLimit, &p.LockedLeft},
		} {
			rest, ok := strings.CutPrefix(s.Text(), l.name)
			if !ok {
				continue
			}
			// soft limit, hard limit, unit; or "unlimited"
			if n, err := strconv.ParseUint(firstField(rest), 10, 64); err == nil {
				*l.limit, *l.left = n, n-min(n, l.used)
			}
		}
	}
	if maySurpassLocks(root) {
		p.LockedLeft = Unlimited
	}
}

// maySurpassLocks reports whether the process has an effective CAP_IPC_LOCK, which counts only in
// the initial user namespace: the one that maps all users to themselves.
func maySurpassLocks(root fs.FS) bool {
	b, err := fs.ReadFile(root, "proc/self/uid_map")
	if err != nil || strings.Join(strings.Fields(string(b)), " ") != "0 0 4294967295" {
		return false
	}
	b, err = fs.ReadFile(root, "proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if caps, ok := strings.CutPrefix(line, "CapEff:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(caps), 16, 64)
			return err == nil && n>>unix.CAP_IPC_LOCK&1 == 1
		}
	}
	return false
}

// asksForMore: on Linux a refused request has no side effects.
const asksForMore = true

// locksMappings reports whether new mappings are locked (mlockall with MCL_FUTURE), so that commits
// become resident.
func locksMappings(sys space.System) bool {
	locked := func() uint64 {
		status, err := fields(os.DirFS("/"), "proc/self/status")
		if err != nil {
			return 0
		}
		return status["VmLck"]
	}
	before := locked()
	p, err := sys.Reserve(space.Granularity(), false, 0)
	if err != nil {
		return false // nothing will be committed then
	}
	after := locked()
	return sys.Release(p, space.Granularity(), false) != nil || after > before
}

// addresses reads the process's mappings.
func (p *Probe) addresses(root fs.FS) error {
	f, err := root.Open("proc/self/maps")
	if err != nil {
		return err
	}
	defer f.Close()
	end := number(root, "proc/sys/vm/mmap_min_addr")
	if end == Unlimited {
		end = 1 << 16
	}
	var count uint64
	var h freeRanges
	s := bufio.NewScanner(f)
	for s.Scan() {
		// begin-end permissions ...
		begin, rest, ok := strings.Cut(s.Text(), "-")
		a, err1 := strconv.ParseUint(begin, 16, 64)
		b, err2 := strconv.ParseUint(firstField(rest), 16, 64)
		if !ok || err1 != nil || err2 != nil {
			continue
		}
		if a >= 1<<63 {
			break // vsyscall, which belongs to the kernel
		}
		count++
		h.add(a - min(a, end))
		end = max(end, b)
	}
	if err := s.Err(); err != nil {
		return err
	}
	h.add(spaceEnd(end) - end)
	h.into(p)
	if most := number(root, "proc/sys/vm/max_map_count"); most != Unlimited {
		p.MappingsLimit, p.MappingsLeft = most, most-min(most, count)
	}
	return nil
}

// spaceEnd returns the end of the process's address space, given the end of its last mapping. That is
// the stack, or near it, at the end of a space whose width depends on the machine: 47 bits on
// amd64; 39, 48 or others on arm64. Wider spaces are used only on request.
func spaceEnd(last uint64) uint64 {
	end := uint64(1 << 32)
	for end < last {
		end <<= 1
	}
	return end
}

// fields parses lines of "name: number [kB]" or "name number".
func fields(root fs.FS, name string) (map[string]uint64, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := map[string]uint64{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			continue
		}
		if len(f) > 2 && f[2] == "kB" {
			n <<= 10
		}
		m[strings.TrimSuffix(f[0], ":")] = n
	}
	return m, s.Err()
}

// number reads a file with one number; Unlimited if there is no such file.
func number(root fs.FS, name string) uint64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return Unlimited
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return Unlimited
	}
	return n
}

// kilobytes reads a file with one number of KiB, in bytes; 0 if there is no such file.
func kilobytes(root fs.FS, name string) uint64 {
	if n := number(root, name); n < space.MostAddresses>>10 {
		return n << 10
	}
	return 0
}

func firstField(s string) string {
	s = strings.TrimLeft(s, " ")
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i]
	}
	return s
}
