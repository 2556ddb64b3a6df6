package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// stats are the figures of a generation.
type stats struct {
	model   runtime.Report
	session runtime.Stats
	finish  runtime.FinishReason
	pool    *memory.PoolStats // nil without --pool
	chat    string            // which chat template; "" if the model has none
}

// residencyFigures are the figures of the memory budget, 0 without one.
type residencyFigures struct {
	Resident      uint64  `json:"resident_bytes"`
	Streamed      uint64  `json:"streamed_bytes"`
	StreamedToken uint64  `json:"streamed_bytes_per_token"`
	ReadRate      float64 `json:"read_bytes_per_second"`
	Stall         float64 `json:"stall_seconds"`
	Hits          uint64  `json:"residency_hits"`
	Misses        uint64  `json:"residency_misses"`

	// Of experts that have slots.
	Experts      int     `json:"experts_in_memory"`
	ExpertHits   uint64  `json:"expert_hits"`
	ExpertMisses uint64  `json:"expert_misses"`
	ExpertRate   float64 `json:"expert_hit_rate"`
}

func (s stats) residency() (f residencyFigures) {
	if x := s.model.Residency; x != nil {
		f = residencyFigures{
			Resident: x.Resident, Streamed: x.Read, StreamedToken: x.PerPass(), ReadRate: x.Rate(), Stall: x.Stalled.Seconds(), Hits: x.Hits, Misses: x.Misses,
		}
		if e := x.Experts; e != nil {
			f.Experts, f.ExpertHits, f.ExpertMisses, f.ExpertRate = e.Slots, e.Hits, e.Misses, e.HitRate()
		}
	}
	return f
}

// figureKeys are the stable JSON keys of the figures of the model, the session and this command, in
// the order of the output.
var figureKeys = strings.Fields(`
	model engine architecture description parameters load_seconds load_mode load_reason adjusted warnings chat_template chunks
	chunk_size_bytes weights_bytes repacked_bytes packed_bytes largest_allocation_bytes largest_range_bytes
	largest_tensor_bytes largest_tensor context_tokens context_used_tokens ubatch_tokens threads
	batch_threads flash_attention prompt_tokens prompt_cached_tokens prompt_seconds prompt_tokens_per_second generated_tokens
	generate_seconds tokens_per_second passes drafted_tokens accepted_tokens finish_reason seed
	budget_bytes resident_bytes streamed_bytes streamed_bytes_per_token read_bytes_per_second stall_seconds
	residency_hits residency_misses experts_in_memory expert_hits expert_misses expert_hit_rate gpu_layers devices peak_rss_bytes peak_anon_bytes peak_file_bytes memory pool
`)

// MarshalJSON writes one object that always has all keys.
func (s stats) MarshalJSON() ([]byte, error) {
	all := map[string]json.RawMessage{}
	for _, part := range []any{s.model, s.session, s.residency(), struct {
		Engine   llama.EngineInfo     `json:"engine"`
		Adjusted []string             `json:"adjusted"`
		Finish   runtime.FinishReason `json:"finish_reason"`
		Pool     *memory.PoolStats    `json:"pool"`
		Chat     string               `json:"chat_template"`
	}{llama.Engine(), adjustments(s.model.Adjusted), s.finish, s.pool, s.chat}} {
		text, err := words.EncodeJSON(part)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &all); err != nil { // adds to what is there
			return nil, err
		}
	}
	b := []byte("{")
	for i, key := range figureKeys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(strconv.AppendQuote(b, key), ':'), all[key]...)
	}
	return append(b, '}'), nil
}

// figures returns the closing line.
func (s stats) figures() string {
	var b strings.Builder
	m, g, x := s.model, s.session, s.residency()
	mode := m.LoadMode.String()
	if m.Packed > 0 {
		mode += ", packed"
	}
	fmt.Fprintf(&b, "infer: loaded %s in %.2f s (%s: %s)", words.Size(m.WeightBytes), m.LoadDuration.Seconds(), mode, m.LoadReason)
	fmt.Fprintf(&b, "; %s, largest allocation %s", count(m.Chunks, "chunk"), words.Size(m.LargestAllocation))
	if s.chat != "" {
		b.WriteString("; " + s.chat)
	}
	fmt.Fprintf(&b, "; flash attention %s; prompt %s%s", g.FlashAttention, count(g.PromptTokens, "token"), perSecond(g.PromptRate()))
	fmt.Fprintf(&b, "; generated %s%s", count(g.GeneratedTokens, "token"), perSecond(g.Rate()))
	if g.Drafted > 0 {
		fmt.Fprintf(&b, ", %d of %s right", g.Accepted, count(g.Drafted, "guessed token"))
	}
	if reason := finishWords(s.finish); reason != "" {
		b.WriteString(", " + reason)
	}
	if x.Streamed > 0 {
		fmt.Fprintf(&b, "; kept %s of a budget of %s, streamed %s a pass at %s/s, waited %.1f s", words.Size(x.Resident), words.Size(m.Budget), words.Size(x.StreamedToken), words.Size(uint64(x.ReadRate)), x.Stall)
	}
	if e := m.Residency; e != nil && e.Experts != nil {
		fmt.Fprintf(&b, "; %d of %d experts in memory, %.0f %% of those chosen were", e.Experts.Slots, e.Experts.Experts, 100*e.Experts.HitRate())
	}
	if m.GPULayers > 0 || len(m.Devices) > 0 {
		fmt.Fprintf(&b, "; %s on %s", count(m.GPULayers, "layer"), onDevices(m.Devices))
	}
	if e := llama.Engine(); e.Folder != "" {
		fmt.Fprintf(&b, "; engine %s", e)
	}
	fmt.Fprintf(&b, "; peak memory %s anonymous + %s file-backed", words.Size(m.PeakAnon), words.Size(m.PeakFile))
	return texts.OneLine(b.String())
}

// onDevices names devices and the memory taken there.
func onDevices(list []memory.DeviceUsage) string {
	if len(list) == 0 {
		return "devices"
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Device+" ("+words.Size(d.Memory.Total.Peak)+")")
	}
	return strings.Join(names, ", ")
}

// finishWords says why a generation ended, unless the output shows it.
func finishWords(reason runtime.FinishReason) string {
	switch reason {
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
