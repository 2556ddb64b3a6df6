package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
)

// experiment runs an experiment and shows its results; if it is interrupted, those of the finished
// part.
func (c *benchConfig) experiment(ctx context.Context, s *streams, args []string, run func(context.Context, *benchmarks.Runner, benchmarks.Model) (benchmarks.Results, error)) (err error) {
	model, err := c.chosen(args)
	if err != nil {
		return err
	}
	if err := c.checkFiles(); err != nil {
		return err
	}
	earlier, err := c.earlier()
	if err != nil {
		return err
	}
	r := benchmarks.Runner{Repetitions: c.repetitions, Timeout: c.timeout, Flags: os.Args[1:]}
	if c.out != "" {
		f, err := os.OpenFile(c.out, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		r.OnRecord = func(rec benchmarks.Record) error { return appendRecord(f, rec) }
	}
	show := newBenchProgress(s.err, !c.quiet, !c.noProgress)
	defer show.end()
	r.OnProgress = show.progress
	r.OnNotice = func(text string) {
		show.bar.Clear()
		warn(s.err, []string{text})
	}
	keep := r.OnRecord
	r.OnRecord = func(rec benchmarks.Record) error {
		show.record(rec)
		if keep == nil {
			return nil
		}
		return keep(rec)
	}
	if !c.quiet {
		warnSlow(s.err)
	}
	results, err := run(ctx, &r, model)
	show.end()
	if len(results) == 0 {
		return err
	}
	if err == nil {
		err = results.Err()
	}
	return errors.Join(c.show(s, results, earlier), err)
}

// show writes the results and draws them.
func (c *benchConfig) show(s *streams, results, earlier benchmarks.Results) error {
	if err := results.Write(s.out, benchmarks.Format(c.format), earlier); err != nil {
		return err
	}
	if c.plot == "" {
		return nil
	}
	return results.Plot(c.plot)
}

// checkFiles checks the output files before the measurement, so that it does not fail after an hour
// of measuring.
func (c *benchConfig) checkFiles() error {
	if c.plot != "" {
		if err := benchmarks.CheckPlotName(c.plot); err != nil {
			return usagef("--%s", err)
		}
		if err := checkOverwrite(c.plot, c.force); err != nil {
			return err
		}
	}
	return nil
}

// earlier returns the results to compare with, or none if none were asked for.
func (c *benchConfig) earlier() (benchmarks.Results, error) {
	if c.against == "" {
		return nil, nil
	}
	rs, err := readResults(c.against)
	return rs.Latest(), err
}

func readResults(path string) (benchmarks.Results, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := texts.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	rs, err := benchmarks.ReadResults(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rs, nil
}

// appendRecord appends a record with a single write, so that no partial record is left behind.
func appendRecord(w io.Writer, rec benchmarks.Record) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(rec); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// benchProgress shows the progress of an experiment: a line for each finished case and, on a
// terminal, a bar for the running one. It is not safe for concurrent use.
type benchProgress struct {
	w     io.Writer
	lines bool
	bar   *terminal.Bar

	at benchmarks.Progress
}

func newBenchProgress(stderr io.Writer, lines, bars bool) *benchProgress {
	b := terminal.NewBar(stderr, lines && bars)
	b.Items = "steps"
	return &benchProgress{w: stderr, lines: lines, bar: b}
}

func (p *benchProgress) progress(at benchmarks.Progress) {
	p.at = at
	label := at.Phase
	if at.Case != "" {
		label = strings.TrimSuffix(fmt.Sprintf("%d/%d %s: %s", at.Cases+1, at.AllCases, at.Case, at.Phase), ": ")
	}
	p.bar.Items = ""
	if at.Phase == "generating" {
		p.bar.Items = "tokens"
	}
	p.bar.Show(label, at.Done, at.Total)
}

// record prints how a case ended.
func (p *benchProgress) record(r benchmarks.Record) {
	seconds, timed := r.Metrics["case_seconds"]
	if !p.lines || !timed && r.Status == benchmarks.OK { // what took no time needs no line
		return
	}
	p.bar.Clear()
	how := string(r.Status)
	for _, metric := range []string{"tokens_per_second", "evaluated_tokens_per_second"} {
		if rate := r.Metrics[metric]; rate > 0 {
			how = fmt.Sprintf("%.1f tok/s", rate)
		}
	}
	if share, may := r.Metrics["succeeded_ratio"]; may && share == 0 {
		how = "did not run"
	}
	if r.Status != benchmarks.OK {
		how = fmt.Sprintf("%s: %s", r.Status, r.Reason)
	}
	took := time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond)
	fmt.Fprintf(p.w, "infer: %d/%d %s: %s, %s\n", p.at.Cases+1, p.at.AllCases, texts.OneLine(r.Case), texts.OneLine(how), took)
}

func (p *benchProgress) end() { p.bar.Clear() }
