package main

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/runtime"
)

// stats are the figures of a generation, as --json prints them. All keys are always
// there.
type stats struct {
	Model        string   `json:"model"`
	Architecture string   `json:"architecture"`
	Description  string   `json:"description"`
	Parameters   uint64   `json:"parameters"`
	LoadSeconds  float64  `json:"load_seconds"`
	LoadMode     string   `json:"load_mode"`
	LoadReason   string   `json:"load_reason"`
	Adjusted     []string `json:"adjusted"` // what was lowered, and why

	Chunks            int    `json:"chunks"`
	ChunkSize         uint64 `json:"chunk_size_bytes"`
	Weights           uint64 `json:"weights_bytes"`
	Repacked          uint64 `json:"repacked_bytes"`
	LargestAllocation uint64 `json:"largest_allocation_bytes"`
	LargestRange      uint64 `json:"largest_range_bytes"`
	LargestTensor     uint64 `json:"largest_tensor_bytes"`
	LargestTensorName string `json:"largest_tensor"`

	Context         int     `json:"context_tokens"`
	ContextUsed     int     `json:"context_used_tokens"`
	UBatch          int     `json:"ubatch_tokens"`
	PromptTokens    int     `json:"prompt_tokens"`
	PromptSeconds   float64 `json:"prompt_seconds"`
	PromptRate      float64 `json:"prompt_tokens_per_second"`
	GeneratedTokens int     `json:"generated_tokens"`
	GenerateSeconds float64 `json:"generate_seconds"`
	Rate            float64 `json:"tokens_per_second"`
	Finish          string  `json:"finish_reason"`
	Seed            uint32  `json:"seed"`

	PeakRSS  uint64            `json:"peak_rss_bytes"`
	PeakAnon uint64            `json:"peak_anon_bytes"`
	PeakFile uint64            `json:"peak_file_bytes"`
	Memory   loader.Usage      `json:"memory"`
	Pool     *loader.PoolStats `json:"pool"` // null without --pool
}

func newStats(r runtime.Report, s runtime.Stats, end runtime.FinishReason) stats {
	return stats{
		Model: r.Path, Architecture: r.Architecture, Description: r.Description, Parameters: r.Parameters,
		LoadSeconds: r.LoadDuration.Seconds(), LoadMode: r.LoadMode.String(), LoadReason: r.LoadReason, Adjusted: list(r.Adjusted),
		Chunks: r.Chunks, ChunkSize: r.ChunkSize, Weights: r.WeightBytes, Repacked: r.Repacked,
		LargestAllocation: r.LargestAllocation, LargestRange: r.LargestRange,
		LargestTensor: r.LargestTensor, LargestTensorName: r.LargestTensorName,
		Context: s.Context, ContextUsed: s.Used, UBatch: s.UBatch,
		PromptTokens: s.PromptTokens, PromptSeconds: s.PromptDuration.Seconds(), PromptRate: s.PromptRate(),
		GeneratedTokens: s.GeneratedTokens, GenerateSeconds: s.GenerateDuration.Seconds(), Rate: s.Rate(),
		Finish: string(end), Seed: s.Seed,
		PeakRSS: r.PeakRSS, PeakAnon: r.PeakAnon, PeakFile: r.PeakFile, Memory: r.Memory,
	}
}

// figures is the closing line.
func (s stats) figures() string {
	var b strings.Builder
	fmt.Fprintf(&b, "infer: loaded %s in %.2f s (%s: %s)", loader.Size(s.Weights), s.LoadSeconds, s.LoadMode, s.LoadReason)
	fmt.Fprintf(&b, "; %s, largest allocation %s", count(s.Chunks, "chunk"), loader.Size(s.LargestAllocation))
	fmt.Fprintf(&b, "; prompt %s%s", count(s.PromptTokens, "token"), perSecond(s.PromptRate))
	fmt.Fprintf(&b, "; generated %s%s", count(s.GeneratedTokens, "token"), perSecond(s.Rate))
	if reason := finishWords(s.Finish); reason != "" {
		b.WriteString(", " + reason)
	}
	fmt.Fprintf(&b, "; peak memory %s anonymous + %s file-backed", loader.Size(s.PeakAnon), loader.Size(s.PeakFile))
	return oneLine(b.String())
}

// finishWords says why a generation ended where that is not plain to see.
func finishWords(reason string) string {
	switch runtime.FinishReason(reason) {
	case runtime.FinishContext:
		return "context full"
	case finishInterrupted:
		return "interrupted"
	case finishError:
		return "failed"
	}
	return ""
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func perSecond(rate float64) string {
	if rate <= 0 {
		return ""
	}
	if rate >= 1000 {
		return fmt.Sprintf(" at %.0f/s", rate)
	}
	return fmt.Sprintf(" at %.1f/s", rate)
}
