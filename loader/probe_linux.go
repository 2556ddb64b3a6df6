package loader

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

var commitRemedies = []string{"close other programs", "add swap or raise vm.overcommit_ratio", "use --load mmap: mappings of files are not charged"}

// userSpace is the end of a process's addresses: 47 bits wide on amd64, and no less
// than that where more can be asked for.
const userSpace = 1<<47 - 4096

// Measure looks at the limits of this process. It takes about a millisecond.
func Measure() (Probe, error) { return measure(os.DirFS("/")) }

// measure reads the files of a system's tree.
func measure(root fs.FS) (Probe, error) {
	p := Probe{CommitLimit: Unlimited, CommitLeft: Unlimited, CgroupLimit: Unlimited, CgroupLeft: Unlimited,
		AddressSpaceLimit: Unlimited, AddressSpaceLeft: Unlimited, DataLeft: Unlimited, MappingsLeft: Unlimited, PageSize: uint64(os.Getpagesize())}
	mem, err := fields(root, "proc/meminfo", ':')
	if err != nil {
		return p, err
	}
	p.RAMTotal, p.RAMAvailable = mem["MemTotal"], mem["MemAvailable"]
	p.SwapTotal, p.SwapFree = mem["SwapTotal"], mem["SwapFree"]
	status, err := fields(root, "proc/self/status", ':')
	if err != nil {
		return p, err
	}
	p.commit(mem, number(root, "proc/sys/vm/overcommit_memory"))
	p.CgroupLimit, p.CgroupLeft = cgroupMemory(root)
	p.limits(status)
	maps, err := fs.ReadFile(root, "proc/self/maps")
	if err != nil {
		return p, err
	}
	var count uint64
	p.LargestHole, count = largestHole(maps)
	if most := number(root, "proc/sys/vm/max_map_count"); most != Unlimited {
		p.MappingsLeft = most - min(most, count)
	}
	p.finish()
	return p, nil
}

// commit follows vm.overcommit_memory: 0 refuses a single block of more than RAM and
// swap together, 1 nothing, 2 what exceeds the commit limit.
func (p *Probe) commit(mem map[string]uint64, mode uint64) {
	p.CommitLimit = mem["CommitLimit"]
	switch mode {
	case 1:
		p.CommitLimit = Unlimited
	case 2:
		p.CommitLeft = p.CommitLimit - min(p.CommitLimit, mem["Committed_AS"])
	default:
		p.CommitLimit = p.RAMTotal + p.SwapTotal
		p.CommitLeft = p.CommitLimit
	}
}

// limits reads the process's own.
func (p *Probe) limits(status map[string]uint64) {
	for _, l := range []struct {
		resource int
		used     uint64
		limit    *uint64
		left     *uint64
	}{
		{unix.RLIMIT_AS, status["VmSize"], &p.AddressSpaceLimit, &p.AddressSpaceLeft},
		{unix.RLIMIT_DATA, status["VmData"], nil, &p.DataLeft},
	} {
		var r unix.Rlimit
		if unix.Getrlimit(l.resource, &r) != nil || r.Cur == unix.RLIM_INFINITY {
			continue
		}
		if l.limit != nil {
			*l.limit = r.Cur
		}
		*l.left = r.Cur - min(r.Cur, l.used)
	}
}

// largestHole reads a process's mappings.
func largestHole(maps []byte) (hole, count uint64) {
	end := uint64(1 << 16) // vm.mmap_min_addr
	for line := range bytes.Lines(maps) {
		from, rest, ok := strings.Cut(string(line), "-")
		to, _, ok2 := strings.Cut(rest, " ")
		a, err1 := strconv.ParseUint(from, 16, 64)
		b, err2 := strconv.ParseUint(to, 16, 64)
		if !ok || !ok2 || err1 != nil || err2 != nil {
			continue
		}
		count++
		if a > userSpace {
			break // vsyscall
		}
		hole = max(hole, a-min(a, end))
		end = max(end, b)
	}
	return max(hole, userSpace-min(userSpace, end)), count
}

// cgroupMemory returns the smallest memory limit of the process's control groups and
// all their ancestors, and the least that is left in one of them.
func cgroupMemory(root fs.FS) (limit, left uint64) {
	limit, left = Unlimited, Unlimited
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return
	}
	mounts := cgroupMounts(root)
	for line := range strings.Lines(string(own)) {
		// hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		v2 := parts[0] == "0" && parts[1] == ""
		if !v2 && !contains(parts[1], "memory") {
			continue
		}
		for _, m := range mounts {
			if m.v2 != v2 || !v2 && !m.memory {
				continue
			}
			// A mount shows the hierarchy from its root down; inside a namespace the
			// own path may lie outside of it.
			sub, ok := strings.CutPrefix(parts[2], strings.TrimSuffix(m.root, "/"))
			if !ok {
				sub = ""
			}
			for dir := path.Join(m.point, sub); strings.HasPrefix(dir+"/", m.point+"/"); dir = path.Dir(dir) {
				l, used := cgroupUse(root, dir, v2)
				limit = min(limit, l)
				if l != Unlimited {
					left = min(left, l-min(l, used))
				}
			}
		}
	}
	return limit, left
}

// cgroupUse reads a group's limit and what of its usage cannot be reclaimed.
func cgroupUse(root fs.FS, dir string, v2 bool) (limit, used uint64) {
	stat, _ := fields(root, path.Join(dir, "memory.stat"), ' ')
	if v2 {
		limit = min(number(root, path.Join(dir, "memory.max")), number(root, path.Join(dir, "memory.high")))
		used = number(root, path.Join(dir, "memory.current"))
		return limit, used - min(used, stat["inactive_file"]+stat["active_file"])
	}
	limit = number(root, path.Join(dir, "memory.limit_in_bytes"))
	if limit >= 1<<62 { // how version 1 says none
		limit = Unlimited
	}
	used = number(root, path.Join(dir, "memory.usage_in_bytes"))
	return limit, used - min(used, stat["total_inactive_file"]+stat["total_active_file"])
}

type cgroupMount struct {
	root, point string
	v2, memory  bool
}

func cgroupMounts(root fs.FS) (mounts []cgroupMount) {
	info, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(info)) {
		// 36 35 98:0 ROOT POINT options... - TYPE source super-options
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 1 || g[0] != "cgroup" && g[0] != "cgroup2" {
			continue
		}
		super := g[len(g)-1]
		mounts = append(mounts, cgroupMount{root: f[3], point: strings.TrimPrefix(f[4], "/"), v2: g[0] == "cgroup2", memory: contains(super, "memory")})
	}
	return mounts
}

func contains(list, item string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == item {
			return true
		}
	}
	return false
}

// fields reads lines of "name<sep> number [kB]".
func fields(root fs.FS, name string, sep byte) (map[string]uint64, error) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	m := map[string]uint64{}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		key, rest, ok := strings.Cut(s.Text(), string(sep))
		f := strings.Fields(rest)
		if !ok || len(f) == 0 {
			continue
		}
		n, err := strconv.ParseUint(f[0], 10, 64)
		if err != nil {
			continue
		}
		if len(f) > 1 && f[1] == "kB" {
			n <<= 10
		}
		m[key] = n
	}
	return m, nil
}

// number reads a file with one number; Unlimited where there is none.
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
