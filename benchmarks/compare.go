package benchmarks

import "fmt"

// significant is the p-value below which a difference between two runs counts as significant.
const significant = 0.05

// compareRows returns the cells of the comparison with an earlier run: for each case and metric
// both medians, their ratio with the smallest and the largest ratio of any two repetitions, and the
// p-value.
func compareRows(v view, rs, earlier Results) [][]string {
	rows := [][]string{{"case", "metric", "earlier", "now", "ratio", "range", "p"}}
	for _, name := range distinct(rs, func(r Record) string { return r.Case }) {
		of := func(r Record) bool { return r.Case == name }
		a, b := rs.where(of), earlier.where(of)
		for _, metric := range v.compared {
			now, was := a.values(metric), b.values(metric)
			if len(now) == 0 || len(was) == 0 {
				continue
			}
			mid, low, high := quotient(now, was)
			p := chance(now, was)
			if mid == 0 && now.most() == 0 && was.most() == 0 {
				continue
			}
			text := fmt.Sprintf("%.2f", mid)
			if p > significant {
				text += " ~"
			}
			rows = append(rows, []string{name, metric, withSpread(metric, was), withSpread(metric, now), text,
				fmt.Sprintf("%.2f to %.2f", low, high), fmt.Sprintf("%.3f (n=%d+%d)", p, len(was), len(now))})
		}
	}
	return rows
}

func withSpread(metric string, s sample) string {
	return fmt.Sprintf("%s ±%.0f%%", figure(metric, s.median()), 100*s.spread())
}

// against adds the ratios to the medians of an earlier run to the records, as metrics.
func (rs Results) against(earlier Results) Results {
	for _, r := range rs {
		of := earlier.where(func(e Record) bool { return e.Experiment == r.Experiment && e.Case == r.Case })
		for _, metric := range viewOf(r.Experiment).compared {
			if s := of.values(metric); len(s) > 0 && s.median() > 0 && r.Status == OK {
				if v, ok := r.Metrics[metric]; ok {
					r.Metrics[metric+"_against_ratio"] = v / s.median()
				}
			}
		}
	}
	return rs
}
