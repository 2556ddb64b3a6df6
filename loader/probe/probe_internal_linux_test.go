package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
)

// tree is a system's files by their paths.
type tree map[string]string

// base is a system with 8 GiB of RAM, 6 of them available, 2 GiB of swap, and no limits.
func base() tree {
	return tree{
		"proc/meminfo": "MemTotal:        8388608 kB\nMemFree:         1048576 kB\nMemAvailable:    6291456 kB\nBuffers:          524288 kB\n" +
			"Cached:          2097152 kB\nSwapTotal:       2097152 kB\nSwapFree:        1048576 kB\nCommitLimit:     6291456 kB\nCommitted_AS:    2097152 kB\nHugePages_Total:       0\n",
		"proc/self/status": "Name:\tinfer\nVmPeak:\t 1048576 kB\nVmSize:\t 1048576 kB\nVmData:\t  262144 kB\nVmRSS:\t    4096 kB\n",
		"proc/self/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max data size             unlimited            unlimited            bytes     \nMax address space         unlimited            unlimited            bytes     \n",
		"proc/self/maps": "00400000-00500000 r-xp 00000000 08:01 42                         /bin/infer\n" +
			"7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \n7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n" +
			"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
		"proc/self/cgroup":                 "0::/\n",
		"proc/self/mountinfo":              "31 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
		"proc/sys/vm/overcommit_memory":    "0\n",
		"proc/sys/vm/max_map_count":        "65530\n",
		"proc/sys/vm/mmap_min_addr":        "65536\n",
		"proc/sys/vm/admin_reserve_kbytes": "8192\n",
		"proc/sys/vm/user_reserve_kbytes":  "131072\n",
	}
}

func (t tree) with(other tree) tree {
	t = maps.Clone(t)
	maps.Copy(t, other)
	return t
}

