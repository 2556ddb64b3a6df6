package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader/residency/replay"
)

// header is a mixture of layers with so many experts of 100 bytes each.
func header(used int, experts ...int) replay.Header {
	h := replay.Header{Model: replay.Model{Name: "m.gguf", Bytes: 9, SHA256: "00"}, Used: used, Slot: 128}
	for n, x := range experts {
		h.Layers = append(h.Layers, replay.Layer{Layer: n, Experts: x, Bytes: 100})
	}
	return h
}

// each is a trace of one layer, with these ids in evaluations of one token.
func each(used, experts int, ids ...[]int32) *replay.Trace {
	t := &replay.Trace{Header: header(used, experts)}
	for i, x := range ids {
		t.Choices = append(t.Choices, replay.Choice{Evaluation: i, Tokens: len(x) / used, IDs: x})
	}
	return t
}

// singly is each, of tokens that use one expert.
func singly(experts int, ids ...int32) *replay.Trace {
	var list [][]int32
	for _, id := range ids {
		list = append(list, []int32{id})
	}
	return each(1, experts, list...)
}

func TestHitsOfTracesThatAreCountedByHand(t *testing.T) {
	two := &replay.Trace{Header: header(1, 2, 2)}
	for n := range 3 { // both layers use their expert 0, with one slot for both
		two.Choices = append(two.Choices, replay.Choice{Evaluation: n, Layer: 0, Tokens: 1, IDs: []int32{0}}, replay.Choice{Evaluation: n, Layer: 1, Tokens: 1, IDs: []int32{0}})
	}
	for _, tt := range []struct {
		name          string
		trace         *replay.Trace
		slots         int
		lru, lfu, opt uint64
	}{
		{"a cycle of three in two slots", singly(3, 0, 1, 2, 0, 1, 2, 0, 1, 2), 2, 0, 0, 3},
		{"a cycle of three in three slots", singly(3, 0, 1, 2, 0, 1, 2, 0, 1, 2), 3, 6, 6, 6},
		{"one that returns among others that do not", singly(9, 0, 0, 0, 1, 2, 0, 3, 4, 0, 5, 6, 0), 2, 2, 5, 5},
		{"one that is new and stays", singly(9, 0, 0, 0, 1, 2, 1, 2, 1, 2), 2, 6, 2, 6},
		{"the experts of a choice are needed together", each(2, 4, []int32{0, 1}, []int32{2, 0}, []int32{0, 1}), 2, 2, 2, 2},
		{"an expert that is chosen by two tokens is one", each(1, 4, []int32{0, 0, 1}, []int32{1}), 2, 1, 1, 1},
		{"more than there are slots change none", each(2, 4, []int32{0, 1}, []int32{0, 1, 2, 3}, []int32{0, 1}), 2, 2, 2, 2},
		{"layers share the slots", two, 1, 0, 0, 0},
		{"layers have experts of their own", two, 2, 4, 4, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for p, want := range map[replay.Policy]uint64{replay.LRU: tt.lru, replay.LFU: tt.lfu, replay.Optimal: tt.opt} {
				r, err := tt.trace.Replay(p, tt.slots)
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Alone.Hits + r.Together.Hits; got != want {
					t.Errorf("%s: %d hits, want %d: %+v", p, got, want, r)
				}
			}
		})
	}
}

func TestCountsOfAReplay(t *testing.T) {
	trace := each(2, 4, []int32{0, 1, 1, 2}, []int32{1, 2}, []int32{2, 3})
	r, err := trace.Replay(replay.LRU, 3)
	want := replay.Result{
		Together: replay.Counts{Tokens: 2, Misses: 3, Read: 300, Bytes: 300},
		Alone:    replay.Counts{Tokens: 2, Hits: 3, Misses: 1, Read: 100, Bytes: 400},
	}
	if err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	if r.Alone.HitRatio() != 0.75 || r.Alone.ReadPerToken() != 50 {
		t.Error(r.Alone.HitRatio(), r.Alone.ReadPerToken())
	}
	if r, _ := trace.Replay(replay.LRU, 2); r.Together.Mapped != 1 || r.Together.Misses != 3 {
		t.Errorf("%+v", r)
	}
	for _, f := range []func() (replay.Result, error){
		func() (replay.Result, error) { return trace.Replay(replay.LRU, 0) },
		func() (replay.Result, error) { return trace.Replay("fifo", 1) },
	} {
		if r, err := f(); err == nil {
			t.Errorf("%+v", r)
		}
	}
}

