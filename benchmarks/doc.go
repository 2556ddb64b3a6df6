// Package benchmarks measures memory and speed of the runtime, compares them with the engine's own
// way of loading, and writes tables and plots. Each case of an experiment runs in a process of its
// own, so that cases do not affect each other by memory, threads or peaks. The repetitions of all
// cases alternate, so that a drift of the machine's speed affects all cases alike.
//
//	r := benchmarks.Runner{Repetitions: 5}
//	results, err := r.Pressure(ctx, benchmarks.PressureOptions{Model: benchmarks.Model{Path: "model.gguf"}})
//	err = results.Write(os.Stdout, benchmarks.Table)
//	err = results.Plot("pressure.svg")
//
// A [Record] is one run of one case, or the reason why it was not run: a case that the system
// cannot run (no control group, a page cache that cannot be dropped) is recorded as skipped, never
// left out. [Results] makes all tables, files and plots from records. [Runner].OnRecord receives
// each record when its case ends, so that an interrupted run loses no finished case.
//
// The process of a case is this program again. It must call [Child] if its first argument is
// [ChildArgument]. [Runner].Command names another program. Apart from these processes the package
// starts nothing, prints nothing and handles no signals.
package benchmarks
