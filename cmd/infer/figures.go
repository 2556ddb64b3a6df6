package main

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
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
	Warnings     []string `json:"warnings"` // what is wrong with the file

	Chunks            int    `json:"chunks"`
	ChunkSize         uint64 `json:"chunk_size_bytes"`
	Weights           uint64 `json:"weights_bytes"`
	Repacked          uint64 `json:"repacked_bytes"`
	Packed            uint64 `json:"packed_bytes"` // mapped from a packed file
	LargestAllocation uint64 `json:"largest_allocation_bytes"`
	LargestRange      uint64 `json:"largest_range_bytes"`
	LargestTensor     uint64 `json:"largest_tensor_bytes"`
	LargestTensorName string `json:"largest_tensor"`

	Context         int     `json:"context_tokens"`
	ContextUsed     int     `json:"context_used_tokens"`
	UBatch          int     `json:"ubatch_tokens"`
	Threads         int     `json:"threads"`         // of the last token
	BatchThreads    int     `json:"batch_threads"`   // and of the last piece of the prompt
	FlashAttention  string  `json:"flash_attention"` // on or off; auto with layers on GPUs
	PromptTokens    int     `json:"prompt_tokens"`
	PromptSeconds   float64 `json:"prompt_seconds"`
	PromptRate      float64 `json:"prompt_tokens_per_second"`
	GeneratedTokens int     `json:"generated_tokens"`
	GenerateSeconds float64 `json:"generate_seconds"`
	Rate            float64 `json:"tokens_per_second"`
	Passes          int     `json:"passes"`          // evaluations for the generated tokens
	Drafted         int     `json:"drafted_tokens"`  // guessed by --lookup
	Accepted        int     `json:"accepted_tokens"` // of those, right ones
	Finish          string  `json:"finish_reason"`
	Seed            uint32  `json:"seed"`

	Budget        uint64  `json:"budget_bytes"` // of memory; 0 without one, as what follows
	Resident      uint64  `json:"resident_bytes"`
	Streamed      uint64  `json:"streamed_bytes"`
	StreamedToken uint64  `json:"streamed_bytes_per_token"`
	ReadRate      float64 `json:"read_bytes_per_second"`
	Stall         float64 `json:"stall_seconds"`
	Hits          uint64  `json:"residency_hits"`
	Misses        uint64  `json:"residency_misses"`

	PeakRSS  uint64            `json:"peak_rss_bytes"`
	PeakAnon uint64            `json:"peak_anon_bytes"`
	PeakFile uint64            `json:"peak_file_bytes"`
	Memory   loader.Usage      `json:"memory"`
	Pool     *loader.PoolStats `json:"pool"` // null without --pool
}

func newStats(r runtime.Report, s runtime.Stats, end runtime.FinishReason) stats {
	return stats{
		Model: r.Path, Architecture: r.Architecture, Description: r.Description, Parameters: r.Parameters,
		LoadSeconds: r.LoadDuration.Seconds(), LoadMode: r.LoadMode.String(), LoadReason: r.LoadReason, Adjusted: list(r.Adjusted), Warnings: list(r.Warnings),
		Chunks: r.Chunks, ChunkSize: r.ChunkSize, Weights: r.WeightBytes, Repacked: r.Repacked, Packed: r.Packed,
		LargestAllocation: r.LargestAllocation, LargestRange: r.LargestRange,
		LargestTensor: r.LargestTensor, LargestTensorName: r.LargestTensorName,
		Context: s.Context, ContextUsed: s.Used, UBatch: s.UBatch, Threads: s.Threads, BatchThreads: s.BatchThreads, FlashAttention: s.FlashAttention.String(),
		PromptTokens: s.PromptTokens, PromptSeconds: s.PromptDuration.Seconds(), PromptRate: s.PromptRate(),
		GeneratedTokens: s.GeneratedTokens, GenerateSeconds: s.GenerateDuration.Seconds(), Rate: s.Rate(),
		Passes: s.Passes, Drafted: s.Drafted, Accepted: s.Accepted,
		Finish: string(end), Seed: s.Seed,
		PeakRSS: r.PeakRSS, PeakAnon: r.PeakAnon, PeakFile: r.PeakFile, Memory: r.Memory,
	}
}

// residency adds what a memory budget did.
func (s *stats) residency(r runtime.Report) {
	x := r.Residency
	if x == nil {
		return
	}
	s.Budget, s.Resident, s.Streamed, s.Stall, s.Hits, s.Misses = r.Budget, x.Resident, x.Read, x.Stalled.Seconds(), x.Hits, x.Misses
	if x.Reading > 0 {
		s.ReadRate = float64(x.Read) / x.Reading.Seconds()
	}
	if x.Passes > 0 {
		s.StreamedToken = x.Read / x.Passes
	}
}

// figures is the closing line.
func (s stats) figures() string {
	var b strings.Builder
	mode := s.LoadMode
	if s.Packed > 0 {
		mode += ", packed"
	}
	fmt.Fprintf(&b, "infer: loaded %s in %.2f s (%s: %s)", loader.Size(s.Weights), s.LoadSeconds, mode, s.LoadReason)
	fmt.Fprintf(&b, "; %s, largest allocation %s", count(s.Chunks, "chunk"), loader.Size(s.LargestAllocation))
	fmt.Fprintf(&b, "; flash attention %s; prompt %s%s", s.FlashAttention, count(s.PromptTokens, "token"), perSecond(s.PromptRate))
	fmt.Fprintf(&b, "; generated %s%s", count(s.GeneratedTokens, "token"), perSecond(s.Rate))
	if s.Drafted > 0 {
		fmt.Fprintf(&b, ", %d of %s right", s.Accepted, count(s.Drafted, "guessed token"))
	}
	if reason := finishWords(s.Finish); reason != "" {
		b.WriteString(", " + reason)
	}
	if s.Streamed > 0 {
		fmt.Fprintf(&b, "; kept %s of a budget of %s, streamed %s a pass at %s/s, waited %.1f s", loader.Size(s.Resident), loader.Size(s.Budget), loader.Size(s.StreamedToken), loader.Size(uint64(s.ReadRate)), s.Stall)
	}
	fmt.Fprintf(&b, "; peak memory %s anonymous + %s file-backed", loader.Size(s.PeakAnon), loader.Size(s.PeakFile))
	return texts.OneLine(b.String())
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
