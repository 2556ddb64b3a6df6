package probe

import (
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cgroupMemory returns the smallest memory limit of the process's control groups, of both versions
// and with all visible ancestors, and the least that one of them leaves.
func cgroupMemory(root fs.FS) (limit, left uint64) {
	limit, left = Unlimited, Unlimited
	for dirs, v2 := range controlGroups(root, "memory") {
		for _, dir := range dirs {
			l, used := cgroupUse(root, dir, v2)
			limit = min(limit, l)
			if l != Unlimited {
				left = min(left, l-min(l, used))
			}
		}
	}
	return limit, left
}

// controlGroups yields the folders of the process's control groups for a controller, of both
// versions, each followed by its visible ancestors.
func controlGroups(root fs.FS, controller string) iter.Seq2[[]string, bool] {
	return func(yield func(dirs []string, v2 bool) bool) {
		own, err := fs.ReadFile(root, "proc/self/cgroup")
		if err != nil {
			return
		}
		mounts := cgroupMounts(root, controller)
		for line := range strings.Lines(string(own)) {
			v2, group, ok := ownGroup(line, controller)
			if !ok {
				continue
			}
			if dirs := cgroupFolders(root, mounts, v2, group); len(dirs) > 0 && !yield(dirs, v2) {
				return
			}
		}
	}
}

// ownGroup parses a line of /proc/self/cgroup, hierarchy:controllers:path; ok is false for other
// controllers.
func ownGroup(line, controller string) (v2 bool, group string, ok bool) {
	parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
	if len(parts) != 3 {
		return false, "", false
	}
	v2 = parts[0] == "0" && parts[1] == ""
	return v2, parts[2], v2 || slices.Contains(strings.Split(parts[1], ","), controller)
}

// cgroupFolders lists the folders of a control group and its ancestors as far as mounts show them,
// the group's own first.
func cgroupFolders(root fs.FS, mounts []cgroupMount, v2 bool, group string) (dirs []string) {
	var top, sub string
	found := false
	for _, m := range mounts {
		if m.v2 != v2 {
			continue
		}
		// A mount shows a hierarchy from one of its groups on: in a container without its own
		// namespace, from the container's group. Use the mount that shows most ancestors.
		if rest, ok := below(group, m.root); ok {
			if !found || len(rest) > len(sub) {
				top, sub = m.point, rest
			}
			found = true
		}
	}
	if !found {
		// Paths and mounts are of different namespaces. Assume that the first mount is the
		// hierarchy, and that the group is below it if its folder exists.
		i := slices.IndexFunc(mounts, func(m cgroupMount) bool { return m.v2 == v2 })
		if i < 0 {
			return nil
		}
		top = mounts[i].point
		if info, err := fs.Stat(root, path.Join(top, path.Clean("/"+group))); err == nil && info.IsDir() {
			sub = path.Clean("/" + group)
		}
	}
	for sub = path.Clean("/" + sub); ; sub = path.Dir(sub) {
		dirs = append(dirs, strings.TrimPrefix(path.Join(top, sub), "/"))
		if sub == "/" {
			return dirs
		}
	}
}

// below returns the path of group relative to top, if it lies below it.
func below(group, top string) (rest string, ok bool) {
	if top == "/" {
		top = ""
	}
	rest, ok = strings.CutPrefix(group, top)
	if !ok || rest != "" && rest[0] != '/' || strings.Contains(rest, "..") {
		return "", false
	}
	return rest, true
}

// cgroupUse returns a group's limit, and its usage without what can be evicted.
func cgroupUse(root fs.FS, dir string, v2 bool) (limit, used uint64) {
	stat, _ := fields(root, path.Join(dir, "memory.stat")) // if missing, nothing can be evicted
	if v2 {
		// Above memory.high the kernel throttles a process until it hardly runs.
		limit = min(number(root, path.Join(dir, "memory.max")), number(root, path.Join(dir, "memory.high")))
		used = number(root, path.Join(dir, "memory.current"))
		return limit, unreclaimable(used, pageCache(stat["inactive_file"]+stat["active_file"], stat, "file", "shmem"))
	}
	limit = number(root, path.Join(dir, "memory.limit_in_bytes"))
	if n, ok := stat["hierarchical_memory_limit"]; ok {
		limit = min(limit, n) // includes ancestors outside a container's view
	}
	if limit >= 1<<62 { // version 1's value for no limit
		limit = Unlimited
	}
	used = number(root, path.Join(dir, "memory.usage_in_bytes"))
	return limit, unreclaimable(used, pageCache(stat["total_inactive_file"]+stat["total_active_file"], stat, "total_cache", "total_shmem"))
}

// pageCache returns how many of the bytes on the kernel's lists of file pages are page cache, given the
// figures for all files in memory and for shared memory, which is not on these lists. The lists
// also have private pages that a program has offered (MADV_FREE), even those that it has written to
// since, which can't be evicted.
func pageCache(listed uint64, stat map[string]uint64, files, shared string) uint64 {
	n, ok := stat[files]
	if !ok {
		return listed
	}
	return min(listed, n-min(n, stat[shared]))
}

func unreclaimable(used, cache uint64) uint64 {
	if used == Unlimited { // no such file: the root group
		return 0
	}
	return used - min(used, cache)
}

// cgroupMount is a mount of a hierarchy.
type cgroupMount struct {
	root  string // the group that is mounted
	point string // mount point, without the leading slash
	v2    bool
}

// cgroupMounts lists the mounts of version 2, and those of a controller of version 1.
func cgroupMounts(root fs.FS, controller string) (mounts []cgroupMount) {
	info, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(info)) {
		// 36 35 98:0 ROOT POINT options... - TYPE source super-options
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		m := cgroupMount{root: unescape(f[3]), point: strings.TrimPrefix(path.Clean(unescape(f[4])), "/"), v2: g[0] == "cgroup2"}
		if m.v2 || g[0] == "cgroup" && slices.Contains(strings.Split(g[2], ","), controller) {
			mounts = append(mounts, m)
		}
	}
	return mounts
}

// unescape decodes the kernel's \040 and similar escapes.
func unescape(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+4 > len(s) {
			b.WriteString(s)
			return b.String()
		}
		n, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
		if err != nil {
			b.WriteString(s[:i+1])
			s = s[i+1:]
			continue
		}
		b.WriteString(s[:i])
		b.WriteByte(byte(n))
		s = s[i+4:]
	}
}