// random is a trace with layers of different sizes, prompts and skewed choices.
func random(r *rand.Rand) *replay.Trace {
	t := &replay.Trace{Header: header(1+r.IntN(3), 3+r.IntN(8), 3+r.IntN(8), 3+r.IntN(8))}
	t.Bank = r.IntN(2) * (10 + r.IntN(10))
	for n := range 60 {
		tokens := 1
		if r.IntN(10) == 0 {
			tokens = 1 + r.IntN(6)
		}
		for _, l := range t.Layers {
			c := replay.Choice{Evaluation: n, Layer: l.Layer, Tokens: tokens}
			for range tokens * t.Used {
				c.IDs = append(c.IDs, int32(r.IntN(1+r.IntN(l.Experts))))
			}
			t.Choices = append(t.Choices, c)
		}
	}
	return t
}

func TestNoPolicyReadsLessThanTheOptimum(t *testing.T) {
	for seed := range uint64(60) {
		trace := random(rand.New(rand.NewPCG(seed, 1)))
		before := ^uint64(0)
		for slots := 1; slots <= trace.Experts(); slots++ {
			misses := map[replay.Policy]uint64{}
			all := uint64(0)
			for _, p := range replay.Policies() {
				r, err := trace.Replay(p, slots)
				if err != nil {
					t.Fatal(err)
				}
				misses[p] = r.Alone.Misses + r.Together.Misses
				if n := r.Alone.Hits + r.Together.Hits + misses[p]; all != 0 && n != all {
					t.Fatalf("seed %d, %d slots: %s has %d choices, others %d", seed, slots, p, n, all)
				} else {
					all = n
				}
			}
			if best := misses[replay.Optimal]; best > misses[replay.LRU] || best > misses[replay.LFU] || slots > 11 && best > before { // with fewer, some choices of a layer change no slot
				t.Fatalf("seed %d, %d slots: %v misses, with a slot less %d", seed, slots, misses, before)
			}
			before = misses[replay.Optimal]
		}
	}
}