func (t tree) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range t {
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

func TestProbe(t *testing.T) {
	const gib = 1 << 30
	with := base().with
	replaced := func(name, old, new string) tree {
		content := base()[name]
		if !strings.Contains(content, old) {
			panic(old)
		}
		return with(tree{name: strings.Replace(content, old, new, 1)})
	}
	// A granted block has a guard on both sides.
	guarded := func(n uint64) uint64 { return n - space.Guards() }
	for _, tt := range []struct {
		name      string
		tree      tree
		want      func(p Probe) [][2]uint64 // pairs of got and want
		free      uint64
		by        Limit
		available uint64
		bounded   Limit
	}{
		{
			name: "heuristic overcommit refuses a block of more than RAM and swap", tree: base(),
			want: func(p Probe) [][2]uint64 {
				return [][2]uint64{
					{p.RAMTotal, 8 * gib}, {p.RAMAvailable, 6 * gib}, {p.SwapTotal, 2 * gib}, {p.SwapFree, 1 * gib},
					{p.CommitLimit, Unlimited}, {p.CgroupLimit, Unlimited}, {p.CgroupLeft, Unlimited}, {p.AddressSpaceLeft, Unlimited}, {p.DataLeft, Unlimited},
					{p.MappingsLimit, 65530}, {p.MappingsLeft, 65527}, {p.LargestHole, 0x7f0000000000 - 0x500000},
					{p.Holes, 4}, {p.FreeAddresses, 1<<47 - 65536 - 1<<20 - 1<<20 - 0x21000}, {p.LockedLimit, Unlimited}, {p.LockedLeft, Unlimited},
				}
			},
			free: 10 * gib, by: LimitCommit, available: 6 * gib, bounded: LimitRAM,
		},
		{
			name: "overcommit of everything leaves the address space", tree: with(tree{"proc/sys/vm/overcommit_memory": "1\n"}),
			free: guarded(0x7f0000000000 - 0x500000), by: LimitHole, available: 6 * gib, bounded: LimitRAM,
		},
		{
			name: "strict overcommit leaves what is not promised, less the reserves", tree: with(tree{"proc/sys/vm/overcommit_memory": "2\n"}),
			want: func(p Probe) [][2]uint64 { return [][2]uint64{{p.CommitLimit, 6 * gib}} },
			free: 4*gib - 8*spacetest.MiB - 32*spacetest.MiB, by: LimitCommit, available: 4*gib - 8*spacetest.MiB - 32*spacetest.MiB, bounded: LimitCommit,
		},
		{
			name: "what is promised beyond the limit leaves nothing",
			tree: replaced("proc/meminfo", "Committed_AS:    2097152", "Committed_AS:    9097152").with(tree{"proc/sys/vm/overcommit_memory": "2\n"}),
			free: 0, by: LimitCommit, available: 0, bounded: LimitCommit,
		},
		{
			name: "old kernels do not say what is available", tree: replaced("proc/meminfo", "MemAvailable:    6291456 kB\n", ""),
			free: 10 * gib, by: LimitCommit, available: 3*gib + gib/2, bounded: LimitRAM,
		},
		{
			name: "the limit of the address space", tree: replaced("proc/self/limits", "Max address space         unlimited", "Max address space         3221225472"),
			want: func(p Probe) [][2]uint64 { return [][2]uint64{{p.AddressSpaceLimit, 3 * gib}} },
			free: guarded(2 * gib), by: LimitAddresses, available: 2 * gib, bounded: LimitAddresses,
		},
		{
			name: "the limit of data", tree: replaced("proc/self/limits", "Max data size             unlimited", "Max data size             1073741824"),
			want: func(p Probe) [][2]uint64 { return [][2]uint64{{p.DataLimit, 1 * gib}} },
			free: gib - 256*spacetest.MiB, by: LimitData, available: gib - 256*spacetest.MiB, bounded: LimitData,
		},
		{
			name: "a limit below what is used leaves nothing", tree: replaced("proc/self/limits", "Max address space         unlimited", "Max address space         4096"),
			free: 0, by: LimitAddresses, available: 0, bounded: LimitAddresses,
		},
		{
			name: "a fragmented address space", tree: with(tree{"proc/self/maps": "00010000-7fff00000000 ---p 00000000 00:00 0 \n7fff10000000-7ffffffff000 ---p 00000000 00:00 0 \n"}),
			free: guarded(256 * spacetest.MiB), by: LimitHole, available: 6 * gib, bounded: LimitRAM,
		},
		{
			name: "too many mappings", tree: with(tree{"proc/sys/vm/max_map_count": "4\n"}),
			want: func(p Probe) [][2]uint64 { return [][2]uint64{{p.MappingsLeft, 1}} },
			free: 0, by: LimitMappings, available: 6 * gib, bounded: LimitRAM,
		},
		{
			name: "a control group", tree: with(tree{"sys/fs/cgroup/memory.max": "2147483648\n", "sys/fs/cgroup/memory.current": "1073741824\n", "sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 268435456\nactive_file 0\n"}),
			want: func(p Probe) [][2]uint64 { return [][2]uint64{{p.CgroupLimit, 2 * gib}} },
			free: gib + 256*spacetest.MiB, by: LimitGroup, available: gib + 256*spacetest.MiB, bounded: LimitGroup,
		},
		{
			name: "private pages that were offered are not available", tree: replaced("proc/meminfo", "SwapTotal:", "Active(file):    2097152 kB\nInactive(file):  1835008 kB\nShmem:  262144 kB\nSwapTotal:").with(tree{"proc/sys/vm/overcommit_memory": "1\n"}),
			want: func(p Probe) [][2]uint64 { return [][2]uint64{{p.RAMAvailable, 4*gib + 512*spacetest.MiB}} },
			free: guarded(0x7f0000000000 - 0x500000), by: LimitHole, available: 4*gib + 512*spacetest.MiB, bounded: LimitRAM,
		},
		{
			name: "a machine of 39 bits", tree: with(tree{"proc/sys/vm/overcommit_memory": "1\n", "proc/self/maps": "5555550000-5555560000 r-xp 00000000 08:01 42 /bin/infer\n7ff0000000-7ff0010000 rw-p 00000000 00:00 0 [stack]\n"}),
			free: guarded(0x5555550000 - 65536), by: LimitHole, available: 6 * gib, bounded: LimitRAM,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := measure(tt.tree.fs())
			if err != nil {
				t.Fatal(err)
			}
			if p.LargestFreeBlock != tt.free || p.LimitedBy != tt.by {
				t.Errorf("largest free block %d by the %s, want %d by the %s", p.LargestFreeBlock, p.LimitedBy, tt.free, tt.by)
			}
			if n, by := p.Available(); n != tt.available || by != tt.bounded {
				t.Errorf("available %d by the %s, want %d by the %s", n, by, tt.available, tt.bounded)
			}
			if tt.want != nil {
				for i, pair := range tt.want(p) {
					if pair[0] != pair[1] {
						t.Errorf("figure %d is %d, want %d", i, pair[0], pair[1])
					}
				}
			}
		})
	}
}

