package benchmarks

import (
	"cmp"
	"context"
	"errors"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// job is what a child process shall do. It is passed as a JSON object on standard input.
type job struct {
	Do     string `json:"do"`               // a name in jobs
	Engine string `json:"engine,omitempty"` // for llama.UseEngine; "": the compiled-in one
	Model  string `json:"model"`

	Load      string `json:"load,omitempty"`
	NoRepack  bool   `json:"no_repack,omitempty"`
	NoBudget  bool   `json:"no_budget,omitempty"` // budget for all weights
	ChunkSize uint64 `json:"chunk_size,omitempty"`
	GPULayers int    `json:"gpu_layers,omitempty"` // as [runtime.Options].GPULayers

	Context int    `json:"context,omitempty"`
	UBatch  int    `json:"ubatch,omitempty"`
	Threads int    `json:"threads,omitempty"`
	Prompt  string `json:"prompt,omitempty"`
	Tokens  int    `json:"tokens,omitempty"`
	Lookup  bool   `json:"lookup,omitempty"`
	Experts bool   `json:"experts,omitempty"` // record the experts that are chosen, and replay them

	Hole   uint64 `json:"hole,omitempty"`   // size of the largest hole of the address space, in bytes
	Base   string `json:"base,omitempty"`   // model to compare with
	Chunks int    `json:"chunks,omitempty"` // chunks of a text

	Busy      int `json:"busy,omitempty"`      // processors that other processes keep busy
	Sessions  int `json:"sessions,omitempty"`  // sessions that generate at the same time
	Processes int `json:"processes,omitempty"` // processes that generate at the same time

	Command  []string `json:"command,omitempty"`  // a server and its arguments
	Ollama   bool     `json:"ollama,omitempty"`   // the server is ollama
	Folder   string   `json:"folder,omitempty"`   // for its copies of the model
	Requests int      `json:"requests,omitempty"` // of each stream, one after the other
	Limit    uint64   `json:"limit,omitempty"`    // of the server's control group, in bytes
	Chat     bool     `json:"chat,omitempty"`     // prompts are messages

	PromptTokens int    `json:"prompt_tokens,omitempty"` // number of random tokens to time
	Depth        int    `json:"depth,omitempty"`         // tokens in the context before the test
	Batch        int    `json:"batch,omitempty"`
	CacheTypeK   string `json:"cache_type_k,omitempty"` // "": f16
	CacheTypeV   string `json:"cache_type_v,omitempty"`
	Flash        string `json:"flash_attention,omitempty"`
}

// session returns the options of the job's session.
func (j job) session() runtime.SessionOptions {
	return runtime.SessionOptions{
		Context: j.Context, Batch: j.Batch, UBatch: j.UBatch, Threads: j.Threads,
		CacheTypeK: cmp.Or(j.CacheTypeK, "f16"), CacheTypeV: cmp.Or(j.CacheTypeV, "f16"), FlashAttention: flashAttention(j.Flash),
	}
}

func flashAttention(word string) llama.FlashAttention {
	switch word {
	case "on":
		return llama.FlashOn
	case "off":
		return llama.FlashOff
	case "auto":
		return llama.FlashAuto
	}
	return llama.FlashOn // independent of the available memory, so that all cases compute the same texts
}

// open opens the job's model and reports progress.
func (j job) open(ctx context.Context, r *reporter) (*runtime.Model, *runtime.Session, error) {
	return j.openTelling(ctx, r, nil)
}

// openTelling is open with a session that tells which experts are chosen, unless told is nil.
func (j job) openTelling(ctx context.Context, r *reporter, told func(layer int, ids []int32)) (*runtime.Model, *runtime.Session, error) {
	mode, err := runtime.ParseLoadMode(j.Load)
	if err != nil {
		return nil, nil, err
	}
	open := runtime.Options{Load: mode, Packed: runtime.PackedOff, NoRepack: j.NoRepack, ChunkSize: j.ChunkSize, GPULayers: j.GPULayers, Session: j.session()}
	if j.NoBudget {
		open.MaxMemory = runtime.MaxMemoryOff
	}
	open.Progress = func(p runtime.Progress) { r.phase("loading", p.Done, p.Total) }
	m, err := runtime.Open(ctx, j.Model, open)
	if err != nil {
		return nil, nil, err
	}
	r.metrics(map[string]float64{loadTime: m.Report().LoadDuration.Seconds()})
	session := j.session()
	session.OnExperts = told
	s, err := m.NewSession(ctx, session)
	if err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	return m, s, nil
}

// message is a line of JSON from a case's process. Each figure is written as soon as it is known,
// so that it is recorded even if the process is killed later.
type message struct {
	Phase string `json:"phase,omitempty"` // current phase and its progress
	Done  uint64 `json:"done,omitempty"`
	Total uint64 `json:"total,omitempty"`

	Metrics map[string]float64   `json:"metrics,omitempty"`
	Tokens  []int32              `json:"tokens,omitempty"`
	Series  map[string][]float64 `json:"series,omitempty"`
	Note    string               `json:"note,omitempty"`

	End     bool   `json:"end,omitempty"` // last message
	Error   string `json:"error,omitempty"`
	Missing string `json:"missing,omitempty"` // why this machine cannot run the case
}
