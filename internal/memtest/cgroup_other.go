//go:build !linux && !windows

package memtest

var errCgroup = &Unsupported{Tool: "cgroup", Missing: "control groups need Linux"}

// NewCgroup returns an [*Unsupported] on this system.
func NewCgroup(uint64) (*Cgroup, error) { return nil, errCgroup }

// NewProcessorGroup returns an [*Unsupported] on this system.
func NewProcessorGroup(float64) (*Cgroup, error) { return nil, errCgroup }

// Add returns an [*Unsupported] on this system.
func (c *Cgroup) Add(int) error { return errCgroup }

// Usage returns an [*Unsupported] on this system.
func (c *Cgroup) Usage() (CgroupUsage, error) { return CgroupUsage{}, errCgroup }

// Close does nothing on this system.
func (c *Cgroup) Close() error { return nil }
