package benchmarks

import (
	"slices"

	"github.com/seed7adf6694/infer/loader/residency/replay"
)

// Figures of a mixture's experts while it generates within a budget.
const (
	expertHits      = "expert_hits" // chosen experts that were in memory
	expertMisses    = "expert_misses"
	expertHitRatio  = "expert_hit_ratio"
	expertsRead     = "experts_read_bytes_per_token" // as the runtime counts
	simulatedHits   = "simulated_hit_ratio"
	simulatedMisses = "simulated_misses"
	simulatedRead   = "simulated_read_bytes_per_token"
	simulatedRatio  = "read_of_simulated_ratio" // what the kernel counts of what is simulated
	streamedLayers  = "streamed_layers"
)

// simulation records the experts that are chosen, and replays the choices with the policy and the
// slots of the budget.
type simulation struct {
	choiceRecorder
	trace replay.Trace
	first int // choices up to the first token, the prompt's
}

// begin records choices of the model at path.
func (s *simulation) begin(path string) (err error) {
	if s.trace.Header, err = expertsOf(path, ModelFile{}); err != nil {
		return err
	}
	s.choiceRecorder = newChoiceRecorder(s.trace.Used, func(c replay.Choice) error {
		c.IDs = slices.Clone(c.IDs)
		s.trace.Choices = append(s.trace.Choices, c)
		return nil
	})
	return nil
}

// listener is told of the choices, nil if they are not recorded.
func (s *simulation) listener() func(int, []int32) {
	if s.write == nil {
		return nil
	}
	return s.told
}

// simulate adds the figures of a replay, from the first token to the last. There are none if the
// budget kept no experts in slots, or changed their number.
func (s *simulation) simulate(first, last counters, out map[string]float64) error {
	slots := last.experts.Slots
	if s.write == nil || slots == 0 || slots != first.experts.Slots || len(s.trace.Choices) == s.first {
		return nil
	}
	all, err := s.replay(len(s.trace.Choices), slots)
	if err != nil {
		return err
	}
	prompt, err := s.replay(s.first, slots)
	if err != nil {
		return err
	}
	hits, misses := float64(all.Hits-prompt.Hits), float64(all.Misses-prompt.Misses)
	read := float64(all.Read-prompt.Read) / float64(max(all.Tokens-prompt.Tokens, 1))
	out[simulatedHits], out[simulatedMisses], out[simulatedRead] = hits/max(hits+misses, 1), misses, read
	if counted, known := out[readPerToken]; known && read > 0 {
		out[simulatedRatio] = counted / read
	}
	return nil
}

// replay counts what the first n choices hit and miss.
func (s *simulation) replay(n, slots int) (replay.Counts, error) {
	if n == 0 {
		return replay.Counts{}, nil
	}
	t := replay.Trace{Header: s.trace.Header, Choices: s.trace.Choices[:n]}
	r, err := t.Replay(replay.LFU, slots)
	a, b := r.Alone, r.Together
	return replay.Counts{Tokens: a.Tokens + b.Tokens, Hits: a.Hits + b.Hits, Misses: a.Misses + b.Misses, Read: a.Read + b.Read}, err
}
