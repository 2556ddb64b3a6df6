package benchmarks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// llamaBench is the label, in place of a load mode, of llama.cpp's own llama-bench.
const llamaBench = "llama-bench"

// peerJob makes a case's job one of llama-bench, with the same test and options.
func (o SpeedOptions) peerJob(j *job) {
	layers := strconv.Itoa(min(j.GPULayers, 999)) // beyond the layers of any model: all
	j.Do = "speed-peer"
	j.Command = []string{
		o.Peer, "-m", j.Model, "-r", "1", "-o", "json", "-t", strconv.Itoa(j.Threads), "-b", strconv.Itoa(j.Batch), "-ub", strconv.Itoa(j.UBatch),
		"-ctk", j.CacheTypeK, "-ctv", j.CacheTypeV, "-fa", j.Flash, "-ngl", layers, "-d", strconv.Itoa(j.Depth),
	}
	if j.PromptTokens > 0 && j.Tokens > 0 {
		j.Command = append(j.Command, "-p", "0", "-n", "0", "-pg", fmt.Sprintf("%d,%d", j.PromptTokens, j.Tokens))
	} else {
		j.Command = append(j.Command, "-p", strconv.Itoa(j.PromptTokens), "-n", strconv.Itoa(j.Tokens))
	}
}

// measurePeer runs llama-bench once, which warms up first, as this package does.
func measurePeer(ctx context.Context, j job, r *reporter) error {
	r.phase("evaluating", 0, 0)
	cmd := exec.CommandContext(ctx, j.Command[0], j.Command[1:]...)
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", llamaBench, err), lastWords(diagnostics.Bytes()))
	}
	var results []struct {
		Rate        float64 `json:"avg_ts"`
		Nanoseconds float64 `json:"avg_ns"`
	}
	if err := json.Unmarshal(out, &results); err != nil {
		return fmt.Errorf("%s: its output is not what -o json writes: %w", llamaBench, err)
	}
	if len(results) != 1 || !(results[0].Rate > 0) {
		return fmt.Errorf("%s: %d results, and one with a rate is expected", llamaBench, len(results))
	}
	r.metrics(map[string]float64{evaluatedRate: results[0].Rate, testSeconds: results[0].Nanoseconds / 1e9})
	return nil
}

// lastWords returns the last line of what a program wrote, nil if there is none.
func lastWords(b []byte) error {
	if line := strings.TrimSpace(lastLine(b)); line != "" {
		return errors.New(line)
	}
	return nil
}

// ratioToPeer adds the ratio of each rate to the median of llama-bench's with the same options.
func ratioToPeer(rs Results) {
	for _, r := range rs {
		if r.Status != OK || r.Labels["load"] == llamaBench {
			continue
		}
		peer := rs.where(func(o Record) bool {
			if o.Status != OK || !o.Run.Equal(r.Run) || o.Labels["load"] != llamaBench {
				return false
			}
			for name, value := range r.Labels {
				if name != "load" && o.Labels[name] != value {
					return false
				}
			}
			return true
		}).values(evaluatedRate)
		if len(peer) > 0 && peer.median() > 0 {
			r.Metrics[ofPeer] = r.Metrics[evaluatedRate] / peer.median()
		}
	}
}
