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

// Results are the records of runs, in the order of execution.
type Results []Record

// Format is a format of [Results.Write].
type Format string

// Formats. The first two have medians over the repetitions, the others each record.
const (
	Table    Format = "table"
	Markdown Format = "md"
	CSV      Format = "csv"
	JSON     Format = "json"  // one array
	JSONL    Format = "jsonl" // one object per line
)

// Formats returns the names of all formats.
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
			return rs, fmt.Errorf("record %d has no experiment: the file was not written by 'infer bench --out'", len(rs)+1)
		}
		rs = append(rs, rec)
	}
}

// Latest returns the records of the latest run of each experiment.
func (rs Results) Latest() Results {
	last := map[string]time.Time{}
	for _, r := range rs {
		if r.Run.After(last[r.Experiment]) {
			last[r.Experiment] = r.Run
		}
	}
	return rs.where(func(r Record) bool { return r.Run.Equal(last[r.Experiment]) })
}

// Err returns nil if no case failed, else an error with the number of failed cases and the first
// reason.
func (rs Results) Err() error {
	failed := rs.where(func(r Record) bool { return r.Status == Failed })
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d cases failed, first %s: %s", len(failed), len(rs), failed[0].Case, failed[0].Reason)
}

// Write writes the results. Metrics that are derived from several cases, such as ratios, are added
// to the records. If earlier results are given, the results are compared with them: in a table
// below the results, or, in the other formats, as further metrics.
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
		return e.Encode(append(Results{}, rs.against(earlier)...)) // [] instead of null
	case JSONL:
		for _, r := range rs.against(earlier) {
			if err := json.NewEncoder(w).Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("unknown format %q: want one of %s", f, strings.Join(Formats(), ", "))
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

// experiments returns the names of the experiments, in order.
func (rs Results) experiments() []string {
	return distinct(rs, func(r Record) string { return r.Experiment })
}

// distinct returns the distinct values, in the order of their first occurrence.
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

// values returns the values of a metric in the records that succeeded.
func (rs Results) values(metric string) sample {
	var out []float64
	for _, r := range rs {
		if v, ok := r.Metrics[metric]; ok && r.Status == OK {
			out = append(out, v)
		}
	}
	return sampleOf(out)
}

// labelled returns the records that have all of these labels.
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

// derived returns copies of the records with the derived metrics added.
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
