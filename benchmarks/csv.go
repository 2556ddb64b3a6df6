package benchmarks

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// writeCSV writes a row for each record, with a column for each field that any record has.
func (rs Results) writeCSV(w io.Writer) error {
	var labels, metrics []string
	for _, r := range rs {
		for name := range r.Labels {
			labels = append(labels, name)
		}
		for name := range r.Metrics {
			metrics = append(metrics, name)
		}
	}
	slices.Sort(labels)
	slices.Sort(metrics)
	labels, metrics = slices.Compact(labels), slices.Compact(metrics)

	out := csv.NewWriter(w)
	header := slices.Concat([]string{"run", "experiment", "case"}, labels, []string{"repetition", "status", "reason", "notes"}, metrics,
		[]string{"model", "model_bytes", "model_sha256", "cpu", "cpus", "memory_bytes", "os", "arch", "kernel", "engine", "engine_commit", "revision", "flags"})
	if err := out.Write(header); err != nil {
		return err
	}
	for _, r := range rs {
		row := []string{r.Run.Format(time.RFC3339Nano), r.Experiment, r.Case}
		for _, name := range labels {
			row = append(row, r.Labels[name])
		}
		row = append(row, strconv.Itoa(r.Repetition), string(r.Status), r.Reason, strings.Join(r.Notes, "; "))
		for _, name := range metrics {
			cell := ""
			if v, ok := r.Metrics[name]; ok {
				cell = strconv.FormatFloat(v, 'g', -1, 64)
			}
			row = append(row, cell)
		}
		row = append(row, r.Model.Name, strconv.FormatUint(r.Model.Bytes, 10), r.Model.SHA256, r.Machine.CPU, strconv.Itoa(r.Machine.CPUs),
			strconv.FormatUint(r.Machine.Memory, 10), r.Machine.OS, r.Machine.Arch, r.Machine.Kernel, r.Engine.Version, r.Engine.Commit, r.Engine.Revision, strings.Join(r.Flags, " "))
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
