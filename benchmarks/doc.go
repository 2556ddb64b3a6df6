// Package benchmarks measures what the runtime takes and does, against the engine's own
// way of loading, and writes tables and plots of it. Each case of an experiment runs in a
// process of its own, so that none finds the memory, the threads or the peak of another;
// the cases take turns, round after round, so that a machine that becomes slower makes
// all of them slower.
//
//	r := benchmarks.Runner{Repetitions: 5}
//	results, err := r.Pressure(ctx, benchmarks.PressureOptions{Model: benchmarks.Model{Path: "model.gguf"}})
//	err = results.Write(os.Stdout, benchmarks.Table)
//	err = results.Plot("pressure.svg")
//
// A [Record] is one run of one case, or why it was not run: what the system cannot do (no
// control group, a page cache that cannot be dropped) is named there and never left out.
// All tables, files and plots are made of records, by [Results]. [Runner].OnRecord gets
// each as it is finished, so that an interrupted run loses nothing.
//
// The process of a case is this program again, which has to call [Child] when its first
// argument is [ChildArgument]; [Runner].Command names another. Apart from that the
// package starts nothing, prints nothing and handles no signals.
package benchmarks