func TestProbeOfLockedMemory(t *testing.T) {
	limits := base()["proc/self/limits"] + "Max locked memory         8388608              8388608              bytes     \n"
	locks := base()["proc/self/status"] + "VmLck:\t    1024 kB\n"
	const all = "         0          0 4294967295\n"
	for _, tt := range []struct {
		name, status, users string
		limit, left         uint64
	}{
		{"a limit, and something locked", locks, all, 8 << 20, 7 << 20},
		{"nothing locked", base()["proc/self/status"], all, 8 << 20, 8 << 20},
		{"more locked than the limit", strings.Replace(locks, "1024 kB", "10240 kB", 1), all, 8 << 20, 0},
		{"the right to lock more", locks + "CapEff:\t000001ffffffffff\n", all, 8 << 20, Unlimited},
		{"that right alone, in digits that read like a decimal number", locks + "CapEff:\t0000000000004000\n", all, 8 << 20, Unlimited},
		{"all rights but that one", locks + "CapEff:\t000001ffffffbfff\n", all, 8 << 20, 7 << 20},
		{"that right in a user namespace, where it does not count", locks + "CapEff:\t000001ffffffffff\n", "0 1000 1\n", 8 << 20, 7 << 20},
		{"nonsense for rights", locks + "CapEff:\tall\n", all, 8 << 20, 7 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := measure(base().with(tree{"proc/self/limits": limits, "proc/self/status": tt.status, "proc/self/uid_map": tt.users}).fs())
			if err != nil || p.LockedLimit != tt.limit || p.LockedLeft != tt.left {
				t.Errorf("limit %d, left %d, want %d, %d; %v", p.LockedLimit, p.LockedLeft, tt.limit, tt.left, err)
			}
		})
	}
}

func TestProbeCountsHolesBySize(t *testing.T) {
	var maps strings.Builder
	at := uint64(65536)
	mapping := func(hole uint64) {
		at += hole
		fmt.Fprintf(&maps, "%x-%x rw-p 00000000 00:00 0 \n", at, at+4096)
		at += 4096
	}
	for range 30000 {
		mapping(0)
		mapping(4096)
	}
	for range 5 {
		mapping(160 << 20)
	}
	mapping(1 << 32)
	maps.WriteString("not a mapping\n")
	p, err := measure(base().with(tree{"proc/self/maps": maps.String()}).fs())
	if err != nil {
		t.Fatal(err)
	}
	end := uint64(1 << 33) // of a space that holds all of it
	want := []HoleClass{{4096, 30000, 30000 * 4096}, {128 << 20, 5, 5 * 160 << 20}, {1 << 31, 1, end - at}, {1 << 32, 1, 1 << 32}}
	if !slices.Equal(p.HoleSizes, want) || p.Holes != 30007 || p.LargestHole != 1<<32 || p.FreeAddresses != 30000*4096+5*160<<20+1<<32+end-at {
		t.Errorf("%d holes, %d bytes, the largest %d: %v, want %v", p.Holes, p.FreeAddresses, p.LargestHole, p.HoleSizes, want)
	}
}

