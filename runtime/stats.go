package runtime

import (
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/loader/residency"
)

// Report is a snapshot of what a model takes. Sizes are bytes. In JSON it is an object with
// all fields; the names of sizes end in _bytes, and times are seconds.
type Report struct {
	Path         string   `json:"model"`
	Architecture string   `json:"architecture"`
	Description  string   `json:"description"`
	Parameters   uint64   `json:"parameters"`
	LoadMode     LoadMode `json:"load_mode"`
	LoadReason   string   `json:"load_reason"` // why this mode
	Repacked     uint64   `json:"repacked_bytes"`
	Packed       uint64   `json:"packed_bytes"` // mapped from a packed file, in this CPU's layout
	// Adjusted lists what was lowered because there was not enough memory for the defaults,
	// and the models before the fallback that was opened.
	Adjusted []Adjustment `json:"adjusted"`
	// Warnings are problems of the model's file that do not prevent loading, one line each;
	// see gguf.Index.Warnings.
	Warnings []string `json:"warnings"`

	Chunks            int    `json:"chunks"`
	ChunkSize         uint64 `json:"chunk_size_bytes"`
	WeightBytes       uint64 `json:"weights_bytes"`
	LargestTensor     uint64 `json:"largest_tensor_bytes"`
	LargestTensorName string `json:"largest_tensor"`
	// LargestAllocation is the largest single mapping or commit since the model was
	// opened; LargestRange is the largest range of contiguous addresses.
	LargestAllocation uint64 `json:"largest_allocation_bytes"`
	LargestRange      uint64 `json:"largest_range_bytes"`

	Memory  memory.Usage  `json:"memory"`  // by purpose
	Process probe.Process `json:"process"` // the whole process now
	// PeakRSS is the kernel's figure. PeakAnon and PeakFile are the largest samples while
	// loading and generating, taken every 20 ms, or less often if a sample takes long
	// (Windows before 10 22H2).
	PeakRSS  uint64 `json:"peak_rss_bytes"`
	PeakAnon uint64 `json:"peak_anon_bytes"`
	PeakFile uint64 `json:"peak_file_bytes"`

	// FlashAttention is the choice for the session that Open made room for: on or off, or
	// auto if layers are on GPUs; FlashReason says why. With LoadStock, which makes room for
	// no session, they are auto and "".
	FlashAttention llama.FlashAttention `json:"flash_attention"`
	FlashReason    string               `json:"flash_attention_reason"`

	// Budget is the memory budget in bytes, and Residency says which weights stay in memory;
	// 0 and nil without a budget.
	Budget    uint64           `json:"budget_bytes"`
	Residency *residency.Stats `json:"residency"`

	// GPULayers is how many layers are on devices, the output included, and Devices the memory of
	// those that any was taken of. With LoadStock the devices are not known.
	GPULayers int                  `json:"gpu_layers"`
	Devices   []memory.DeviceUsage `json:"devices"`

	LoadDuration time.Duration `json:"-"`
}

// MarshalJSON writes an object with all fields.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	r.Adjusted, r.Warnings, r.Devices = noNil(r.Adjusted), noNil(r.Warnings), noNil(r.Devices)
	return words.EncodeJSON(struct {
		plain
		LoadDuration float64 `json:"load_seconds"`
	}{plain(r), r.LoadDuration.Seconds()})
}

