//go:build !windows

package probe

// CommittedByPrograms is nil: only Windows refuses memory because of what programs have
// been promised, and tells.
func CommittedByPrograms() ([]Committed, error) { return nil, nil }