func TestControlGroups(t *testing.T) {
	const v2 = "31 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	const v1 = "35 31 0:31 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n34 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	const none = "9223372036854771712\n" // how version 1 says it
	for _, tt := range []struct {
		name        string
		tree        tree
		limit, left uint64
	}{
		{"no control groups", tree{"proc/self/cgroup": ""}, Unlimited, Unlimited},
		{"version 2 without a limit", tree{
			"proc/self/cgroup": "0::/user/infer\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/user/infer/memory.max": "max\n", "sys/fs/cgroup/user/infer/memory.current": "5000\n",
		}, Unlimited, Unlimited},
		{"version 2, its own limit", tree{
			"proc/self/cgroup": "0::/user/infer\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/user/infer/memory.max": "1000000\n", "sys/fs/cgroup/user/infer/memory.current": "400000\n",
			"sys/fs/cgroup/user/infer/memory.stat": "anon 300000\nfile 100000\ninactive_file 60000\nactive_file 40000\n",
		}, 1000000, 700000},
		{"version 2, pages that were offered are no page cache", tree{
			"proc/self/cgroup": "0::/user/infer\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/user/infer/memory.max": "1000000\n", "sys/fs/cgroup/user/infer/memory.current": "400000\n",
			"sys/fs/cgroup/user/infer/memory.stat": "anon 300000\nfile 100000\nshmem 30000\ninactive_file 160000\nactive_file 40000\n",
		}, 1000000, 670000},
		{"version 2, an ancestor's limit", tree{
			"proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/memory.max": "500000\n", "sys/fs/cgroup/a/memory.current": "400000\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/c/memory.max": "900000\n", "sys/fs/cgroup/a/b/c/memory.current": "100000\n",
		}, 500000, 100000},
		{"version 2, the smallest limit need not leave the least", tree{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/memory.max": "1000000\n", "sys/fs/cgroup/a/memory.current": "999000\n",
			"sys/fs/cgroup/a/b/memory.max": "500000\n", "sys/fs/cgroup/a/b/memory.current": "1000\n",
		}, 500000, 1000},
		{"version 2, slowed down above a limit", tree{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/memory.max": "1000000\n", "sys/fs/cgroup/a/memory.high": "600000\n", "sys/fs/cgroup/a/memory.current": "100000\n",
		}, 600000, 500000},
		{"more used than the limit leaves nothing", tree{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/memory.max": "1000\n", "sys/fs/cgroup/a/memory.current": "2000\n",
		}, 1000, 0},
		{"version 1 without a limit", tree{
			"proc/self/cgroup": "4:memory:/infer\n3:cpu,cpuacct:/\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/infer/memory.limit_in_bytes": none, "sys/fs/cgroup/memory/infer/memory.usage_in_bytes": "5000\n",
			"sys/fs/cgroup/memory/infer/memory.stat": "hierarchical_memory_limit " + none,
		}, Unlimited, Unlimited},
		{"version 1, its own limit", tree{
			"proc/self/cgroup": "4:cpu,memory:/infer\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/infer/memory.limit_in_bytes": "1000000\n", "sys/fs/cgroup/memory/infer/memory.usage_in_bytes": "500000\n",
			"sys/fs/cgroup/memory/infer/memory.stat": "cache 200000\ninactive_file 1\ntotal_inactive_file 150000\ntotal_active_file 50000\n",
		}, 1000000, 700000},
		{"version 1, pages that were offered are no page cache", tree{
			"proc/self/cgroup": "4:memory:/infer\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/infer/memory.limit_in_bytes": "1000000\n", "sys/fs/cgroup/memory/infer/memory.usage_in_bytes": "500000\n",
			"sys/fs/cgroup/memory/infer/memory.stat": "total_cache 120000\ntotal_shmem 20000\ntotal_inactive_file 150000\ntotal_active_file 50000\n",
		}, 1000000, 600000},
		{"version 1, nested", tree{
			"proc/self/cgroup": "4:memory:/a/b/c\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": none, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "700000\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "100000\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": none, "sys/fs/cgroup/memory/a/b/c/memory.limit_in_bytes": none,
		}, 700000, 600000},
		{"hybrid: memory in version 1, the rest in version 2", tree{
			"proc/self/cgroup": "4:memory:/infer\n1:name=systemd:/\n0::/\n", "proc/self/mountinfo": v1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory/infer/memory.limit_in_bytes": "1000000\n", "sys/fs/cgroup/memory/infer/memory.usage_in_bytes": "0\n", "sys/fs/cgroup/unified/cgroup.procs": "",
		}, 1000000, 1000000},
		{"version 1 in a container: the mount shows its own group as the top", tree{
			"proc/self/cgroup": "4:memory:/docker/abc\n", "proc/self/mountinfo": "35 31 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000\n",
		}, 1000000, 999000},
		{"version 1 in a container: a limit outside of what it can see", tree{
			"proc/self/cgroup": "4:memory:/pod/abc\n", "proc/self/mountinfo": "35 31 0:31 /pod/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": none, "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000\n",
			"sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 800000\n",
		}, 800000, 799000},
		{"a group below a container's", tree{
			"proc/self/cgroup": "4:memory:/docker/abc/job\n", "proc/self/mountinfo": "35 31 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "0\n",
			"sys/fs/cgroup/memory/job/memory.limit_in_bytes": "300000\n", "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "0\n",
		}, 300000, 300000},
		{"a group whose name only begins like another's", tree{
			"proc/self/cgroup": "0::/abcdef\n", "proc/self/mountinfo": "30 23 0:27 /abc /mnt/abc rw - cgroup2 cgroup2 rw\n" + v2,
			"mnt/abc/memory.max": "1\n", "mnt/abc/def/memory.max": "1\n", "sys/fs/cgroup/abcdef/memory.max": "1000\n", "sys/fs/cgroup/abcdef/memory.current": "0\n",
		}, 1000, 1000},
		{"a namespace: paths are relative to it", tree{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/memory.max": "1000000\n", "sys/fs/cgroup/memory.current": "10\n",
		}, 1000000, 999990},
		{"a namespace: the hierarchy was mounted outside of it", tree{
			"proc/self/cgroup": "0::/job\n", "proc/self/mountinfo": "31 23 0:27 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory.max": "1000000\n", "sys/fs/cgroup/memory.current": "10\n",
		}, 1000000, 999990},
		{"a namespace: mounted outside, and the group's folder is there", tree{
			"proc/self/cgroup": "0::/job\n", "proc/self/mountinfo": "31 23 0:27 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/job/memory.max": "2000\n", "sys/fs/cgroup/job/memory.current": "500\n",
		}, 2000, 1500},
		{"a namespace: the process was moved out of it", tree{
			"proc/self/cgroup": "0::/../other\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "0\n",
		}, 1000, 1000},
		{"mounted elsewhere, under a name with a space", tree{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": "31 23 0:27 / /my\\040groups rw - cgroup2 none rw\n",
			"my groups/a/memory.max": "1000\n", "my groups/a/memory.current": "0\n",
		}, 1000, 1000},
		{"a name with a colon", tree{
			"proc/self/cgroup": "0::/a:b\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a:b/memory.max": "1000\n", "sys/fs/cgroup/a:b/memory.current": "0\n",
		}, 1000, 1000},
		{"nothing mounted", tree{"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": "", "sys/fs/cgroup/a/memory.max": "1\n"}, Unlimited, Unlimited},
		{"nonsense", tree{
			"proc/self/cgroup": "\n:\n0::\n4:memory\n::::\n4:memory:../../x\n", "proc/self/mountinfo": "\n-\n - \na b c d e - cgroup2\n35 31 0:31 \\ \\9 rw - cgroup cgroup rw,memory\n1 2 3 / / rw - cgroup2 x rw\n",
			"memory.max": "-5\n",
		}, Unlimited, Unlimited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			limit, left := cgroupMemory(tt.tree.fs())
			if limit != tt.limit || left != tt.left {
				t.Errorf("limit %d, left %d, want %d, %d", limit, left, tt.limit, tt.left)
			}
		})
	}
}

