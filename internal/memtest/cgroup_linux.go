package memtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// NewCgroup creates a control group for processes that may use limit bytes, page cache included, and
// no swap. The group is below this process's own; in version 2 it is beside that or beside an
// ancestor, since a group with processes cannot have child groups. Without the right to do so, the
// error is an [*Unsupported] with the reasons for both versions. Close the group when its processes
// have ended.
func NewCgroup(limit uint64) (*Cgroup, error) {
	n := strconv.FormatUint(limit, 10)
	c, err := newCgroup("memory", []setting{
		{"memory.limit_in_bytes", n, false},
		// This is enough to forbid swapping at the group's limit. A limit on memory.memsw would do so,
		// too, but some kernels count no failure when it is reached.
		{"memory.swappiness", "0", false},
	}, []setting{{"memory.max", n, false}, {"memory.swap.max", "0", true}})
	if err == nil {
		c.Limit = limit
	}
	return c, err
}

// NewProcessorGroup creates a control group whose processes together get the time of the given number
// of processors in each period of 100 ms. It has no memory limit. See [NewCgroup].
func NewProcessorGroup(processors float64) (*Cgroup, error) {
	const period = 100_000 // microseconds, the kernel's default
	quota := strconv.Itoa(int(processors * period))
	return newCgroup("cpu", []setting{{"cpu.cfs_period_us", strconv.Itoa(period), false}, {"cpu.cfs_quota_us", quota, false}},
		[]setting{{"cpu.max", quota + " " + strconv.Itoa(period), false}})
}

// setting is a value to be written to a file of a group.
type setting struct {
	file, text string
	optional   bool // the kernel may not have the file
}

func newCgroup(controller string, v1, v2 []setting) (*Cgroup, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, &Unsupported{Tool: "cgroup", Missing: "the kernel has no control groups", Err: err}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, &Unsupported{Tool: "cgroup", Missing: "/proc/self/mountinfo", Err: err}
	}
	c := &Cgroup{}
	err1 := c.makeV1(string(own), string(mounts), controller, v1)
	if err1 == nil {
		return c, nil
	}
	err2 := c.makeV2(string(own), string(mounts), controller, v2)
	if err2 == nil {
		return c, nil
	}
	return nil, &Unsupported{Tool: "cgroup", Missing: "a control group with a limit (" + controller + ")",
		Err: fmt.Errorf("version 1: %w; version 2: %w", err1, err2)}
}

func (c *Cgroup) makeV1(own, mounts, controller string, settings []setting) error {
	root, dir, err := cgroupDir(own, mounts, controller)
	if err != nil {
		return err
	}
	c.Version = 1
	if err := c.mkdir(root, dir); err != nil {
		return err
	}
	return c.set(settings)
}

func (c *Cgroup) makeV2(own, mounts, controller string, settings []setting) error {
	root, dir, err := cgroupDir(own, mounts, "")
	if err != nil {
		return err
	}
	c.Version = 2
	err = fmt.Errorf("no group from %s up to %s has %s in cgroup.subtree_control", dir, root, controller)
	for ; len(dir) >= len(root); dir = filepath.Dir(dir) {
		b, rerr := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		if rerr != nil || !slices.Contains(strings.Fields(string(b)), controller) {
			continue
		}
		if err = c.mkdir(root, dir); err == nil {
			return c.set(settings)
		}
	}
	return err
}

// set writes the settings of a new group. If that fails, it removes the group.
func (c *Cgroup) set(settings []setting) error {
	for _, s := range settings {
		if err := c.write(s.file, s.text); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			return errors.Join(err, os.Remove(c.Path))
		}
	}
	return nil
}

