//go:build cgo

package runtime_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/runtime"
)

// BenchmarkPacked compares the packed file of a model with a repacked copy and with a stock
// load. It reports medians of ratios of two consecutive rounds, because a machine's speed may
// change within seconds. A round is a prompt and some single tokens.
func BenchmarkPacked(b *testing.B) {
	path, file := packedPair(b)
	const promptTokens, tokens = 64, 8
	batch := make([]int32, promptTokens)
	for i := range batch {
		batch[i] = int32(100 + i)
	}
	o := runtime.SessionOptions{Context: promptTokens + tokens, UBatch: promptTokens}
	sessionOf := func(path string, load runtime.LoadMode) *runtime.Session {
		return session(b, open(b, path, runtime.Options{Load: load, Packed: runtime.PackedOff, Session: o}), o)
	}
	this := sessionOf(file, runtime.LoadAuto)
	// round computes once, and returns the durations of the prompt and of the tokens.
	round := func(s *runtime.Session) (prompt, each time.Duration) {
		b.Helper()
		if err := s.Reset(); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		evaluate(b, s, batch)
		prompt = time.Since(start)
		start = time.Now()
		for range tokens {
			evaluate(b, s, batch[:1])
		}
		return prompt, time.Since(start)
	}
	for _, load := range []runtime.LoadMode{runtime.LoadCopy, runtime.LoadStock} {
		b.Run("against "+load.String(), func(b *testing.B) {
			other := sessionOf(path, load)
			round(this)
			round(other)
			var prompts, each []float64
			for i := 0; b.Loop(); i++ {
				var p, t [2]time.Duration // this and the other
				ways := []*runtime.Session{this, other}
				for k := range ways {
					w := (i + k) % 2 // the order alternates too
					p[w], t[w] = round(ways[w])
				}
				prompts = append(prompts, p[1].Seconds()/p[0].Seconds())
				each = append(each, t[1].Seconds()/t[0].Seconds())
			}
			for name, ratios := range map[string][]float64{"prompt": prompts, "tokens": each} {
				slices.Sort(ratios)
				n := len(ratios)
				b.ReportMetric(ratios[n/2], name+"-ratio")
				b.ReportMetric(ratios[n/4], name+"-ratio-q1")
				b.ReportMetric(ratios[3*n/4], name+"-ratio-q3")
			}
		})
	}
}

// BenchmarkMove moves a copied model to its packed file, and reports how long the move takes
// and how long calls wait for it.
func BenchmarkMove(b *testing.B) {
	path, file := packedPair(b)
	defer runtime.SetIdle(runtime.SetIdle(0))
	var log bytes.Buffer
	var opened, held time.Duration
	for b.Loop() {
		b.StopTimer()
		log.Reset()
		m := open(b, path, runtime.Options{Load: runtime.LoadCopy, Packed: runtime.PackedOff, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		b.StartTimer()
		if err := m.MoveTo(b.Context(), file); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		var said struct {
			Opened time.Duration `json:"opened_in"`
			Held   time.Duration `json:"calls_held_for"`
		}
		for line := range bytes.Lines(log.Bytes()) {
			if err := json.Unmarshal(line, &said); err != nil {
				b.Fatal(err)
			}
		}
		opened, held = opened+said.Opened, held+said.Held
		m.Close()
		b.StartTimer()
	}
	b.ReportMetric(opened.Seconds()*1e3/float64(b.N), "opening-ms/op")
	b.ReportMetric(held.Seconds()*1e3/float64(b.N), "held-ms/op")
}

// packedPair returns a model of 1.1 billion parameters, or with -short two of its layers, and
// its packed file.
func packedPair(b *testing.B) (path, file string) {
	b.Helper()
	shape := "1b"
	if testing.Short() {
		shape += ",layers=2"
	}
	path = model(b, shape, "q4_0")
	return path, packedOf(b, path)
}

func evaluate(b *testing.B, s *runtime.Session, tokens []int32) {
	b.Helper()
	if err := s.Evaluate(background, tokens, runtime.EvaluateOptions{}); err != nil {
		b.Fatal(err)
	}
}
