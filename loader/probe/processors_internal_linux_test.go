package probe

import (
	"runtime"
	"testing"
	"time"
)

func TestProcessorLimit(t *testing.T) {
	const v2 = "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	const v1 = "35 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n34 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	for _, tt := range []struct {
		name    string
		tree    tree
		want    float64
		limited bool
	}{
		{"no control groups", tree{}, 0, false},
		{"no quota", tree{"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 0, false},
		{"one and a half", tree{"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5, true},
		{"less in an ancestor", tree{"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/cpu.max": "20000 40000\n", "sys/fs/cgroup/a/b/cpu.max": "300000 100000\n"}, 0.5, true},
		{"version 1", tree{"proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/a\n", "proc/self/mountinfo": v1, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n"}, 2, true},
		{"version 1 without a quota", tree{"proc/self/cgroup": "3:cpu,cpuacct:/a\n", "proc/self/mountinfo": v1, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n"}, 0, false},
		{"a file of something else", tree{"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/cpu.max": "1 2 3\n"}, 0, false},
	} {
		if got, limited := cgroupProcessors(tt.tree.fs()); got != tt.want || limited != tt.limited {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, got, limited, tt.want, tt.limited)
		}
	}
}

func TestIdleTime(t *testing.T) {
	const stat = "cpu  100 0 0 900 100 0 0 0 0 0\ncpu0 50 0 0 500 60 0 0 0 0 0\ncpu1 50 0 0 400 40 0 0 0 0 0\nintr 5\n"
	for _, tt := range []struct {
		name    string
		allowed func(int) bool
		want    time.Duration
		ok      bool
	}{
		{"all processors", func(int) bool { return true }, 10 * time.Second, true},
		{"one of them", func(cpu int) bool { return cpu == 1 }, 4400 * time.Millisecond, true},
		{"none that is listed", func(cpu int) bool { return cpu == 7 }, 0, false},
	} {
		if got, ok := idleTime(stat, tt.allowed); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// A process that computes sees its own time grow by what it computed. The time that the system was idle
// may go back a little: proc(5) says so of iowait.
func TestReadProcessorTime(t *testing.T) {
	before, ok := ReadProcessorTime()
	if !ok {
		t.Fatal("the system does not tell")
	}
	for {
		now, ok := ReadProcessorTime()
		if !ok || now.Idle < before.Idle-time.Second || now.Own < before.Own {
			t.Fatalf("%+v, %v after %+v", now, ok, before)
		}
		if now.Own-before.Own > 20*time.Millisecond {
			return
		}
		runtime.Gosched()
	}
}

func TestRunnable(t *testing.T) {
	for text, want := range map[string]int{"0.01 0.31 0.24 1/92 7325\n": 1, "9.26 8.29 5.23 12/300 1\n": 12, "": -1, "1 2 3 x/y 4": -1} {
		if n, ok := runnableThreads(text); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
	own := tree{"proc/self/task/7/stat": "7 (infer) R 1 7", "proc/self/task/8/stat": "8 (a name) S 1 7", "proc/self/task/9/stat": "9 (infer) R 1 7", "proc/self/task/10/stat": ""}
	if n := ownRunnable(own.fs()); n != 2 {
		t.Errorf("%d threads of its own, want 2", n)
	}
	for _, tt := range []struct {
		list string
		most int // allowed
		want int
	}{{"0-3\n", 3, 4}, {"0,2-3\n", 9, 3}, {"0-3\n", 2, -1}, {"", 9, -1}, {"0-x", 9, -1}} {
		n, ok := listedProcessors(tt.list, func(cpu int) bool { return cpu <= tt.most })
		if ok != (tt.want >= 0) || ok && n != tt.want {
			t.Errorf("%q: %d, %v", tt.list, n, ok)
		}
	}
}
