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

// NewCgroup makes a control group below this process's own (version 2: beside it, or
// beside an ancestor, because a group with processes cannot have others below it)
// whose processes may use limit bytes, page cache included, and no swap. Where this
// process may not do that it returns an [*Unsupported] that says why, for each version.
// Close the group when its processes are done.
func NewCgroup(limit uint64) (*Cgroup, error) {
	n := strconv.FormatUint(limit, 10)
	c, err := newCgroup("memory", []setting{
		{"memory.limit_in_bytes", n, false},
		// Enough to forbid swapping at a group's limit. A limit on memory.memsw would do
		// as well, but where it is the one that is hit some kernels count no failure.
		{"memory.swappiness", "0", false},
	}, []setting{{"memory.max", n, false}, {"memory.swap.max", "0", true}})
	if err == nil {
		c.Limit = limit
	}
	return c, err
}

// NewProcessorGroup is [NewCgroup] of a group whose processes together may compute for as
// long as so many processors could, in each tenth of a second. It counts no memory.
func NewProcessorGroup(processors float64) (*Cgroup, error) {
	const period = 100_000 // microseconds, the kernel's default
	quota := strconv.Itoa(int(processors * period))
	return newCgroup("cpu", []setting{{"cpu.cfs_period_us", strconv.Itoa(period), false}, {"cpu.cfs_quota_us", quota, false}},
		[]setting{{"cpu.max", quota + " " + strconv.Itoa(period), false}})
}

// setting is what to write into a file of a group.
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

// set writes the settings of a new group, and removes it where that fails.
func (c *Cgroup) set(settings []setting) error {
	for _, s := range settings {
		if err := c.write(s.file, s.text); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			return errors.Join(err, os.Remove(c.Path))
		}
	}
	return nil
}

// cgroupDir finds the mount of the hierarchy with the given version 1 controller, or
// of version 2 for "", and this process's folder in it.
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
		// A container may be shown a part of the hierarchy only.
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

// Add moves the process pid, all of its threads, into the group. Memory that it has
// already stays charged to the group it comes from.
func (c *Cgroup) Add(pid int) error { return c.write("cgroup.procs", strconv.Itoa(pid)) }

func (c *Cgroup) write(file, text string) error {
	// Not WriteFile: the file must be there, and is never truncated.
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

// Usage reads what the group uses and has used, descendants included. It stays
// readable after the last process has ended, until Close.
func (c *Cgroup) Usage() (CgroupUsage, error) {
	var u CgroupUsage
	// Each figure is a file of one number, or a line "name number" of a file.
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

// Close kills the processes that are left in the group, gives its page cache back and
// removes it. Closing twice does nothing.
func (c *Cgroup) Close() error {
	const patience = 10 * time.Second // a killed process takes a while to be gone
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(c.Path, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				_ = unix.Kill(pid, unix.SIGKILL) // gone already is fine
			}
		}
		if c.Version == 1 {
			_ = c.write("memory.force_empty", "0") // what cannot be dropped moves to the parent
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
