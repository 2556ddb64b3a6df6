package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/seed7adf6694/infer/benchmarks"
)

// experiment runs one and shows what came of it, or of the part that was done when it was
// interrupted.
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

// checkFiles refuses before an hour of measuring what would fail after it.
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

// earlier are the results to compare with, none where none are wanted.
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
	text, err := decodeText(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	rs, err := benchmarks.ReadResults(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rs, nil
}

// appendRecord writes a record in one piece, so that no half of one is left behind.
func appendRecord(w io.Writer, rec benchmarks.Record) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(rec); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
