package benchmarks

// job is what the process of a case is to do: the JSON object on its standard input.
type job struct {
	Do    string `json:"do"` // a name in jobs
	Model string `json:"model"`

	Load      string `json:"load,omitempty"`
	NoRepack  bool   `json:"no_repack,omitempty"`
	NoBudget  bool   `json:"no_budget,omitempty"` // all weights may stay
	ChunkSize uint64 `json:"chunk_size,omitempty"`

	Context int    `json:"context,omitempty"`
	UBatch  int    `json:"ubatch,omitempty"`
	Threads int    `json:"threads,omitempty"`
	Prompt  string `json:"prompt,omitempty"`
	Tokens  int    `json:"tokens,omitempty"`
	Lookup  bool   `json:"lookup,omitempty"`
}

// message is a line of JSON that the process of a case writes, as soon as it knows: what
// it said before it is killed counts.
type message struct {
	Phase string `json:"phase,omitempty"` // what it does now, and how far that is
	Done  uint64 `json:"done,omitempty"`
	Total uint64 `json:"total,omitempty"`

	Metrics map[string]float64 `json:"metrics,omitempty"`
	Tokens  []int32            `json:"tokens,omitempty"`
	Note    string             `json:"note,omitempty"`

	End     bool   `json:"end,omitempty"` // the last
	Error   string `json:"error,omitempty"`
	Missing string `json:"missing,omitempty"` // what this machine cannot do
}
