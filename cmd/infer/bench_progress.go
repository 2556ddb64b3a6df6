package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/benchmarks"
)

// benchProgress shows how far an experiment is: a line for each case that has ended, and
// on a terminal a bar of the one that runs. It is told by one goroutine at a time.
type benchProgress struct {
	w     io.Writer
	lines bool
	bar   *bar

	at benchmarks.Progress
}

func newBenchProgress(stderr io.Writer, lines, bars bool) *benchProgress {
	b := newBar(stderr, lines && bars)
	b.items = "steps"
	return &benchProgress{w: stderr, lines: lines, bar: b}
}

func (p *benchProgress) progress(at benchmarks.Progress) {
	p.at = at
	label := at.Phase
	if at.Case != "" {
		label = strings.TrimSuffix(fmt.Sprintf("%d/%d %s: %s", at.Cases+1, at.AllCases, at.Case, at.Phase), ": ")
	}
	p.bar.items = ""
	if at.Phase == "generating" {
		p.bar.items = "tokens"
	}
	p.bar.show(label, at.Done, at.Total)
}

// record says how a case ended.
func (p *benchProgress) record(r benchmarks.Record) {
	if !p.lines {
		return
	}
	p.bar.clear()
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
	took := time.Duration(r.Metrics["case_seconds"] * float64(time.Second)).Round(100 * time.Millisecond)
	fmt.Fprintf(p.w, "infer: %d/%d %s: %s, %s\n", p.at.Cases+1, p.at.AllCases, oneLine(r.Case), oneLine(how), took)
}

func (p *benchProgress) end() { p.bar.clear() }
