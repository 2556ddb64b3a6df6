package benchmarks

import "gonum.org/v1/plot"

// view is how the results of an experiment are shown.
type view struct {
	title    string
	columns  []column
	compared []string // metrics that are compared with those of an earlier run
	// derive adds metrics that follow from several records of the experiment.
	derive func(rs Results, experiment string)
	// facts are lines above the table.
	facts func(Results) []string
	// hide tells of a case that facts have told all about.
	hide func(Record) bool
	// noRuns leaves out how many repetitions there were, unless some did not end well.
	noRuns bool
	// plots are drawn one below the other.
	plots func(Results) ([]*plot.Plot, error)
}

// column is one of a table: of a label, or of a metric.
type column struct {
	title  string
	label  string
	metric string
	spread bool // shown with the median
	mean   bool // and the standard deviation, in place of the median
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
	}
}

// viewOf is the view of an experiment; one that is not known shows its labels and rates.
func viewOf(experiment string) view {
	if v, ok := views()[experiment]; ok {
		return v
	}
	return view{title: experiment, columns: []column{{title: "tok/s", metric: tokenRate, spread: true}}, compared: []string{tokenRate}}
}
