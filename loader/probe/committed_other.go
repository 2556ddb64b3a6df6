//go:build !windows

package probe

// CommittedByPrograms returns nil: only Windows limits commit by default and reports it by process.
func CommittedByPrograms() ([]Committed, error) { return nil, nil }
