package benchmarks

// evaluatedRate is what llama-bench calls t/s: prompt and generated tokens alike.
const evaluatedRate = "evaluated_tokens_per_second"

// speedView has llama-bench's columns; those of what is as usual are left out, as there.
func speedView() view {
	return view{
		title: "Speed, as llama-bench measures it",
		columns: []column{
			{title: "model", label: "model"},
			{title: "size", label: "size"},
			{title: "params", label: "params"},
			{title: "backend", label: "backend"},
			{title: "threads", label: "threads"},
			{title: "n_batch", label: "n_batch"},
			{title: "n_ubatch", label: "n_ubatch"},
			{title: "type_k", label: "type_k"},
			{title: "type_v", label: "type_v"},
			{title: "fa", label: "fa"},
			{title: "load", label: "load"},
			{title: "test", label: "test"},
			{title: "t/s", metric: evaluatedRate, mean: true},
		},
		compared: []string{evaluatedRate, loadTime},
		facts:    func(Results) []string { return []string{"t/s: mean ± standard deviation, as llama-bench has it"} },
		noRuns:   true,
	}
}
