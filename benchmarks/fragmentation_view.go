package benchmarks

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	holeBytes = "hole_bytes"
	succeeded = "succeeded_ratio"
)

func fragmentationView() view {
	return view{
		title: "Loading in fragmented address spaces",
		columns: []column{
			{title: "largest hole", metric: holeBytes}, {title: "load", label: "load"}, {title: "succeeded", metric: succeeded},
			{title: "load time", metric: loadTime, spread: true}, {title: "tok/s", metric: tokenRate, spread: true},
			{title: "largest allocation", metric: "largest_allocation_bytes"}, {title: "chunks", metric: "chunks"},
		},
		compared: []string{succeeded, loadTime, tokenRate},
		plots:    fragmentationPlots,
	}
}

// fragmentationPlots plots which load modes still load at which size of holes, and their rates.
func fragmentationPlots(rs Results) ([]*plot.Plot, error) {
	holes := slices.Compact(rs.where(func(r Record) bool { return r.Labels["load"] != "" }).values(holeBytes).inMiB())
	if len(holes) == 0 {
		return nil, nil
	}
	survivors, err := survivorsPlot(rs, holes)
	if err != nil {
		return nil, err
	}
	rates := newPlot("Generation in fragmented address spaces", holeAxis, "tokens per second")
	var curves []*curve
	for _, load := range loadModes {
		c := &curve{name: load}
		for _, hole := range holes {
			c.add(hole, atHole(rs, load, hole).values(tokenRate))
		}
		curves = append(curves, c)
	}
	if !hasPoints(curves) {
		return []*plot.Plot{survivors}, nil
	}
	if err := addCurves(rates, curves...); err != nil {
		return nil, err
	}
	overHoles(rates, holes)
	return []*plot.Plot{survivors, rates}, nil
}

const holeAxis = "largest hole, MiB"

func atHole(rs Results, load string, mib float64) Results {
	return rs.where(func(r Record) bool { return r.Labels["load"] == load && r.Metrics[holeBytes] == mib*(1<<20) })
}

// overHoles makes the x axis logarithmic, in MiB.
func overHoles(p *plot.Plot, holes sample) {
	var ticks plot.ConstantTicks
	for _, hole := range holes {
		ticks = append(ticks, plot.Tick{Value: hole, Label: digits(hole)})
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks
	p.X.Min, p.X.Max = holes.least()/1.3, holes.most()*1.3
}

// survivorsPlot marks which load modes load and generate in which holes.
func survivorsPlot(rs Results, holes sample) (*plot.Plot, error) {
	p := newPlot("Load modes that load and generate", holeAxis, "")
	var ran, did plotter.XYs // in all repetitions, in none, in some
	for i, load := range slices.Backward(loadModes) {
		for _, hole := range holes {
			s := atHole(rs, load, hole).values(succeeded)
			at := plotter.XY{X: hole, Y: float64(len(loadModes) - 1 - i)}
			switch {
			case len(s) == 0:
			case s.least() == 1:
				ran = append(ran, at)
			default:
				did = append(did, at)
			}
		}
	}
	for _, marks := range []struct {
		name  string
		at    plotter.XYs
		shape draw.GlyphDrawer
		color int
	}{{"does", ran, draw.CircleGlyph{}, 2}, {"does not", did, draw.CrossGlyph{}, 1}} {
		if len(marks.at) == 0 {
			continue
		}
		points, err := plotter.NewScatter(marks.at)
		if err != nil {
			return nil, err
		}
		points.Shape, points.Color, points.Radius = marks.shape, palette[marks.color], vg.Points(6)
		p.Add(points)
		p.Legend.Add(marks.name, points)
	}
	modes := slices.Clone(loadModes)
	slices.Reverse(modes)
	p.NominalY(modes...)
	p.Y.Min, p.Y.Max = -0.5, float64(len(modes))-0.2
	p.Legend.Left = false
	overHoles(p, holes)
	return p, nil
}
