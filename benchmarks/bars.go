package benchmarks

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// bars are the bars of one colour in a grouped bar plot: a sample for each group, which may be
// empty.
type bars struct {
	name   string
	values []sample
}

// barWidth is the total width of the bars of a group.
const barWidth = 45 * vg.Length(1)

// newBarPlot plots medians as grouped bars, with whiskers from the minimum to the maximum of the
// repetitions. Bars without any value are left out; it returns nil if there are none.
func newBarPlot(title, y string, groups []string, parts ...bars) (*plot.Plot, error) {
	var drawn []bars
	for _, part := range parts {
		if hasValues(part.values) {
			drawn = append(drawn, part)
		}
	}
	if len(drawn) == 0 {
		return nil, nil
	}
	p := newPlot(title, "", y)
	width := barWidth / vg.Length(len(drawn))
	for i, part := range drawn {
		medians := make(plotter.Values, len(part.values))
		for k, s := range part.values {
			medians[k] = s.median()
		}
		chart, err := plotter.NewBarChart(medians, width*0.9)
		if err != nil {
			return nil, err
		}
		chart.Color, chart.LineStyle.Width = palette[i%len(palette)], 0
		chart.Offset = width * (vg.Length(i) - vg.Length(len(drawn)-1)/2)
		p.Add(chart, whiskers{part.values, chart.Offset})
		p.Legend.Add(part.name, chart)
	}
	p.NominalX(groups...)
	p.X.Min, p.X.Max = -0.6, float64(len(groups))-0.4
	leaveLegend(p, len(drawn))
	return p, nil
}

func hasValues(values []sample) bool {
	for _, s := range values {
		if len(s) > 0 {
			return true
		}
	}
	return false
}

// whiskers are the lines from the minimum to the maximum of each bar.
type whiskers struct {
	values []sample
	offset vg.Length
}

// Plot draws them.
func (w whiskers) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := draw.LineStyle{Color: palette[len(palette)-1], Width: vg.Points(0.7)}
	for i, s := range w.values {
		if len(s) < 2 {
			continue
		}
		at := x(float64(i)) + w.offset
		c.StrokeLine2(style, at, y(s.least()), at, y(s.most()))
	}
}

// DataRange includes them in the range of the axes.
func (w whiskers) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, s := range w.values {
		if len(s) > 0 {
			ymax = max(ymax, s.most())
		}
	}
	return 0, float64(len(w.values) - 1), 0, ymax
}

// inMiB converts bytes to MiB, the unit of plots.
func (s sample) inMiB() sample { return s.scaled(1.0 / (1 << 20)) }

func (s sample) scaled(by float64) sample {
	out := make(sample, len(s))
	for i, v := range s {
		out[i] = v * by
	}
	return out
}