func TestATraceIsReadAsItWasWritten(t *testing.T) {
	want := random(rand.New(rand.NewPCG(1, 2)))
	var b bytes.Buffer
	w, err := replay.NewWriter(&b, want.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range want.Choices {
		if err := w.Write(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := replay.Read(&b)
	want.Version = 1
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
	if err := w.Write(replay.Choice{Evaluation: 60, Layer: 0, Tokens: 1}); err == nil {
		t.Error("a choice of nothing was written")
	}
	if _, err := replay.NewWriter(&b, replay.Header{}); err == nil {
		t.Error("a header of nothing was written")
	}
}

var figure = regexp.MustCompile(`-?\d+`)

func TestFilesThatAreNoTraces(t *testing.T) {
	const head = `{"infer_expert_trace":1,"model":{"name":"m"},"experts_used":2,"slot_bytes":128,"layers":[{"layer":1,"experts":4,"expert_bytes":100},{"layer":3,"experts":4,"expert_bytes":100}]}`
	line := func(e, l, tokens int, ids string) string {
		return fmt.Sprintf("\n"+`{"evaluation":%d,"layer":%d,"tokens":%d,"ids":[%s]}`, e, l, tokens, ids)
	}
	for _, tt := range []struct {
		name, text string
		line       int
		field      string
		figures    string // the first ones of the reason
	}{
		{"empty", "", 1, "", ""},
		{"a header alone", head + "\n", 2, "", ""},
		{"no JSON", "GGUF", 1, "", ""},
		{"another file of JSON", `{"run":"x"}`, 1, "infer_expert_trace", ""},
		{"null", "null", 1, "infer_expert_trace", ""},
		{"another version", strings.Replace(head, `trace":1`, `trace":2`, 1), 1, "infer_expert_trace", "2 1"},
		{"no layers", `{"infer_expert_trace":1,"experts_used":2,"slot_bytes":1}`, 1, "layers", ""},
		{"more used than there are", strings.Replace(head, `used":2`, `used":5`, 1), 1, "experts_used", "5 4 1"},
		{"none used", strings.Replace(head, `used":2`, `used":0`, 1), 1, "experts_used", "0 4 1"},
		{"layers descend", strings.Replace(head, `layer":3`, `layer":1`, 1), 1, "layer", "1 1"},
		{"a negative layer", strings.Replace(head, `layer":1`, `layer":-1`, 1), 1, "layer", "-1"},
		{"too many experts", strings.Replace(head, `experts":4`, `experts":2000000`, 1), 1, "experts", "2000000 1"},
		{"experts of no bytes", strings.Replace(head, `bytes":100`, `bytes":0`, 1), 1, "expert_bytes", "0 1"},
		{"banks that are smaller than a layer", strings.Replace(head, `slot_bytes"`, `bank_slots":3,"slot_bytes"`, 1), 1, "bank_slots", "3 4 1"},
		{"slots of no bytes", strings.Replace(head, `slot_bytes":128`, `slot_bytes":0`, 1), 1, "slot_bytes", "0"},
		{"a layer without experts", head + line(0, 2, 1, "0,1"), 2, "layer", "2"},
		{"an expert that there is not", head + line(0, 1, 1, "0,1") + line(0, 3, 1, "0,4"), 3, "ids", "4 3 4"},
		{"a negative expert", head + line(0, 1, 1, "0,-1"), 2, "ids", "-1"},
		{"too few ids", head + line(0, 1, 2, "0,1"), 2, "ids", "2 2"},
		{"no tokens", head + line(0, 1, 0, ""), 2, "ids", "0 0"},
		{"an evaluation is missing", head + line(0, 1, 1, "0,1") + line(2, 1, 1, "0,1"), 3, "evaluation", "2 0"},
		{"evaluations descend", head + line(0, 1, 1, "0,1") + line(1, 1, 1, "0,1") + line(0, 3, 1, "0,1"), 4, "evaluation", "0 1"},
		{"a layer twice", head + line(0, 1, 1, "0,1") + line(0, 1, 1, "0,1"), 3, "layer", "1 1"},
		{"a line that is cut off", head + line(0, 1, 1, "0,1") + "\n" + `{"evaluation":1,"la`, 3, "", ""},
		{"an empty line", head + "\n" + line(0, 1, 1, "0,1"), 2, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trace, err := replay.Read(strings.NewReader(tt.text))
			var e *replay.FormatError
			if trace != nil || !errors.Is(err, replay.ErrFormat) || !errors.As(err, &e) || e.Line != tt.line || e.Field != tt.field || e.Reason == "" {
				t.Fatalf("%+v, want line %d, field %q", err, tt.line, tt.field)
			}
			if got := strings.Join(figure.FindAllString(e.Reason, -1), " ") + " "; tt.figures != "" && !strings.HasPrefix(got, tt.figures+" ") {
				t.Errorf("figures %s, want %s first: %v", got, tt.figures, err)
			}
		})
	}
	if trace, err := replay.Read(strings.NewReader(head + line(0, 1, 1, "0,1") + line(1, 3, 1, "0,1") + "\n")); err != nil || len(trace.Choices) != 2 {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"infer_expert_trace":1,"experts_used":1,"slot_bytes":1,"layers":[{"layer":0,"experts":4,"expert_bytes":1}]}` + "\n" + `{"evaluation":0,"layer":0,"tokens":2,"ids":[1,2]}`)
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := replay.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, p := range replay.Policies() {
			if _, err := trace.Replay(p, 2); err != nil {
				t.Error(err)
			}
		}
	})
}
