package memtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCgroupDir(t *testing.T) {
	const v1 = "7:cpu,memory:/a/b\n0::/u\n"
	const mounts = "30 25 0:26 / /sys/fs/cgroup/cm rw - cgroup cgroup rw,cpu,memory\n" +
		"31 25 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
	for _, c := range []struct {
		name, own, mounts, controller string
		root, dir, err                string
	}{
		{"version 1, mounted with another controller", v1, mounts, "memory", "/sys/fs/cgroup/cm", "/sys/fs/cgroup/cm/a/b", ""},
		{"version 2", v1, mounts, "", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/u", ""},
		{"a container that is shown its own part", "0::/pod/x\n", "31 25 0:27 /pod /cg rw - cgroup2 none rw\n", "", "/cg", "/cg/x", ""},
		{"a path outside of what is mounted", "0::/../x\n", "31 25 0:27 /pod /cg rw - cgroup2 none rw\n", "", "/cg", "/cg", ""},
		{"no memory controller", "3:cpu:/\n", mounts, "memory", "", "", "no memory controller of version 1 in /proc/self/cgroup"},
		{"nothing mounted", v1, "", "", "", "", "the hierarchy of version 2 is not mounted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, dir, err := cgroupDir(c.own, c.mounts, c.controller)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if root != c.root || dir != c.dir || text != c.err {
				t.Errorf("got %q, %q, %q", root, dir, text)
			}
		})
	}
}

// TestCgroupVersion2 simulates version 2 with a tree of plain files, for machines with version 1.
func TestCgroupVersion2(t *testing.T) {
	root := t.TempDir()
	slice := filepath.Join(root, "user.slice")
	if err := os.MkdirAll(filepath.Join(slice, "session.scope"), 0o700); err != nil {
		t.Fatal(err)
	}
	mounts := "31 25 0:27 / " + root + " rw - cgroup2 none rw\n"
	c, limit := &Cgroup{}, []setting{{"memory.max", "1048576", false}}
	err := c.makeV2("0::/user.slice/session.scope\n", mounts, "memory", limit)
	if err == nil || !strings.Contains(err.Error(), "memory in cgroup.subtree_control") {
		t.Errorf("nobody hands memory down: %v", err)
	}
	if err := os.WriteFile(filepath.Join(slice, "cgroup.subtree_control"), []byte("cpu memory pids\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = c.makeV2("0::/user.slice/session.scope\n", mounts, "memory", limit)
	if filepath.Dir(c.Path) != slice || err == nil || !strings.Contains(err.Error(), "memory.max") {
		t.Errorf("the group is made beside the scope, where plain files have no limit: %q, %v", c.Path, err)
	}
	if _, err := os.Stat(c.Path); !os.IsNotExist(err) {
		t.Error("the group is left behind:", err)
	}

	c.Path, c.Version = t.TempDir(), 2
	for file, text := range map[string]string{
		"memory.current": "4096\n",
		"memory.stat":    "anon 100\nfile 200\nkernel 5\nfile_mapped 1\n",
		"memory.events":  "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n",
	} {
		if err := os.WriteFile(filepath.Join(c.Path, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u, err := c.Usage()
	if want := (CgroupUsage{Current: 4096, Anon: 100, File: 200, Failures: 7, OOMKills: 1}); err != nil || u != want {
		t.Errorf("got %+v, %v", u, err)
	}
}
