//go:build cgo

package runtime_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// A story, a question about it, and the story's beginning again.
const (
	story = `Once upon a time, there was a curious otter named Velvet. She lived at the top of a grassy hill. Every day she liked to swim in the lake. One sunny morning, Velvet found a soft boat in the park. Acorn the turtle lived next door and came over to see it. "What a fine boat!" said Acorn. "Can we share it?" "No," said Velvet. "It is mine." Acorn felt sad and went home.`
	again = story + " Question: What kind of animal was Velvet? Answer: an otter. Once upon a time, there was a curious otter"
)

// repetitive opens a small model of random weights, which repeats itself soon, and for which
// batches compute exactly the same as single tokens.
func repetitive(t testing.TB) *runtime.Model {
	return open(t, model(t, "synthetic", "q4_0"), runtime.Options{})
}

// generated is the result of a generation.
type generated struct {
	ids    []int32
	text   string
	finish runtime.FinishReason
	stats  runtime.Stats
}

// generate generates up to a number of tokens, then breaks off.
func generate(t testing.TB, s *runtime.Session, prompt string, o runtime.GenerateOptions, most int) (g generated) {
	t.Helper()
	for tok, err := range s.Generate(t.Context(), prompt, o) {
		if err != nil {
			t.Fatal(err)
		}
		g.ids, g.text, g.finish = append(g.ids, tok.ID), g.text+tok.Text, tok.Finish
		if len(g.ids) == most {
			break
		}
	}
	g.stats = s.Stats()
	return g
}

// compare generates without and with lookup, fails if the results differ, and returns the
// second.
func compare(t *testing.T, s *runtime.Session, prompt string, o runtime.GenerateOptions) generated {
	t.Helper()
	o.Lookup = false
	want := generate(t, s, prompt, o, 0)
	if st := want.stats; st.Passes != max(len(want.ids)-1, 0) || st.Drafted != 0 || st.Accepted != 0 {
		t.Errorf("figures of %d tokens without lookup: %+v", len(want.ids), st)
	}
	o.Lookup = true
	got := generate(t, s, prompt, o, 0)
	equal(t, "with lookup", got.ids, want.ids)
	if got.text != want.text || got.finish != want.finish {
		t.Errorf("%q, ended with %q; want %q, %q", got.text, got.finish, want.text, want.finish)
	}
	g, w := got.stats, want.stats
	if g.GeneratedTokens != w.GeneratedTokens || g.Used != w.Used || g.Accepted > g.Drafted || g.Passes > w.Passes {
		t.Errorf("figures: %+v, without lookup %+v", g, w)
	}
	return got
}

func TestLookupGivesTheSameText(t *testing.T) {
	memtest.WithoutRace(t)
	seed := uint32(11)
	samplings := map[string]runtime.Sampling{
		"greedy":            {Greedy: true},
		"a seed":            {Seed: &seed},
		"low temperature":   {Seed: &seed, Temperature: 0.2},
		"penalties":         {Seed: &seed, RepeatPenalty: 1.1, DRYMultiplier: 0.5},
		"mirostat 1":        {Seed: &seed, Mirostat: 1},
		"mirostat 2":        {Seed: &seed, Mirostat: 2},
		"more randomness":   {Seed: &seed, XTCProbability: 0.3, DynatempRange: 0.2, TypicalP: 0.9},
		"a bias and greedy": {Greedy: true, LogitBias: map[int32]float32{300: 2}},
	}
	for _, file := range []struct{ kind, typ string }{{"tiny", "f16"}, {"tiny", "q4_0"}, {"synthetic", "f16"}, {"synthetic", "q4_0"}} {
		for _, load := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy} {
			if testing.Short() && (file.typ == "f16" || load == runtime.LoadMMap) {
				continue // a copy of q4_0 is repacked: its kernels round most differently for a draft
			}
			t.Run(fmt.Sprintf("%s %s %s", file.kind, file.typ, load), func(t *testing.T) {
				m := open(t, model(t, file.kind, file.typ), runtime.Options{Load: load})
				s := session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
				for name, sampling := range samplings {
					if file.typ == "f16" && !sampling.Greedy {
						continue // the engine rounds differently for one token, which may change a sampled one
					}
					t.Run(name, func(t *testing.T) {
						compare(t, s, again, runtime.GenerateOptions{MaxTokens: 80, IgnoreEOG: true, Sampling: sampling})
					})
				}
			})
		}
	}
}

