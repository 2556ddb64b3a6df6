package benchmarks

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/words"
)

// writeReport writes one experiment: machine and model, a row for each case with the medians of its
// repetitions, and remarks on failed and skipped cases.
func writeReport(w *bufio.Writer, rs, earlier Results, markdown bool) {
	v := viewOf(rs[0].Experiment)
	title, item := v.title+"\n", "  "
	if markdown {
		title, item = "### "+v.title+"\n", "- "
	}
	fmt.Fprintln(w, title)
	facts := aboutRun(rs)
	if v.facts != nil {
		facts = append(facts, v.facts(rs)...)
	}
	for _, line := range facts {
		fmt.Fprintln(w, item+line)
	}
	fmt.Fprintln(w)
	writeTable(w, caseRows(v, rs), markdown)
	below := remarks(rs)
	if v.closing != nil {
		below = append(below, v.closing(rs)...)
	}
	if len(below) > 0 {
		fmt.Fprintln(w)
		for _, line := range below {
			fmt.Fprintln(w, item+line)
		}
	}
	if len(earlier) > 0 {
		fmt.Fprintf(w, "\nCompared with the run of %s (%s):\n\n", earlier[0].Run.Format("2006-01-02 15:04:05"), engineName(earlier[0]))
		writeTable(w, compareRows(v, rs, earlier), markdown)
		fmt.Fprintf(w, "\n%s~: not significant (p > %g; at least four repetitions of each run are needed for a smaller p)\n", item, significant)
	}
}

// aboutRun describes the model, the machine and the command.
func aboutRun(rs Results) []string {
	r := rs[0]
	lines := distinct(rs, func(r Record) string {
		return fmt.Sprintf("model: %s, %s, sha256 %.16s…", r.Model.Name, words.Size(r.Model.Bytes), r.Model.SHA256)
	})
	lines = append(lines,
		"machine: "+join(", ", r.Machine.CPU, times(r.Machine.CPUs, "CPU"), words.Size(r.Machine.Memory), r.Machine.OS+"/"+r.Machine.Arch, r.Machine.Kernel),
		"engine: "+engineName(r),
	)
	if len(r.Flags) > 0 {
		lines = append(lines, "run: infer "+strings.Join(r.Flags, " "))
	}
	most := 0
	for _, r := range rs {
		most = max(most, r.Repetition)
	}
	if most == 0 { // the figures are the same each time
		return lines
	}
	return append(lines, fmt.Sprintf("%s; medians ± largest deviation", times(most, "repetition")))
}

func engineName(r Record) string {
	commit, revision := "", ""
	if r.Engine.Commit != "" {
		commit = fmt.Sprintf("llama.cpp %.9s", r.Engine.Commit)
	}
	if r.Engine.Revision != "" {
		revision = fmt.Sprintf("infer %.9s", r.Engine.Revision)
	}
	if r.Engine.Folder != "" {
		return join(", ", fmt.Sprintf("llama.cpp %s (%s)", r.Engine.Version, r.Engine.Folder), revision)
	}
	return join(", ", r.Engine.Version, commit, revision)
}

// join joins the texts that are not empty.
func join(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), separator)
}

func times(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// caseRows returns the cells of the table, header first.
func caseRows(v view, rs Results) [][]string {
	header := []string{}
	var columns []column
	for _, c := range v.columns {
		if c.used(rs) {
			header, columns = append(header, c.title), append(columns, c)
		}
	}
	runs := !v.noRuns || rs.where(func(r Record) bool { return r.Status != OK }) != nil
	if runs {
		header = append(header, "runs")
	}
	rows := [][]string{header}
	for _, name := range distinct(rs, func(r Record) string { return r.Case }) {
		of := rs.where(func(r Record) bool { return r.Case == name })
		if v.hide != nil && v.hide(of[0]) {
			continue
		}
		var row []string
		for _, c := range columns {
			row = append(row, c.cell(of))
		}
		if runs {
			row = append(row, ending(of))
		}
		rows = append(rows, row)
	}
	return rows
}

// used reports whether any record has a value for the column.
func (c column) used(rs Results) bool {
	return slices.ContainsFunc(rs, func(r Record) bool {
		_, ok := r.Metrics[c.metric]
		return ok || c.label != "" && r.Labels[c.label] != ""
	})
}

func (c column) cell(rs Results) string {
	if c.label != "" {
		return rs[0].Labels[c.label]
	}
	s := rs.values(c.metric)
	if len(s) == 0 {
		return "–"
	}
	if c.mean {
		return fmt.Sprintf("%.2f ± %.2f", s.mean(), s.deviation())
	}
	text := figure(c.metric, s.median())
	if c.spread && len(s) > 1 {
		text += fmt.Sprintf(" ±%.0f%%", 100*s.spread())
	}
	return text
}

// ending summarises the repetitions of a case: how many succeeded, or why they did not.
func ending(rs Results) string {
	n := map[Status]int{}
	for _, r := range rs {
		n[r.Status]++
	}
	switch len(rs) {
	case n[OK]:
		return fmt.Sprint(len(rs))
	case n[Skipped]:
		return "skipped"
	case n[Failed]:
		return "failed"
	}
	return fmt.Sprintf("%d of %d", n[OK], len(rs))
}

// remarks returns reasons and notes, each once, with their cases.
func remarks(rs Results) []string {
	cases := map[string][]string{}
	add := func(text, name string) string {
		for _, c := range cases[text] {
			if c == name {
				return text
			}
		}
		cases[text] = append(cases[text], name)
		return text
	}
	var order []string
	for _, r := range rs {
		if r.Reason != "" {
			order = append(order, add(string(r.Status)+": "+r.Reason, r.Case))
		}
		for _, n := range r.Notes {
			order = append(order, add("note: "+n, r.Case))
		}
	}
	var lines []string
	all := len(distinct(rs, func(r Record) string { return r.Case }))
	for _, text := range order {
		if names := cases[text]; names != nil {
			of := strings.Join(names, "; ")
			if len(names) == all {
				of = "all"
			}
			lines = append(lines, fmt.Sprintf("%s (%s)", text, of))
			delete(cases, text)
		}
	}
	return lines
}

// writeTable writes rows of cells, header first, as Markdown or as text. In text, columns are
// aligned, and numbers are right-aligned except in the first column.
func writeTable(w *bufio.Writer, rows [][]string, markdown bool) {
	widths := make([]int, len(rows[0]))
	right := make([]bool, len(widths))
	for i, row := range rows {
		for k, cell := range row {
			widths[k] = max(widths[k], utf8.RuneCountInString(cell))
			if i > 0 && k > 0 && cell != "" && strings.ContainsAny(cell[:1], "0123456789") {
				right[k] = true
			}
		}
	}
	for i, row := range rows {
		var cells []string
		for k, cell := range row {
			pad := strings.Repeat(" ", widths[k]-utf8.RuneCountInString(cell))
			if right[k] {
				cell = pad + cell
			} else {
				cell += pad
			}
			cells = append(cells, cell)
		}
		if !markdown {
			fmt.Fprintln(w, strings.TrimRight("  "+strings.Join(cells, "  "), " "))
			continue
		}
		fmt.Fprintln(w, "| "+strings.Join(cells, " | ")+" |")
		if i == 0 {
			for k := range cells {
				rule := strings.Repeat("-", max(widths[k], 2)+2)
				if right[k] {
					rule = rule[1:] + ":"
				}
				cells[k] = rule
			}
			fmt.Fprintln(w, "|"+strings.Join(cells, "|")+"|")
		}
	}
}

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
