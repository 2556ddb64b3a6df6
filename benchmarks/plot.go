package benchmarks

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/seed7adf6694/infer/runtime"
)

// Size of a plot. Plots of one file are drawn one below the other.
const (
	plotWidth  = 18 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
	plotMargin = 4 * vg.Millimeter
)

// CheckPlotName returns an error unless the file's name ends in a format of [Results.Plot]: .png or
// .svg.
func CheckPlotName(path string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".png", ".svg":
		return nil
	default:
		return fmt.Errorf("plot %s: unknown format: use a name that ends in .png or .svg", path)
	}
}

// Plot draws the results into a file that ends in .png or .svg. The file appears only when it is
// complete.
func (rs Results) Plot(path string) error {
	if err := CheckPlotName(path); err != nil {
		return err
	}
	var plots []*plot.Plot
	all := rs.derived()
	for _, experiment := range all.experiments() {
		v := viewOf(experiment)
		if v.plots == nil {
			continue
		}
		ps, err := v.plots(all.where(func(r Record) bool { return r.Experiment == experiment }))
		if err != nil {
			return fmt.Errorf("plot %s: %w", path, err)
		}
		plots = append(plots, ps...)
	}
	if len(plots) == 0 {
		return fmt.Errorf("plot %s: nothing to draw: no case succeeded", path)
	}
	return runtime.WriteFile(path, func(w io.Writer) error { return drawPlots(w, plots, strings.ToLower(filepath.Ext(path))) })
}

func drawPlots(w io.Writer, plots []*plot.Plot, ext string) error {
	width, height := plotWidth, plotHeight*vg.Length(len(plots))
	var canvas vg.CanvasWriterTo
	if ext == ".png" {
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144))}
	} else {
		canvas = vgsvg.New(width, height)
	}
	whole := draw.New(canvas)
	for i, p := range plots {
		bottom := height - plotHeight*vg.Length(i+1)
		p.Draw(draw.Crop(draw.Canvas{Canvas: whole.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{Y: bottom}, Max: vg.Point{X: width, Y: bottom + plotHeight}}},
			plotMargin, -plotMargin, plotMargin, -plotMargin))
	}
	_, err := canvas.WriteTo(w)
	return err
}

// palette has colours that colour-blind people can distinguish (Okabe and Ito).
var palette = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255},
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	for _, style := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font} {
		size := style.Size
		*style = sans
		style.Size = size
	}
	p.Title.Padding, p.X.Padding, p.Y.Padding = 3*vg.Millimeter, 2*vg.Millimeter, 2*vg.Millimeter
	p.Title.TextStyle.Font.Size = 13
	p.BackgroundColor = color.White
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Millimeter
	p.Y.Min, p.X.Tick.Marker, p.Y.Tick.Marker = 0, roundTicks{}, roundTicks{}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{230}, color.Gray{230}
	p.Add(grid)
	return p
}

// roundTicks places about five ticks at 1, 2 or 5 times a power of ten.
type roundTicks struct{}

// Ticks returns the ticks of an axis.
func (roundTicks) Ticks(from, to float64) []plot.Tick {
	if !(to > from) || math.IsInf(to-from, 0) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10((to-from)/5)))
	for _, times := range []float64{5, 2} {
		if (to-from)/(times*step) >= 4 {
			step *= times
			break
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(from / step); i*step <= to; i++ {
		label := strconv.FormatFloat(math.Round(i*step*1e6)/1e6, 'f', -1, 64)
		ticks = append(ticks, plot.Tick{Value: i * step, Label: label})
	}
	return ticks
}

// curve is a line through medians, with error bars from the minimum to the maximum of the
// repetitions.
type curve struct {
	name   string
	x      []float64
	y      []sample
	dashed bool
	fitted bool // draw the fitted line instead of connecting the points
}

func (c *curve) add(x float64, y sample) {
	if len(y) > 0 {
		c.x, c.y = append(c.x, x), append(c.y, y)
	}
}

// The methods of plotter's interfaces.

func (c *curve) Len() int                    { return len(c.x) }
func (c *curve) XY(i int) (float64, float64) { return c.x[i], c.y[i].median() }
func (c *curve) YError(i int) (low, high float64) {
	m := c.y[i].median()
	return m - c.y[i].least(), c.y[i].most() - m
}

func (c *curve) fit() (base, slope float64, ok bool) {
	var y []float64
	for _, s := range c.y {
		y = append(y, s.median())
	}
	return fit(c.x, y)
}

// addCurves draws curves with at least one point. Each point has a tick on the x axis.
func addCurves(p *plot.Plot, curves ...*curve) error {
	marks := map[float64]bool{}
	for i, c := range curves {
		if c.Len() == 0 {
			continue
		}
		line, points, err := plotter.NewLinePoints(c)
		if err != nil {
			return err
		}
		for _, x := range c.x {
			marks[x] = true
		}
		line.Color, line.Width = palette[i%len(palette)], vg.Points(1.5)
		points.Color, points.Shape, points.Radius = line.Color, draw.CircleGlyph{}, vg.Points(2.5)
		if c.dashed {
			line.Color = color.Black
			line.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
			p.Add(line)
			p.Legend.Add(c.name, line)
			continue
		}
		if base, slope, ok := c.fit(); ok && c.fitted {
			from, to := slices.Min(c.x), slices.Max(c.x)
			line.XYs = plotter.XYs{{X: from, Y: base + slope*from}, {X: to, Y: base + slope*to}}
		}
		bars, err := plotter.NewYErrorBars(c)
		if err != nil {
			return err
		}
		bars.Color = line.Color
		p.Add(line, points, bars)
		p.Legend.Add(c.name, line, points)
	}
	var ticks plot.ConstantTicks
	for x := range marks {
		ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(math.Round(10*x)/10, 'f', -1, 64)})
	}
	p.X.Tick.Marker = ticks
	leaveLegend(p, len(curves))
	return nil
}

// leaveLegend extends the y axis to make room for a legend of the given number of lines.
func leaveLegend(p *plot.Plot, lines int) {
	const share = 0.062 // height of a line, as a share of the plot's
	p.Y.Max /= 1 - min(share*float64(lines), 0.6)
}