func TestLookupSavesEvaluations(t *testing.T) {
	s := session(t, repetitive(t), runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
	got := compare(t, s, again, greedyOptions(150))
	if st := got.stats; st.Accepted < 50 || st.Passes > 100 || st.Passes+st.Accepted+1 != st.GeneratedTokens {
		t.Errorf("%q: figures %+v", got.text, st)
	}
}

func TestDraftsAreAsLongAsAskedFor(t *testing.T) {
	m := repetitive(t)
	for _, tt := range []struct {
		name           string
		ubatch, tokens int
		most           int // accepted tokens in an evaluation
	}{
		{"no more than one where one is asked for", 0, 1, 1},
		{"no more than two where two are asked for", 0, 2, 2},
		{"no more than fit into a micro-batch with the token before them", 4, 0, 3},
		{"none where a micro-batch has room for one token", 1, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512, UBatch: tt.ubatch})
			o := greedyOptions(60)
			o.LookupTokens = tt.tokens
			st := compare(t, s, again, o).stats
			if st.Drafted > tt.most*st.Passes || tt.most > 0 && st.Accepted == 0 {
				t.Errorf("figures %+v", st)
			}
		})
	}
	o := greedyOptions(1)
	o.Lookup, o.LookupTokens = true, -1
	if _, err := session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 64}).Complete(t.Context(), prompt, o); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("drafts of -1 tokens: %v", err)
	}
}

