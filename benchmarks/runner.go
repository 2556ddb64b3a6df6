package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Defaults of [Runner].
const (
	DefaultRepetitions = 3
	DefaultTimeout     = 10 * time.Minute
)

// Runner runs experiments. The zero value is ready to use in a program that calls [Child]. It is
// not safe for concurrent use.
type Runner struct {
	// Command is the program and its arguments for the process of a case; nil: this program with
	// [ChildArgument].
	Command []string
	// Repetitions is the number of runs of each case; 0: 3.
	Repetitions int
	// Timeout is the time limit of a case. A case that exceeds it is ended and recorded as failed.
	// 0: 10 minutes.
	Timeout time.Duration
	// Flags are stored in the records, so that a run can be repeated. Folders of paths are left
	// out.
	Flags []string
	// OnRecord, if not nil, is called with each record when its case ends. An error ends the run.
	OnRecord func(Record) error
	// OnProgress, if not nil, is called with the progress. Calls do not overlap.
	OnProgress func(Progress)
	// OnNotice, if not nil, is called with what a user should know before the run ends, such as a
	// setting of the system that it changes for a while. Calls do not overlap.
	OnNotice func(text string)
}

// Progress is the progress of a run.
type Progress struct {
	Case     string // "" while the model is prepared
	Cases    int    // finished cases
	AllCases int
	Phase    string // repetition of this case
	Done     uint64 // progress of the phase
	Total    uint64
}

// plan is an experiment that is ready to run.
type plan struct {
	experiment string
	model      *preparedModel
	cases      []testCase
	check      func(*Record) // called with the successful records, in the order of the runs; may be nil
}

// run runs all cases once, then all cases again, in alternating order (every second round
// backwards), so that a drift of the machine's speed affects all cases alike. With an error it also
// returns the records so far.
func (r *Runner) run(ctx context.Context, p plan) (Results, error) {
	engine, err := thisEngine()
	if err != nil {
		return nil, err
	}
	rounds := max(r.Repetitions, 0)
	if rounds == 0 {
		rounds = DefaultRepetitions
	}
	base := Record{Run: time.Now().UTC(), Experiment: p.experiment, Model: p.model.about, Machine: thisMachine(), Engine: engine, Flags: withoutFolders(r.Flags)}
	var results Results
	for round := range rounds {
		order := slices.Clone(p.cases)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			rec := base
			rec.Case, rec.Labels, rec.Repetition = c.name, c.labels, round+1
			progress := Progress{Case: c.name, Cases: len(results), AllCases: rounds * len(p.cases)}
			if err := r.runCase(ctx, p.model, c, &rec, progress); err != nil {
				return results, err
			}
			if p.check != nil && rec.Status == OK {
				p.check(&rec)
			}
			results = append(results, rec)
			if r.OnRecord != nil {
				if err := r.OnRecord(rec); err != nil {
					return results, err
				}
			}
		}
	}
	return results, nil
}

// prepare prepares the model of an experiment.
func (r *Runner) prepare(ctx context.Context, m Model) (*preparedModel, error) {
	if _, err := thisEngine(); err != nil { // fail before a large model is made
		return nil, err
	}
	return m.prepare(ctx, r.phase)
}

func (r *Runner) phase(name string, done, total uint64) {
	r.progress(Progress{Phase: name, Done: done, Total: total})
}

func (r *Runner) progress(p Progress) {
	if r.OnProgress != nil {
		r.OnProgress(p)
	}
}

// command returns the program of a case's process and its arguments.
func (r *Runner) command() ([]string, error) {
	if len(r.Command) > 0 {
		return r.Command, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's executable to run a case: %w", err)
	}
	return []string{exe, ChildArgument}, nil
}

func (r *Runner) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return DefaultTimeout
}

var errTimeout = errors.New("the time limit of the case has passed")
