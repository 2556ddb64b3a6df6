//go:build !linux && !windows

package memtest

var errCgroup = &Unsupported{Tool: "cgroup", Missing: "control groups need Linux"}

// NewCgroup returns an [*Unsupported] on this system.
func NewCgroup(uint64) (*Cgroup, error) { return nil, errCgroup }

// NewProcessorGroup returns an [*Unsupported] on this system.
func NewProcessorGroup(float64) (*Cgroup, error) { return nil, errCgroup }

// Add moves the process pid into the group.
func (c *Cgroup) Add(int) error { return errCgroup }

// Usage reads what the group uses and has used.
func (c *Cgroup) Usage() (CgroupUsage, error) { return CgroupUsage{}, errCgroup }

// Close kills the processes that are left in the group and removes it.
func (c *Cgroup) Close() error { return nil }
