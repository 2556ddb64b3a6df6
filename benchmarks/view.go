package benchmarks

import "gonum.org/v1/plot"

// view defines how the results of an experiment are shown.
type view struct {
	title    string
	columns  []column
	compared []string // metrics that are compared with an earlier run
	// derive adds metrics that are computed from several records of the experiment.
	derive func(rs Results, experiment string)
	// facts are lines above the table.
	facts func(Results) []string
	// hide reports whether a case is left out of the table, because facts has all about it.
	hide func(Record) bool
	// closing are lines below the table.
	closing func(Results) []string
	// noRuns omits the column with the number of repetitions, unless some failed.
	noRuns bool
	// plots are drawn one below the other.
	plots func(Results) ([]*plot.Plot, error)
}

// column is a column of a table, with a label or a metric.
type column struct {
	title  string
	label  string
	metric string
	spread bool // show the spread beside the median
	mean   bool // show mean and standard deviation instead of the median
}

func views() map[string]view {
	return map[string]view{
		pressureName:      pressureView(),
		speedName:         speedView(),
		floorName:         floorView(),
		fragmentationName: fragmentationView(),
		loadName:          loadView(),
		memoryName:        memoryView(),
		contentionName:    contentionView(),
		expertsName:       expertsView(),
		serveName:         serveView(),
	}
}

// viewOf returns the view of an experiment. The view of an unknown experiment has its labels and
// rates.
func viewOf(experiment string) view {
	if v, ok := views()[experiment]; ok {
		return v
	}
	return view{title: experiment, columns: []column{{title: "tok/s", metric: tokenRate, spread: true}}, compared: []string{tokenRate}}
}
