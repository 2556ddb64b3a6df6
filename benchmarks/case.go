package benchmarks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"strings"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
)

// testCase is a case of an experiment. It runs in a process of its own.
type testCase struct {
	name    string
	labels  map[string]string
	metrics map[string]float64 // metrics known before the run
	job     job

	limit      uint64  // memory limit of its control group, in bytes; 0: none
	processors float64 // CPU quota of its control group, in processors; 0: none
	cold       bool    // drop the model from the page cache first
	readahead  uint64  // of the model's disk while it runs, in bytes; 0: as it is

	model     *preparedModel // nil: the experiment's
	addresses uint64         // RLIMIT_AS, in bytes; 0: none
	mayFail   bool           // a model that does not load is a result, not a failure
	skip      string         // reason not to run it; "" to run it
	search    *search        // search for the smallest limit
}

// runCase runs a case and stores its result in the record. It returns an error only if the context
// is cancelled or if no case can be run at all.
func (r *Runner) runCase(ctx context.Context, m *preparedModel, c testCase, rec *Record, p Progress) (err error) {
	if c.model != nil {
		m, rec.Model = c.model, c.model.about
	}
	defer rec.hideFolders(m)
	r.progress(p)
	if c.skip != "" {
		rec.Status, rec.Reason = Skipped, c.skip
		return nil
	}
	if c.search != nil {
		return r.runSearch(ctx, m, c, rec, p)
	}
	rec.Status, rec.Metrics = OK, maps.Clone(c.metrics)
	if rec.Metrics == nil {
		rec.Metrics = map[string]float64{}
	}
	command, err := r.command()
	if err != nil {
		return err
	}
	limits := memtest.Limits{AddressSpace: c.addresses}
	if c.limit > 0 || c.processors > 0 {
		group, err := c.group()
		if err != nil {
			return rec.unable(err)
		}
		defer func() {
			if err := group.Close(); err != nil {
				rec.note(err.Error())
			}
		}()
		limits.Cgroup = group
	}
	back, err := m.setReadahead(c.readahead)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, back()) }()
	if m.readahead != nil {
		if n, err := m.readahead.Bytes(); err == nil {
			rec.Metrics[readaheadBytes] = float64(n)
		}
	}
	if c.cold {
		dropPages(m, rec)
	}

	c.job.Engine = llama.Engine().Path() // that of this process
	input, err := json.Marshal(c.job)
	if err != nil {
		return err
	}
	heard := listener{rec: rec, phase: func(m message) {
		p.Phase, p.Done, p.Total = m.Phase, m.Done, m.Total
		r.progress(p)
	}}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout = strings.NewReader(string(input)), &heard
	limited, cancel := context.WithTimeoutCause(ctx, r.timeout(), errTimeout)
	defer cancel()
	start := clock.Now()
	res, err := memtest.Run(limited, cmd, limits)
	rec.Metrics["case_seconds"] = clock.Since(start).Seconds()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.judge(c, rec, &heard, limits.Cgroup, res, err)
}

// judge stores in the record how a case's process ended. It returns an error only if no case can be
// run at all.
func (r *Runner) judge(c testCase, rec *Record, heard *listener, group *memtest.Cgroup, res memtest.Result, err error) error {
	var use memtest.CgroupUsage
	if c.limit > 0 {
		use = readGroup(group, rec)
	}
	rec.Metrics[readInAll] = float64(res.DiskRead)
	switch {
	case errors.Is(err, errTimeout):
		rec.fail(fmt.Sprintf("it did not end within %s: raise the limit (--timeout) or generate fewer tokens (-n)", r.timeout()))
	case err != nil:
		return rec.unable(err)
	case heard.err != nil:
		rec.fail(heard.err.Error())
	case use.OOMKills > 0 && res.Signal != nil:
		rec.fail(fmt.Sprintf("killed: it needed more than the control group's limit of %s", words.Size(c.limit)))
	case res.Signal != nil:
		rec.fail("ended by a signal: " + res.Signal.String())
	case !heard.ended:
		rec.fail(fmt.Sprintf("the case's process ended with exit code %d: %s", res.Code, lastLine(res.Stderr)))
	}
	if c.mayFail && rec.Status != Skipped {
		rec.Metrics[succeeded] = 1
		if rec.Status == Failed {
			rec.Metrics[succeeded] = 0
			rec.note("did not run: " + rec.Reason)
			rec.Status, rec.Reason = OK, ""
		}
	}
	return nil
}

// group creates the control group of a case that needs one.
func (c testCase) group() (*memtest.Cgroup, error) {
	if c.processors > 0 {
		return memtest.NewProcessorGroup(c.processors)
	}
	return memtest.NewCgroup(c.limit)
}

// unable records a case that this machine cannot run as skipped, and returns other errors.
func (r *Record) unable(err error) error {
	var un *memtest.Unsupported
	if !errors.As(err, &un) {
		return err
	}
	r.Status, r.Reason = Skipped, un.Error()
	return nil
}

// dropPages drops the model from the page cache where this is possible, and records whether it did.
func dropPages(m *preparedModel, rec *Record) {
	rec.Metrics["page_cache_dropped"] = 1
	for _, path := range m.files {
		if err := memtest.DropCache(path); err != nil {
			rec.Metrics["page_cache_dropped"] = 0
			rec.note("page cache not dropped: " + err.Error())
		}
	}
}

// readGroup records the counters of the control group.
func readGroup(g *memtest.Cgroup, rec *Record) memtest.CgroupUsage {
	use, err := g.Usage()
	if err != nil {
		rec.note("cannot read the control group's counters: " + err.Error())
		return use
	}
	rec.Metrics["group_failures"] = float64(use.Failures)
	if use.Peak > 0 {
		rec.Metrics[groupPeak] = float64(use.Peak)
		rec.Metrics["limit_used_ratio"] = float64(use.Peak) / float64(g.Limit)
	} else {
		rec.note("the control group's peak is unknown: memory.peak needs Linux 5.19")
	}
	return use
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// listener parses the output lines of a case's process into a record.
type listener struct {
	rec   *Record
	phase func(message)
	rest  []byte // beginning of an incomplete line
	ended bool
	err   error
}

func (l *listener) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := strings.Cut(string(l.rest), "\n")
		if !ok {
			return len(p), nil
		}
		l.rest = []byte(rest)
		l.hear(line)
	}
}

func (l *listener) hear(line string) {
	var m message
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		if l.err == nil {
			l.err = fmt.Errorf("the case's process wrote an invalid message: %.100q", line)
		}
		return
	}
	maps.Copy(l.rec.Metrics, m.Metrics)
	if m.Tokens != nil {
		l.rec.Tokens = m.Tokens
	}
	if m.Series != nil {
		l.rec.Series = m.Series
	}
	if m.Note != "" {
		l.rec.note(m.Note)
	}
	l.ended = l.ended || m.End
	switch {
	case m.Missing != "":
		l.rec.Status, l.rec.Reason = Skipped, m.Missing
	case m.Error != "":
		l.rec.fail(m.Error)
	}
	if m.Phase != "" {
		l.phase(m)
	}
}
