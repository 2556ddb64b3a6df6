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

// Runner runs experiments. The zero value is good for a program that calls [Child]. It
// is for one goroutine at a time.
type Runner struct {
	// Command is the program and the arguments of the process of a case; nil: this program
	// with [ChildArgument].
	Command []string
	// Repetitions is how often each case is run; 0: 3.
	Repetitions int
	// Timeout ends a case, which then failed; 0: 10 minutes.
	Timeout time.Duration
	// Flags are kept in the records, to repeat a run; of paths, the folders are left out.
	Flags []string
	// OnRecord gets each record as its case ends. An error ends the run.
	OnRecord func(Record) error
	// OnProgress is told what is being done, from one goroutine at a time.
	OnProgress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Case     string // "" while the model is made ready
	Cases    int    // that have ended
	AllCases int
	Phase    string // of this case
	Done     uint64 // of the phase
	Total    uint64
}

// plan is an experiment, ready to run.
type plan struct {
	experiment string
	model      *preparedModel
	cases      []testCase
	check      func(*Record) // of what ended well, in the order of the runs; may be nil
}

// run runs each case once, then each once more, every other time from the last to the
// first: what warms up or slows down does so for all of them. What has been recorded is
// returned with an error too.
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

// prepare makes the model of an experiment ready.
func (r *Runner) prepare(ctx context.Context, m Model) (*preparedModel, error) {
	if _, err := thisEngine(); err != nil { // before anything large is made
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

// command is the program of a case's process, and its arguments.
func (r *Runner) command() ([]string, error) {
	if len(r.Command) > 0 {
		return r.Command, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program cannot be started again for a case: %w", err)
	}
	return []string{exe, ChildArgument}, nil
}

func (r *Runner) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return DefaultTimeout
}

var errTimeout = errors.New("it took too long")