func TestAnEndWithinADraft(t *testing.T) {
	memtest.WithoutRace(t)
	s := session(t, repetitive(t), runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
	whole := generate(t, s, again, greedyOptions(60), 0)
	t.Run("by a number of tokens", func(t *testing.T) {
		for n := 1; n <= 40; n += 2 * stride() {
			if got := compare(t, s, again, greedyOptions(n)); got.finish != runtime.FinishLength {
				t.Errorf("%d tokens ended with %q", n, got.finish)
			}
		}
	})
	t.Run("by a stop string", func(t *testing.T) {
		for at := 10; at < len(whole.text)-12; at += 11 * stride() {
			o := greedyOptions(60)
			o.Stop = []string{"this never comes", strings.ToValidUTF8(whole.text[at:at+1+at%9], "")}
			if o.Stop[1] == "" {
				continue
			}
			if got := compare(t, s, again, o); got.finish != runtime.FinishStop {
				t.Errorf("stop %q: ended with %q", o.Stop[1], got.finish)
			}
		}
	})
	t.Run("by the model", func(t *testing.T) {
		s := session(t, open(t, "", runtime.Options{}), runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
		const said = "The otter was sad and went home."
		for name, grammar := range map[string]string{
			"where the draft ends too":   fmt.Sprintf("root ::= %q", " "+said),
			"where the draft goes on":    `root ::= " The otter was sad"`,
			"after a draft that repeats": fmt.Sprintf("root ::= (%q){4}", " "+said),
		} {
			t.Run(name, func(t *testing.T) {
				o := greedyOptions(120)
				o.Sampling.Grammar = grammar
				got := compare(t, s, said+"</s><s>"+said+"</s><s>"+"Once upon a time.", o)
				if got.finish != runtime.FinishEOG || got.stats.Accepted == 0 {
					t.Errorf("%q, ended with %q, figures %+v", got.text, got.finish, got.stats)
				}
			})
		}
		t.Run("which is ignored", func(t *testing.T) {
			o := greedyOptions(200)
			o.IgnoreEOG = true
			compare(t, s, said+"</s><s>"+said+"</s><s>", o)
		})
	})
}

// stride is by how many cases a test goes on that has many of a kind: fewer where the tests run once more.
func stride() int {
	if testing.Short() {
		return 5
	}
	return 1
}

func TestWhatWasYieldedIsWhatTheSessionHolds(t *testing.T) {
	memtest.WithoutRace(t)
	s := session(t, repetitive(t), runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
	whole := generate(t, s, again, greedyOptions(60), 0)
	rest := greedyOptions(0)
	rest.Continue = true
	for n := 1; n < 40; n += stride() {
		o := greedyOptions(60)
		o.Lookup = true
		first := generate(t, s, again, o, n)
		rest.Lookup, rest.MaxTokens = n%2 == 0, 60-n // lookup may differ from the first call's
		second := generate(t, s, "", rest, 0)
		equal(t, fmt.Sprintf("broken off after %d tokens", n), append(first.ids, second.ids...), whole.ids)
		if second.stats.Used != whole.stats.Used {
			t.Errorf("broken off after %d tokens: %d are in the context, want %d", n, second.stats.Used, whole.stats.Used)
		}
	}
	// Several times, one or a few tokens at a time.
	var ids []int32
	o := greedyOptions(60)
	o.Lookup = true
	p := again
	for n := 1; len(ids) < 60; n = n%4 + 1 {
		ids = append(ids, generate(t, s, p, o, min(n, 60-len(ids))).ids...)
		o.Continue, p = true, ""
	}
	equal(t, "in many calls", ids, whole.ids)
}

func TestLookupInAFullContext(t *testing.T) {
	memtest.WithoutRace(t)
	m := repetitive(t)
	tail := again[len(story)-200:]
	for _, context := range []int{256, 300, 384} {
		s := session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: context})
		for _, overflow := range []runtime.Overflow{runtime.OverflowStop, runtime.OverflowShift} {
			o := greedyOptions(3 * context)
			o.Overflow, o.IgnoreEOG = overflow, true
			got := compare(t, s, tail, o)
			want := runtime.FinishContext
			if overflow == runtime.OverflowShift {
				want = runtime.FinishLength
			}
			if got.finish != want || got.stats.Used > got.stats.Context || want == runtime.FinishLength && got.stats.Accepted == 0 {
				t.Errorf("ended with %q, figures %+v", got.finish, got.stats)
			}
		}
	}
}

func TestCancellationWithinADraft(t *testing.T) {
	s := session(t, repetitive(t), runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
	whole := generate(t, s, again, greedyOptions(60), 0)
	for n := 1; n < 30; n += 2 * stride() {
		ctx, cancel := context.WithCancel(t.Context())
		var ids []int32
		var last error
		o := greedyOptions(60)
		o.Lookup = true
		for tok, err := range s.Generate(ctx, again, o) {
			if last = err; err != nil {
				continue
			}
			if ids = append(ids, tok.ID); len(ids) == n {
				cancel()
			}
		}
		cancel()
		if !errors.Is(last, context.Canceled) || len(ids) != n {
			t.Errorf("cancelled after %d tokens: %d, %v", n, len(ids), last)
		}
		o.Continue, o.MaxTokens = true, 60-n
		equal(t, fmt.Sprintf("cancelled after %d tokens", n), append(ids, generate(t, s, "", o, 0).ids...), whole.ids)
	}
}

func TestClosingWithinADraft(t *testing.T) {
	m := repetitive(t)
	for n := 1; n < 12; n++ {
		s := session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
		o := greedyOptions(60)
		o.Lookup = true
		count := 0
		var last error
		for _, err := range s.Generate(t.Context(), again, o) {
			if last = err; err != nil {
				continue
			}
			if count++; count == n {
				s.Close()
			}
		}
		if !errors.Is(last, runtime.ErrClosed) || count != n {
			t.Errorf("closed after %d tokens: %d, %v", n, count, last)
		}
	}
}

func TestAGrammarAndLookup(t *testing.T) {
	s := session(t, open(t, "", runtime.Options{}), runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
	seed := uint32(3)
	for name, grammar := range map[string]string{
		"one that repeats":                    `root ::= ("The otter was " ("sad" | "glad") ". "){20}`,
		"one that a draft would break":        `root ::= " named " ("Acorn" | "Tom") "."`,
		"one that the text of the prompt has": `root ::= " named Velvet. She lived at the top of a grassy hill. Every day"`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, sampling := range []runtime.Sampling{{Greedy: true, Grammar: grammar}, {Seed: &seed, Grammar: grammar}} {
				got := compare(t, s, again, runtime.GenerateOptions{MaxTokens: 150, Sampling: sampling})
				if strings.HasPrefix(name, "one that repeats") && got.stats.Accepted < 50 {
					t.Errorf("%q: figures %+v", got.text, got.stats)
				}
			}
		})
	}
}

func TestLookupWithoutRoomForTheLogitsOfADraft(t *testing.T) {
	if goruntime.GOOS == "windows" {
		t.Skip("the 64 KiB that Windows gives at least have room for the logits of a small model's draft")
	}
	var most uint64 // the largest granted allocation in bytes; 0: any
	m := open(t, model(t, "synthetic", "q4_0"), runtime.Options{Admit: func(_ memory.Purpose, size uint64) error {
		if most > 0 && size > most {
			return errors.New("no more than a quota")
		}
		return nil
	}})
	want := generate(t, session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512}), again, greedyOptions(60), 0)
	s := session(t, m, runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 512})
	most = m.Report().Memory.Purposes[memory.PurposeOutput].LargestAllocation
	o := greedyOptions(60)
	o.Lookup = true
	for range 2 {
		got := generate(t, s, again, o, 0)
		equal(t, "in a quota", got.ids, want.ids)
		if got.stats.Accepted != 0 {
			t.Errorf("figures %+v", got.stats)
		}
	}
	most = 0
	if got := generate(t, s, again, o, 0); got.stats.Accepted == 0 {
		t.Errorf("without the quota: figures %+v", got.stats)
	}
}

