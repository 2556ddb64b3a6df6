package probe

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

func TestWaitingForFilesThatDoNotChangeEnds(t *testing.T) {
	if awaitEvents([]string{filepath.Join(t.TempDir(), "none")}, nil) != nil {
		t.Error("a file that is missing is waited for")
	}
	w := awaitEvents([]string{"/proc/version"}, func() { t.Error("a file that does not change has changed") })
	if w == nil {
		t.Skip("no /proc/version")
	}
	if w.changed(0) {
		t.Error("it has changed")
	}
	w.close()
}

// cgroup.events changes as memory.events does.
func TestWaitingForEventsOfAGroup(t *testing.T) {
	mounts := cgroupMounts(os.DirFS("/"), "memory")
	i := slices.IndexFunc(mounts, func(m cgroupMount) bool { return m.v2 })
	if i < 0 {
		t.Skip("control groups of version 2 are not mounted")
	}
	dir, err := os.MkdirTemp("/"+mounts[i].point, "infer-")
	if err != nil {
		t.Skip("no control group may be made:", err)
	}
	defer os.Remove(dir)
	told := make(chan struct{}, 1)
	w := awaitEvents([]string{filepath.Join(dir, "cgroup.events")}, func() {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	if w == nil {
		t.Fatal("its events can't be waited for")
	}
	defer w.close()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("no process can be started:", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		t.Skip("no process can be moved:", err)
	}
	<-told // it has a process
	in.Close()
	cmd.Wait()
	<-told // and has none
}