// Stats are the figures of a session's last generation. In JSON they are an object with all
// fields and both rates; times are seconds.
type Stats struct {
	PromptTokens     int           `json:"prompt_tokens"`        // that were computed
	CachedTokens     int           `json:"prompt_cached_tokens"` // of the prompt, computed before; see KeepPrefix
	PromptDuration   time.Duration `json:"-"`
	GeneratedTokens  int           `json:"generated_tokens"`
	GenerateDuration time.Duration `json:"-"`                   // for the tokens after the first
	Context          int           `json:"context_tokens"`      // tokens that fit
	Used             int           `json:"context_used_tokens"` // tokens in the context
	UBatch           int           `json:"ubatch_tokens"`       // tokens computed at once
	// FlashAttention is on or off, or auto if layers are on GPUs and the engine decides.
	FlashAttention llama.FlashAttention `json:"flash_attention"`
	Seed           uint32               `json:"seed"`
	Threads        int                  `json:"threads"`       // of the last evaluation of one token
	BatchThreads   int                  `json:"batch_threads"` // of the last evaluation of several tokens
	// Passes is the number of evaluations for the generated tokens: one for each token
	// after the first, or fewer with [GenerateOptions].Lookup.
	Passes int `json:"passes"`
	// Drafted is the number of drafted tokens that were evaluated, Accepted the number of
	// those that were sampled.
	Drafted  int `json:"drafted_tokens"`
	Accepted int `json:"accepted_tokens"`
	// Notes are hints about the prompt and the session, one line each: for example, that the prompt
	// begins with a token that the tokenizer adds too, or that the context is longer than the model
	// was trained with.
	Notes []string `json:"notes"`
}

// MarshalJSON writes an object with all fields, and the rates.
func (s Stats) MarshalJSON() ([]byte, error) {
	type plain Stats
	s.Notes = noNil(s.Notes)
	return words.EncodeJSON(struct {
		plain
		PromptDuration   float64 `json:"prompt_seconds"`
		PromptRate       float64 `json:"prompt_tokens_per_second"`
		GenerateDuration float64 `json:"generate_seconds"`
		Rate             float64 `json:"tokens_per_second"`
	}{plain(s), s.PromptDuration.Seconds(), s.PromptRate(), s.GenerateDuration.Seconds(), s.Rate()})
}

// noNil returns a copy of a list that is [] in JSON if it is empty.
func noNil[T any](list []T) []T { return append([]T{}, list...) }

// PromptRate returns prompt tokens per second, 0 if unknown.
func (s Stats) PromptRate() float64 { return rate(s.PromptTokens, s.PromptDuration) }

// Rate returns generated tokens per second, 0 if unknown. The first token is not counted, as
// it needs no evaluation after the prompt.
func (s Stats) Rate() float64 { return rate(s.GeneratedTokens-1, s.GenerateDuration) }

func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// SystemInfo describes the engine's build and the CPU and devices that it found.
type SystemInfo struct {
	EngineVersion string `json:"engine_version"` // of the Go module with its sources, or of its libraries
	EngineCommit  string `json:"engine_commit"`  // of llama.cpp; "" for libraries

	// Engine is the engine of this process: see package engine.
	Engine llama.EngineInfo `json:"engine"`

	Compiled   []string       `json:"cpu_compiled"`  // instruction sets in the build
	Available  []string       `json:"cpu_available"` // instruction sets of this CPU
	Missing    []string       `json:"cpu_missing"`   // of this CPU, not compiled in, and faster
	Repack     bool           `json:"repack"`        // weights can be repacked for this CPU
	Kernels    string         `json:"kernels"`       // see llama.Kernels; "" for the engine's
	Devices    []llama.Device `json:"devices"`
	GPUOffload bool           `json:"gpu_offload"`
}

// System describes the engine. In a build without cgo the error is [ErrNoEngine].
func System() (SystemInfo, error) {
	devices, err := llama.Devices()
	version, commit, e := llama.EngineVersion, llama.EngineCommit, llama.Engine()
	if e.Folder != "" {
		version, commit = e.Version, ""
	}
	return SystemInfo{
		EngineVersion: version, EngineCommit: commit, Engine: e,
		Compiled: llama.CompiledFeatures(), Available: llama.AvailableFeatures(), Missing: llama.MissingFeatures(), Repack: llama.CanRepack(), Kernels: llama.Kernels(),
		Devices: devices, GPUOffload: llama.SupportsGPU(),
	}, err
}