// recurrentModel makes a recurrent model of random weights with the tiny model's vocabulary.
func recurrentModel(t *testing.T) string {
	t.Helper()
	index, err := loader.Open(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	const embd, inner, state, conv, rank = 64, 128, 16, 4, 4
	var w gguf.Writer
	w.Add("general.architecture", gguf.StringValue("mamba"))
	for key, n := range map[string]uint32{
		"context_length": 512, "embedding_length": embd, "block_count": 1, "feed_forward_length": 0, "attention.head_count": 0,
		"ssm.conv_kernel": conv, "ssm.inner_size": inner, "ssm.state_size": state, "ssm.time_step_rank": rank,
	} {
		w.Add("mamba."+key, gguf.Uint32Value(n))
	}
	w.Add("mamba.attention.layer_norm_rms_epsilon", gguf.Float32Value(1e-5))
	vocab := 0
	for key, v := range index.Metadata() {
		if strings.HasPrefix(key, "tokenizer.") {
			w.Add(key, v)
		}
		if key == "tokenizer.ggml.tokens" {
			vocab = v.Len()
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	var data []byte
	add := func(name string, base, spread float64, shape ...uint64) {
		w.AddTensor(name, gguf.TypeF32, shape...)
		n := uint64(1)
		for _, s := range shape {
			n *= s
		}
		for range n {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(base+spread*r.NormFloat64())))
		}
		data = append(data, make([]byte, w.Padding(4*n))...)
	}
	add("token_embd.weight", 0, 1, embd, uint64(vocab))
	add("output_norm.weight", 1, 0, embd)
	add("blk.0.attn_norm.weight", 1, 0, embd)
	add("blk.0.ssm_in.weight", 0, 0.2, embd, 2*inner)
	add("blk.0.ssm_conv1d.weight", 0, 0.5, conv, inner)
	add("blk.0.ssm_conv1d.bias", 0, 0.1, inner)
	add("blk.0.ssm_x.weight", 0, 0.2, inner, rank+2*state)
	add("blk.0.ssm_dt.weight", 0, 0.5, rank, inner)
	add("blk.0.ssm_dt.bias", 0, 0.1, inner)
	add("blk.0.ssm_a", -1, 0.1, state, inner)
	add("blk.0.ssm_d", 1, 0, inner)
	add("blk.0.ssm_out.weight", 0, 0.2, inner, embd)
	path := filepath.Join(t.TempDir(), "recurrent.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := w.WriteHeader(f); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAMemoryThatCannotForgetGoesWithoutLookup(t *testing.T) {
	s := session(t, open(t, recurrentModel(t), runtime.Options{}), runtime.SessionOptions{FlashAttention: llama.FlashOn, Threads: 1, Context: 256})
	o := greedyOptions(60)
	o.IgnoreEOG = true
	if got := compare(t, s, "one two three one two three one two", o); got.stats.Drafted != 0 {
		t.Errorf("figures %+v", got.stats)
	}
}

// BenchmarkLookup generates the same tokens without and with lookup, side by side:
// without/with is the speed-up.
func BenchmarkLookup(b *testing.B) {
	types := []string{"q4_0", "f16"}
	if testing.Short() {
		types = types[:1]
	}
	for _, typ := range types {
		for _, load := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy} {
			for _, text := range []struct {
				name     string
				sampling runtime.Sampling
			}{
				{"every guess right", runtime.Sampling{LogitBias: map[int32]float32{400: 1000}}},
				{"the model's own text", runtime.Sampling{}},
				{"no guess right", runtime.Sampling{RepeatPenalty: 1.5, PenaltyLastN: -1}},
			} {
				b.Run(fmt.Sprintf("%s %s, %s", typ, load, text.name), func(b *testing.B) {
					s := session(b, open(b, model(b, "large", typ), runtime.Options{Load: load}), runtime.SessionOptions{Context: 1024})
					o := runtime.GenerateOptions{MaxTokens: 128, IgnoreEOG: true, Sampling: text.sampling}
					o.Sampling.Greedy = true
					var without, with time.Duration
					var st runtime.Stats
					for b.Loop() {
						o.Lookup = false
						without += generate(b, s, again, o, 0).stats.GenerateDuration
						o.Lookup = true
						st = generate(b, s, again, o, 0).stats
						with += st.GenerateDuration
					}
					tokens := float64(b.N * (st.GeneratedTokens - 1))
					b.ReportMetric(tokens/without.Seconds(), "without-tok/s")
					b.ReportMetric(tokens/with.Seconds(), "with-tok/s")
					b.ReportMetric(without.Seconds()/with.Seconds(), "without/with")
					b.ReportMetric(float64(st.Accepted)/float64(max(st.Drafted, 1)), "accepted/drafted")
					b.ReportMetric(float64(st.GeneratedTokens)/float64(st.Passes), "tokens/pass")
				})
			}
		}
	}
}
