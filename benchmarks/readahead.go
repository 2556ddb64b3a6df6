package benchmarks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime"
)

// ErrReadahead is returned when the readahead of a model's disk was to be set and cannot be. errors.As
// to *ReadaheadError gives the disk.
var ErrReadahead = errors.New("cannot set the readahead of the disk")

// ReadaheadError says which disk's readahead cannot be set. It wraps [ErrReadahead].
type ReadaheadError struct {
	Disk string // "": the system does not tell it
	Err  error  // what the system answers
}

func (e *ReadaheadError) Error() string {
	if e.Disk == "" {
		return fmt.Sprintf("%v that holds the model: %v", ErrReadahead, e.Err)
	}
	return fmt.Sprintf("%v %s, which takes root: %v", ErrReadahead, e.Disk, e.Err)
}

// Unwrap makes errors.Is find [ErrReadahead] and what the system answered.
func (e *ReadaheadError) Unwrap() []error { return []error{ErrReadahead, e.Err} }

const (
	readaheadLabel = "readahead"
	readaheadBytes = "readahead_bytes" // of the disk, while the case runs
)

// usualReadahead is Linux's default, in bytes. Distributions and clouds raise it.
const usualReadahead = 128 << 10

// readaheadSetting is a setting at which cases are measured.
type readaheadSetting struct {
	bytes uint64 // 0: as it is
	label string // "" if there is only one
	skip  string // why it cannot be set
}

// of returns a case with the setting.
func (s readaheadSetting) of(c testCase) testCase {
	if s.label != "" {
		c.name += ", readahead " + s.label
		c.labels[readaheadLabel] = s.label
	}
	if s.skip != "" {
		c.skip = s.skip
	}
	c.readahead = s.bytes
	return c
}

// findReadahead finds the setting of the disk that holds the model.
func (p *preparedModel) findReadahead() { p.readahead, p.readaheadErr = system.ReadaheadOf(p.files[0]) }

// mayReadahead tells why the readahead of the model's disk cannot be set, nil if it can. It sets what
// is set already.
func (p *preparedModel) mayReadahead() error {
	if p.readahead == nil {
		return &ReadaheadError{Err: p.readaheadErr}
	}
	now, err := p.readahead.Bytes()
	if err == nil {
		err = p.readahead.Set(now)
	}
	if err != nil {
		return &ReadaheadError{Disk: p.readahead.Disk, Err: err}
	}
	return nil
}

// readaheads lists the settings to measure at.
func (o PressureOptions) readaheads(m *preparedModel, mixture bool) ([]readaheadSetting, error) {
	wanted, asked := o.Readahead, o.Readahead != nil
	if !asked {
		wanted = []uint64{0}
		if mixture {
			wanted = append(wanted, usualReadahead)
		}
	}
	own := uint64(0)
	if m.readahead != nil {
		own, _ = m.readahead.Bytes() // 0: unknown
	}
	refused := m.mayReadahead()
	var list []readaheadSetting
	for _, n := range wanted {
		s := readaheadSetting{bytes: n, label: words.Size(n)}
		switch {
		case n == 0 && own > 0:
			s.label = words.Size(own)
		case n == 0:
			s.label = "as it is"
		case n == own && !asked:
			continue
		case refused != nil && asked:
			return nil, refused
		case refused != nil:
			s.skip = refused.Error()
		}
		list = append(list, s)
	}
	if len(list) == 1 && list[0].bytes == 0 {
		list[0].label = ""
	}
	return list, nil
}

func checkReadahead(list []uint64) error {
	for i, n := range list {
		if n%(4<<10) != 0 || n > 1<<30 {
			return fmt.Errorf("%w: readahead of %d bytes: want a multiple of 4 KiB, at most 1 GiB", runtime.ErrOption, n)
		}
		if slices.Contains(list[:i], n) {
			return fmt.Errorf("%w: readahead of %s twice", runtime.ErrOption, words.Size(n))
		}
	}
	if list != nil && len(list) == 0 {
		return fmt.Errorf("%w: no readahead", runtime.ErrOption)
	}
	return nil
}

// tellReadahead says what will be set and what it is, for the case that this process is killed.
func (r *Runner) tellReadahead(m *preparedModel, cases []testCase) {
	if r.OnNotice == nil || !slices.ContainsFunc(cases, func(c testCase) bool { return c.readahead > 0 && c.skip == "" }) {
		return
	}
	now, err := m.readahead.Bytes()
	if err != nil {
		return
	}
	r.OnNotice(fmt.Sprintf("some cases set the readahead of %s and set it back to %s; if this program is killed, do it yourself: echo %d > %s", m.readahead.Disk, words.Size(now), now>>10, m.readahead.File))
}

// setReadahead sets the readahead for a case, and returns the function that sets it back.
func (p *preparedModel) setReadahead(bytes uint64) (back func() error, err error) {
	if bytes == 0 {
		return func() error { return nil }, nil
	}
	if p.readahead == nil {
		return nil, &ReadaheadError{Err: p.readaheadErr}
	}
	before, err := p.readahead.Bytes()
	if err == nil {
		if err = p.readahead.Set(bytes); err != nil {
			err = errors.Join(err, p.readahead.Set(before))
		}
	}
	if err != nil {
		return nil, &ReadaheadError{Disk: p.readahead.Disk, Err: err}
	}
	return func() error {
		if err := p.readahead.Set(before); err != nil {
			return fmt.Errorf("setting the readahead of %s back to %s: %w", p.readahead.Disk, words.Size(before), err)
		}
		return nil
	}, nil
}