func TestProbeWithoutTheSystemsFilesIsAnError(t *testing.T) {
	for _, name := range []string{"proc/meminfo", "proc/self/status", "proc/self/maps"} {
		tr := base()
		delete(tr, name)
		var missing *fs.PathError
		if _, err := measure(tr.fs()); !errors.As(err, &missing) || missing.Path != name {
			t.Errorf("without %s: %v", name, err)
		}
	}
	tr := base()
	for name := range tr {
		if strings.HasPrefix(name, "proc/sys/") || name == "proc/self/limits" || name == "proc/self/cgroup" {
			delete(tr, name)
		}
	}
	p, err := measure(tr.fs())
	if err != nil || p.Overcommit != -1 || p.CommitLeft != Unlimited {
		t.Errorf("without what need not be there: %+v, %v", p, err)
	}
}

func TestProbeInJSONHasNullForWhatThereIsNot(t *testing.T) {
	p, err := measure(base().fs())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if v, ok := got["cgroup_limit_bytes"]; !ok || v != nil {
		t.Errorf("%s", b)
	}
	if got["ram_total_bytes"] != float64(8<<30) || got["limited_by"] != string(LimitCommit) || got["overcommit_mode"] != 0.0 {
		t.Errorf("%s", b)
	}
	for _, name := range []string{"largest_free_block_bytes", "ram_available_bytes", "commit_left_bytes", "cgroup_left_bytes", "address_space_left_bytes", "largest_hole_bytes", "locked_left_bytes", "hole_sizes", "confirmed"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing in %s", name, b)
		}
	}
	if b, _ := json.Marshal(unlimited()); !strings.Contains(string(b), `"overcommit_mode":null`) || !strings.Contains(string(b), `"hole_sizes":null`) {
		t.Errorf("%s", b)
	}
}

