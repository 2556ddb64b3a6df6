package memtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Maps returns the mappings of process pid, 0 for the calling one, in the order of addresses.
func Maps(pid int) ([]Region, error) {
	name := "/proc/self/maps"
	if pid != 0 {
		name = fmt.Sprintf("/proc/%d/maps", pid)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var regions []Region
	for line := range strings.Lines(string(b)) {
		r, err := parseRegion(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, line, err)
		}
		regions = append(regions, r)
	}
	return regions, nil
}

// parseRegion parses "start-end perms offset dev inode     path".
func parseRegion(line string) (r Region, err error) {
	var fields [5]string
	rest := line
	for i := range fields {
		fields[i], rest, _ = strings.Cut(rest, " ")
	}
	r.Path = strings.TrimSuffix(strings.TrimLeft(rest, " "), " (deleted)")
	r.Perms, r.Device = fields[1], fields[3]
	start, end, _ := strings.Cut(fields[0], "-")
	for _, f := range []struct {
		to   *uint64
		text string
		base int
	}{{&r.Start, start, 16}, {&r.End, end, 16}, {&r.Offset, fields[2], 16}, {&r.Inode, fields[4], 10}} {
		if *f.to, err = strconv.ParseUint(f.text, f.base, 64); err != nil {
			return Region{}, err
		}
	}
	return r, nil
}
