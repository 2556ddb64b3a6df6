package probe

import (
	"testing"
	"testing/fstest"
	"time"
)

func TestStallsOfPressureFiles(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"some avg10=0.12 avg60=0.00 avg300=0.00 total=1234567\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n": 1234567 * time.Microsecond,
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n":                                                       0,
	} {
		if got, ok := stallOf(text); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "full total=1\n", "some avg10=1\n", "some total=x\n"} {
		if _, ok := stallOf(text); ok {
			t.Errorf("%q was understood", text)
		}
	}
}

func TestTheGroupThatCountsMemory(t *testing.T) {
	const v2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	const v1 = "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		dir   string
		v2    bool
	}{
		{"version 2", map[string]string{"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/b/memory.current": "1\n"}, "sys/fs/cgroup/a/b", true},
		{"version 1", map[string]string{"proc/self/cgroup": "5:memory:/a\n0::/\n", "proc/self/mountinfo": v1, "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1\n"}, "sys/fs/cgroup/memory/a", false},
		{"none", map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2}, "", false},
		{"nothing at all", nil, "", false},
	} {
		root := fstest.MapFS{}
		for name, text := range tt.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if dir, v2 := ownMemoryGroup(root); dir != tt.dir || v2 != tt.v2 {
			t.Errorf("%s: %q, %v", tt.name, dir, v2)
		}
	}
}

func TestPressureCanBeClosedTwice(t *testing.T) {
	p := WatchPressure()
	p.High()
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