func TestMeasureThisMachine(t *testing.T) {
	p, err := Measure()
	if err != nil {
		t.Fatal(err)
	}
	if p.RAMTotal == 0 || p.RAMAvailable > p.RAMTotal || p.LargestFreeBlock == 0 || p.LimitedBy == "" || p.LargestHole < 1<<30 || p.PageSize != uint64(os.Getpagesize()) {
		t.Errorf("%+v", p)
	}
}

// A refusal is attributed to the limit that the probe finds short.
func TestBlame(t *testing.T) {
	plenty := Probe{
		CommitLeft: 1 << 40, CgroupLeft: 1 << 40, AddressSpaceLeft: 1 << 40, DataLeft: 1 << 40, LargestHole: 1 << 40, MappingsLeft: 1000,
		LargestFreeBlock: 1 << 40, LimitedBy: LimitCommit,
	}
	for _, tt := range []struct {
		name  string
		op    Operation
		named Limit
		set   func(p *Probe)
		want  LimitLeft
	}{
		{"nothing is short", Committing, "", func(*Probe) {}, LimitLeft{"", 1 << 40}},
		{"the system names it", Committing, LimitCommit, func(*Probe) {}, LimitLeft{LimitCommit, 1 << 40}},
		{"commit", Committing, "", func(p *Probe) { p.CommitLeft = 1000 }, LimitLeft{LimitCommit, 1000}},
		{"data", Committing, "", func(p *Probe) { p.DataLeft = 500; p.CommitLeft = 1000 }, LimitLeft{LimitData, 500}},
		{"the group", Committing, "", func(p *Probe) { p.CgroupLeft = 0 }, LimitLeft{LimitGroup, 0}},
		{"mappings", Committing, "", func(p *Probe) { p.MappingsLeft = 2 }, LimitLeft{LimitMappings, 0}},
		{"a hole does not refuse commits", Committing, "", func(p *Probe) { p.LargestHole = 0 }, LimitLeft{"", 1 << 40}},
		{"a hole", Reserving, "", func(p *Probe) { p.LargestHole = 8192 + space.Guards() }, LimitLeft{LimitHole, 8192}},
		{"addresses", Reserving, "", func(p *Probe) { p.AddressSpaceLeft = 100; p.LargestHole = 1 << 19 }, LimitLeft{LimitAddresses, 100}},
		{"commit does not refuse addresses", Reserving, "", func(p *Probe) { p.CommitLeft = 0 }, LimitLeft{"", 1 << 40}},
		{"mappings refuse files too", Mapping, "", func(p *Probe) { p.MappingsLeft = 0 }, LimitLeft{LimitMappings, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plenty
			tt.set(&p)
			if got := p.Blame(tt.op, 1<<20, tt.named); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
