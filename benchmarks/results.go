package benchmarks

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Results are the records of runs, in the order in which they were made.
type Results []Record

// Format is how results are written.
type Format string

// Formats. The first two are of medians over the repetitions, the others of each record.
const (
	Table    Format = "table"
	Markdown Format = "md"
	CSV      Format = "csv"
	JSON     Format = "json"  // one array
	JSONL    Format = "jsonl" // an object a line
)

// Formats are all of them, by name.
func Formats() []string { return []string{"table", "md", "csv", "json", "jsonl"} }

// ReadResults reads records, one a line, as [JSONL] writes them.
func ReadResults(r io.Reader) (Results, error) {
	var rs Results
	d := json.NewDecoder(bufio.NewReader(r))
	for {
		var rec Record
		switch err := d.Decode(&rec); {
		case errors.Is(err, io.EOF):
			return rs, nil
		case err != nil:
			return rs, fmt.Errorf("record %d: %w", len(rs)+1, err)
		case rec.Experiment == "":
			return rs, fmt.Errorf("record %d names no experiment: not a file that 'infer bench --out' has written", len(rs)+1)
		}
		rs = append(rs, rec)
	}
}

// Latest are the records of the latest run of each experiment.
func (rs Results) Latest() Results {
	last := map[string]time.Time{}
	for _, r := range rs {
		if r.Run.After(last[r.Experiment]) {
			last[r.Experiment] = r.Run
		}
	}
	return rs.where(func(r Record) bool { return r.Run.Equal(last[r.Experiment]) })
}

// Err is the error of results of which some failed, and the first reason.
func (rs Results) Err() error {
	failed := rs.where(func(r Record) bool { return r.Status == Failed })
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d cases failed, the first of them %s: %s", len(failed), len(rs), failed[0].Case, failed[0].Reason)
}

// Write writes the results. What is derived from several cases, such as ratios, is added
// to the records that it is of. If earlier results are given, the figures are compared
// with theirs: in tables below the results, else as further metrics.
func (rs Results) Write(w io.Writer, f Format, earlier Results) error {
	out := bufio.NewWriter(w)
	if err := rs.write(out, f, earlier); err != nil {
		return err
	}
	return out.Flush()
}

func (rs Results) write(w *bufio.Writer, f Format, earlier Results) error {
	rs, earlier = rs.derived(), earlier.derived()
	switch f {
	case Table, Markdown:
		for i, experiment := range rs.experiments() {
			if i > 0 {
				fmt.Fprintln(w)
			}
			of := func(r Record) bool { return r.Experiment == experiment }
			writeReport(w, rs.where(of), earlier.where(of), f == Markdown)
		}
		return nil
	case CSV:
		return rs.against(earlier).writeCSV(w)
	case JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(append(Results{}, rs.against(earlier)...)) // [] where there are none
	case JSONL:
		for _, r := range rs.against(earlier) {
			if err := json.NewEncoder(w).Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("results have no format %q: one of %s", f, strings.Join(Formats(), ", "))
}

func (rs Results) where(keep func(Record) bool) Results {
	var out Results
	for _, r := range rs {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// experiments are the names, in order.
func (rs Results) experiments() []string {
	return distinct(rs, func(r Record) string { return r.Experiment })
}

// distinct are the values that occur, in the order of their first.
func distinct(rs Results, of func(Record) string) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range rs {
		if v := of(r); !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// values are the values of a metric in what ended well.
func (rs Results) values(metric string) sample {
	var out []float64
	for _, r := range rs {
		if v, ok := r.Metrics[metric]; ok && r.Status == OK {
			out = append(out, v)
		}
	}
	return sampleOf(out)
}

// labelled are the records with all of these labels.
func (rs Results) labelled(labels map[string]string) Results {
	return rs.where(func(r Record) bool {
		for name, value := range labels {
			if r.Labels[name] != value {
				return false
			}
		}
		return true
	})
}

// derived are copies of the records with what is derived from several of them.
func (rs Results) derived() Results {
	out := make(Results, len(rs))
	for i, r := range rs {
		out[i] = r.clone()
	}
	for _, experiment := range out.experiments() {
		if v := views()[experiment]; v.derive != nil {
			v.derive(out, experiment)
		}
	}
	return out
}
