package runtime

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/loader/residency"
)

// Report is what a model took, at the moment of asking. Sizes are bytes. In JSON it is an
// object with all fields, sizes with names in _bytes and times in seconds.
type Report struct {
	Path         string   `json:"model"`
	Architecture string   `json:"architecture"`
	Description  string   `json:"description"`
	Parameters   uint64   `json:"parameters"`
	LoadMode     LoadMode `json:"load_mode"`
	LoadReason   string   `json:"load_reason"` // why this mode
	Repacked     uint64   `json:"repacked_bytes"`
	Packed       uint64   `json:"packed_bytes"` // mapped from a packed file, in the layout of this CPU
	// Adjusted is what was lowered because there was not enough memory for the default, and
	// which models were passed over.
	Adjusted []Adjustment `json:"adjusted"`
	// Warnings says, a line each, what is wrong with the model's file and does not keep it
	// from being loaded; see loader's Index.Warnings.
	Warnings []string `json:"warnings"`

	Chunks            int    `json:"chunks"`
	ChunkSize         uint64 `json:"chunk_size_bytes"`
	WeightBytes       uint64 `json:"weights_bytes"`
	LargestTensor     uint64 `json:"largest_tensor_bytes"`
	LargestTensorName string `json:"largest_tensor"`
	// LargestAllocation is the largest single mapping or commit since the model was
	// opened, LargestRange the largest range of contiguous addresses.
	LargestAllocation uint64 `json:"largest_allocation_bytes"`
	LargestRange      uint64 `json:"largest_range_bytes"`

	Memory  memory.Usage  `json:"memory"`  // by purpose
	Process probe.Process `json:"process"` // of the whole process, now
	// PeakRSS is the kernel's figure; PeakAnon and PeakFile are the largest values
	// seen while loading and generating: looked at every 20 ms, and less often where that
	// takes long (Windows before 10 22H2).
	PeakRSS  uint64 `json:"peak_rss_bytes"`
	PeakAnon uint64 `json:"peak_anon_bytes"`
	PeakFile uint64 `json:"peak_file_bytes"`

	// FlashAttention is what the session that Open made room for computes with: on or off,
	// or auto where layers are on GPUs; FlashReason says why. Of a stock load, which makes
	// room for none, it is auto and "".
	FlashAttention llama.FlashAttention `json:"flash_attention"`
	FlashReason    string               `json:"flash_attention_reason"`

	// Budget is the memory budget in force, and Residency what it does with the weights;
	// 0 and nil without one.
	Budget    uint64           `json:"budget_bytes"`
	Residency *residency.Stats `json:"residency"`

	LoadDuration time.Duration `json:"-"`
}

// MarshalJSON writes an object with all fields.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	r.Adjusted, r.Warnings = noNil(r.Adjusted), noNil(r.Warnings)
	return marshal(struct {
		plain
		LoadDuration float64 `json:"load_seconds"`
	}{plain(r), r.LoadDuration.Seconds()})
}

// Stats are the figures of a session's last generation. In JSON they are an object with all
// fields and both rates, times in seconds.
type Stats struct {
	PromptTokens     int           `json:"prompt_tokens"`
	PromptDuration   time.Duration `json:"-"`
	GeneratedTokens  int           `json:"generated_tokens"`
	GenerateDuration time.Duration `json:"-"`                   // of the tokens after the first
	Context          int           `json:"context_tokens"`      // tokens that fit
	Used             int           `json:"context_used_tokens"` // tokens in the context
	UBatch           int           `json:"ubatch_tokens"`       // tokens computed at once
	// FlashAttention is on or off as the session was made, or auto where the engine decides
	// for layers on GPUs.
	FlashAttention llama.FlashAttention `json:"flash_attention"`
	Seed           uint32               `json:"seed"`
	Threads        int                  `json:"threads"`       // that the last evaluation of a token computed with
	BatchThreads   int                  `json:"batch_threads"` // and the last one of several
	// Passes are the evaluations of the model that the generated tokens took: one for
	// each token after the first, or fewer with [GenerateOptions].Lookup.
	Passes int `json:"passes"`
	// Drafted are the tokens that were guessed and evaluated, Accepted those of them
	// that were sampled.
	Drafted  int `json:"drafted_tokens"`
	Accepted int `json:"accepted_tokens"`
	// Notes are what a user should know of the prompt, a line each: that it begins with
	// a token that the tokenizer adds as well.
	Notes []string `json:"notes"`
}

// MarshalJSON writes an object with all fields, and the rates.
func (s Stats) MarshalJSON() ([]byte, error) {
	type plain Stats
	s.Notes = noNil(s.Notes)
	return marshal(struct {
		plain
		PromptDuration   float64 `json:"prompt_seconds"`
		PromptRate       float64 `json:"prompt_tokens_per_second"`
		GenerateDuration float64 `json:"generate_seconds"`
		Rate             float64 `json:"tokens_per_second"`
	}{plain(s), s.PromptDuration.Seconds(), s.PromptRate(), s.GenerateDuration.Seconds(), s.Rate()})
}

// marshal encodes v. Whether <, > and & are escaped is for the encoder to say that asks.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// noNil is a list that is [] in JSON where it is empty.
func noNil[T any](list []T) []T { return append([]T{}, list...) }

// PromptRate is prompt tokens per second, 0 where unknown.
func (s Stats) PromptRate() float64 { return rate(s.PromptTokens, s.PromptDuration) }

// Rate is generated tokens per second, 0 where unknown. The first token comes with
// the prompt and is not counted.
func (s Stats) Rate() float64 { return rate(s.GeneratedTokens-1, s.GenerateDuration) }

func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// SystemInfo is what the engine was built for and what it found.
type SystemInfo struct {
	EngineVersion string         `json:"engine_version"` // of the Go module that carries it
	EngineCommit  string         `json:"engine_commit"`  // of llama.cpp
	Compiled      []string       `json:"cpu_compiled"`   // instruction sets in use
	Available     []string       `json:"cpu_available"`  // instruction sets of this CPU
	Missing       []string       `json:"cpu_missing"`    // what the build lacks and speed wants
	Repack        bool           `json:"repack"`         // weights can be converted for this CPU
	Devices       []llama.Device `json:"devices"`
	GPUOffload    bool           `json:"gpu_offload"`
}

// System describes the engine. Without one (cgo off) the error is [ErrNoEngine].
func System() (SystemInfo, error) {
	devices, err := llama.Devices()
	return SystemInfo{
		EngineVersion: llama.EngineVersion, EngineCommit: llama.EngineCommit,
		Compiled: llama.CompiledFeatures(), Available: llama.AvailableFeatures(), Missing: llama.MissingFeatures(), Repack: llama.CanRepack(),
		Devices: devices, GPUOffload: llama.SupportsGPU(),
	}, err
}