// cgroupDir returns the mount point of the hierarchy with a controller of version 1, or of version 2
// if controller is "", and the folder of this process's group in it.
func cgroupDir(own, mounts, controller string) (root, dir string, err error) {
	what := "hierarchy of version 2"
	if controller != "" {
		what = controller + " controller of version 1"
	}
	path, found := "", false
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && slices.Contains(strings.Split(f[1], ","), controller) {
			path, found = f[2], true
		}
	}
	if !found {
		return "", "", fmt.Errorf("no %s in /proc/self/cgroup", what)
	}
	for line := range strings.Lines(mounts) {
		// id parent dev root mountpoint options … - type source superoptions
		before, after, _ := strings.Cut(line, " - ")
		m, t := strings.Fields(before), strings.Fields(after)
		if len(m) < 5 || len(t) < 3 {
			continue
		}
		if controller == "" && t[0] != "cgroup2" ||
			controller != "" && (t[0] != "cgroup" || !slices.Contains(strings.Split(t[2], ","), controller)) {
			continue
		}
		// A container may have only a part of the hierarchy mounted.
		rel, err := filepath.Rel(m[3], path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
			rel = "."
		}
		return m[4], filepath.Join(m[4], rel), nil
	}
	return "", "", fmt.Errorf("the %s is not mounted", what)
}

func (c *Cgroup) mkdir(root, dir string) error {
	path, err := os.MkdirTemp(dir, "memtest-")
	if err != nil {
		return fmt.Errorf("making a group in %s (mounted at %s): %w", dir, root, err)
	}
	c.Path = path
	return nil
}

// Add moves the process pid with all its threads into the group. Memory that it has stays charged to
// the group that it had before.
func (c *Cgroup) Add(pid int) error { return c.write("cgroup.procs", strconv.Itoa(pid)) }

func (c *Cgroup) write(file, text string) error {
	// Not os.WriteFile, which would create or truncate the file.
	f, err := os.OpenFile(filepath.Join(c.Path, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("control group: writing %s: %w", text, err)
	}
	return nil
}

// Usage returns the current and past usage of the group and its descendants. It can be called until
// Close, also after the last process has ended.
func (c *Cgroup) Usage() (CgroupUsage, error) {
	var u CgroupUsage
	// Each figure is in a file of its own, or in a line "name number" of a file.
	figures := []struct {
		to         *uint64
		file, name string
		optional   bool
	}{
		{&u.Current, "memory.current", "", false},
		{&u.Peak, "memory.peak", "", true},
		{&u.Anon, "memory.stat", "anon", false},
		{&u.File, "memory.stat", "file", false},
		{&u.Swap, "memory.swap.current", "", true},
		{&u.Failures, "memory.events", "max", false},
		{&u.OOMKills, "memory.events", "oom_kill", false},
	}
	if c.Version == 1 {
		for i, f := range [][2]string{
			{"memory.usage_in_bytes"}, {"memory.max_usage_in_bytes"},
			{"memory.stat", "total_rss"}, {"memory.stat", "total_cache"}, {"memory.stat", "total_swap"},
			{"memory.failcnt"}, {"memory.oom_control", "oom_kill"},
		} {
			figures[i].file, figures[i].name = f[0], f[1]
			figures[i].optional = f[1] == "total_swap" || f[1] == "oom_kill" // Linux 4.13
		}
	}
	for _, f := range figures {
		n, err := c.read(f.file, f.name)
		if err != nil && !(f.optional && errors.Is(err, fs.ErrNotExist)) {
			return CgroupUsage{}, err
		}
		*f.to = n
	}
	return u, nil
}

func (c *Cgroup) read(file, name string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(c.Path, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if name == "" && len(f) == 1 || len(f) == 2 && f[0] == name {
			return strconv.ParseUint(f[len(f)-1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s in %s: %w", name, filepath.Join(c.Path, file), fs.ErrNotExist)
}

// Close kills the remaining processes of the group, drops its page cache and removes the group. It is
// safe to call it twice.
func (c *Cgroup) Close() error {
	const patience = 10 * time.Second // time that killed processes may need to end
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(c.Path, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				_ = unix.Kill(pid, unix.SIGKILL) // an error means that it has ended
			}
		}
		if c.Version == 1 {
			_ = c.write("memory.force_empty", "0") // pages that cannot be dropped move to the parent
		}
		err = unix.Rmdir(c.Path)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EBUSY || time.Now().After(deadline) {
			return fmt.Errorf("control group: removing %s: %w", c.Path, err)
		}
	}
}
