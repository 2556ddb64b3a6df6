//go:build cgo

package runtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// references are embeddings by llama.cpp; the file says how they were made.
func references(t *testing.T) (text string, vectors map[string][]float32) {
	t.Helper()
	var r struct {
		Text    string
		Vectors map[string][]float32
	}
	b, err := os.ReadFile("testdata/embeddings.json")
	memtest.Need(t, err)
	memtest.Need(t, json.Unmarshal(b, &r))
	if len(r.Vectors) < 38 {
		t.Fatalf("%d references", len(r.Vectors))
	}
	return r.Text, r.Vectors
}

var poolings = map[string]llama.Pooling{
	"none": llama.PoolingNone, "mean": llama.PoolingMean, "cls": llama.PoolingCLS, "last": llama.PoolingLast, "rank": llama.PoolingRank,
}

// Other kernels round differently, by at most a thousandth of the largest number.
func sameVector(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) < len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	largest, far := 0.0, 0.0
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w)))
		far = max(far, math.Abs(float64(got[i]-w)))
	}
	if !(far <= largest/1000) {
		t.Errorf("%s: differs by %g, want %v, got %v", what, far, want, got[:len(want)])
	}
}

func TestEmbeddingsAreLlamaCpps(t *testing.T) {
	text, vectors := references(t)
	byModel := map[string][]string{}
	for key := range vectors {
		name, pooling, _ := strings.Cut(key, ", ")
		byModel[name] = append(byModel[name], pooling)
	}
	for name, list := range byModel {
		m := open(t, computing(t, name), runtime.Options{})
		for _, pooling := range list {
			what := name + ", " + pooling
			s := session(t, m, runtime.SessionOptions{Embeddings: true, Context: 128, Pooling: poolings[pooling], Threads: 1, FlashAttention: llama.FlashOff})
			o := runtime.EmbedOptions{Norm: runtime.NormNone, Tokens: pooling == "none"}
			vector := func(e runtime.Embedding) []float32 {
				if o.Tokens {
					return e.Tokens[len(e.Tokens)-1]
				}
				return e.Vector
			}
			alone, err := s.EmbedTexts(t.Context(), []string{text}, o)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			sameVector(t, what, vector(alone[0]), vectors[what])
			// In several evaluations, and together with other texts in one.
			texts := []string{"Hello", text, "a low road", "low", text, "all"}
			together, err := s.EmbedTexts(t.Context(), texts, o)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			for _, i := range []int{1, 4} {
				sameVector(t, fmt.Sprint(what, ", beside others"), vector(together[i]), vectors[what])
			}
			if alone[0].Count != together[4].Count || together[0].Count >= alone[0].Count {
				t.Errorf("%s: %d tokens, %d, and %d of a word", what, alone[0].Count, together[4].Count, together[0].Count)
			}
		}
	}
}

// Every architecture for embeddings pools as its file says.
func TestEncodersEmbed(t *testing.T) {
	for name, b := range ggufcases.ComputingWith(llama.Engine().ABI) {
		if !embeds(name) {
			continue
		}
		path := filepath.Join(t.TempDir(), "model.gguf")
		memtest.Need(t, os.WriteFile(path, b, 0o600))
		m := open(t, path, runtime.Options{})
		texts := []string{"Hello world", "a low road", "Hello world"}
		got, err := m.Embed(t.Context(), texts...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := range texts {
			one, err := m.Embed(t.Context(), texts[i])
			if err != nil {
				t.Fatal(err)
			}
			sameVector(t, fmt.Sprintf("%s, text %d", name, i), one[0], got[i])
		}
		if slices.Equal(got[0], got[1]) {
			t.Errorf("%s: different texts have one embedding", name)
		}
	}
}

func TestNorms(t *testing.T) {
	m := open(t, computing(t, "bert"), runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Embeddings: true, Context: 64, Pooling: llama.PoolingMean, Threads: 1})
	sum := func(v []float32, p float64) (sum float64) {
		for _, x := range v {
			sum += math.Pow(math.Abs(float64(x)), p)
		}
		return sum
	}
	for _, tt := range []struct {
		norm runtime.Norm
		is   func(v []float32) bool
	}{
		{runtime.NormEuclidean, func(v []float32) bool { return math.Abs(sum(v, 2)-1) < 1e-4 }},
		{runtime.NormTaxicab, func(v []float32) bool { return math.Abs(sum(v, 1)-1) < 1e-4 }},
		{3, func(v []float32) bool { return math.Abs(sum(v, 3)-1) < 1e-4 }},
		{1 << 40, func(v []float32) bool { return math.Abs(float64(max(slices.Max(v), -slices.Min(v)))-1) < 1e-4 }},
		{runtime.NormMax, func(v []float32) bool {
			return math.Abs(float64(max(slices.Max(v), -slices.Min(v)))-32760) < 1
		}},
		{runtime.NormNone, func(v []float32) bool { return sum(v, 2) > 4 }},
	} {
		list, err := s.EmbedTexts(t.Context(), []string{"Hello world"}, runtime.EmbedOptions{Norm: tt.norm})
		if err != nil || !tt.is(list[0].Vector) {
			t.Errorf("norm %d: %v %v", tt.norm, list, err)
		}
	}
	if _, err := s.EmbedTexts(t.Context(), []string{"a"}, runtime.EmbedOptions{Norm: -3}); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("norm -3: %v", err)
	}
	if _, err := s.EmbedTexts(t.Context(), []string{"a"}, runtime.EmbedOptions{Tokens: true}); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("tokens of a session that pools: %v", err)
	}
}

func TestModelsRefuseWhatTheyAreNotFor(t *testing.T) {
	for _, tt := range []struct {
		name string
		task runtime.Task
		text bool // it can generate text
	}{
		{"bert", runtime.TaskEmbeddings, false},
		{"bert rank", runtime.TaskRerank, false},
		{"nomic-bert-moe", runtime.TaskEmbeddings, false},
		{"jina-bert-v3", runtime.TaskEmbeddings, false},
		{"neo-bert", runtime.TaskEmbeddings, false},
		{"gemma-embedding", runtime.TaskEmbeddings, false},
		{"t5encoder", runtime.TaskEmbeddings, false},
		{"dream", runtime.TaskDiffusion, false},
		{"llada", runtime.TaskDiffusion, false},
		{"llada-moe", runtime.TaskDiffusion, false},
		{"rnd1", runtime.TaskDiffusion, false},
		{"wavtokenizer-dec", runtime.TaskAudio, false},
		{"qwen3 rank", runtime.TaskRerank, true},
		{"t5", runtime.TaskText, true},
		{"llama", runtime.TaskText, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := open(t, computing(t, tt.name), runtime.Options{})
			if got := m.Task(); got != tt.task {
				t.Errorf("made for %v, want %v", got, tt.task)
			}
			s := session(t, m, runtime.SessionOptions{Context: 64, Threads: 1})
			o := greedyOptions(4)
			o.IgnoreEOG = true
			text, err := s.Complete(t.Context(), "Hello world", o)
			if tt.text {
				if err != nil || text == "" {
					t.Errorf("%q, %v", text, err)
				}
				return
			}
			refused(t, err, tt.task, runtime.TaskText)
			refused(t, s.Evaluate(t.Context(), []int32{1, 5}, runtime.EvaluateOptions{}), tt.task, runtime.TaskText)
		})
	}
}

func refused(t *testing.T, err error, task, asked runtime.Task) {
	t.Helper()
	var e *runtime.TaskError
	if !errors.Is(err, runtime.ErrTask) || !errors.As(err, &e) || e.Task != task || e.Asked != asked || !strings.Contains(err.Error(), e.Architecture) {
		t.Errorf("%v, want a TaskError of a model for %v asked for %v", err, task, asked)
	}
}

func TestRerank(t *testing.T) {
	query, documents := "Hello world", []string{"a low road", "Hello bell", "well below the world", "wool"}
	for _, name := range []string{"bert rank", "qwen3 rank"} {
		m := open(t, computing(t, name), runtime.Options{})
		ranks, err := m.Rerank(t.Context(), query, documents...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seen := map[int]bool{}
		for i, r := range ranks {
			seen[r.Index] = true
			if i > 0 && r.Score > ranks[i-1].Score {
				t.Errorf("%s: not sorted: %v", name, ranks)
			}
			alone, err := m.Rerank(t.Context(), query, documents[r.Index])
			if err != nil || math.Abs(float64(alone[0].Score-r.Score)) > 1e-3 || alone[0].Count != r.Count {
				t.Errorf("%s: document %d alone: %+v, %v, beside others %+v", name, r.Index, alone, err, r)
			}
		}
		if len(seen) != len(documents) || ranks[0].Score == ranks[3].Score {
			t.Errorf("%s: %v", name, ranks)
		}
	}
	// Without a template the document follows the query.
	m := open(t, computing(t, "bert rank"), runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Embeddings: true, Context: 64, Threads: 1})
	ranks, err := s.Rerank(t.Context(), query, "wool")
	memtest.Need(t, err)
	e, err := s.EmbedTexts(t.Context(), []string{query + " wool"}, runtime.EmbedOptions{})
	if err != nil || e[0].Count != ranks[0].Count || math.Abs(float64(e[0].Vector[0]-ranks[0].Score)) > 1e-4 {
		t.Errorf("%+v, %v, of the text %+v", ranks, err, e)
	}

	plain := open(t, computing(t, "nomic-bert"), runtime.Options{})
	_, err = plain.Rerank(t.Context(), query, documents...)
	refused(t, err, runtime.TaskEmbeddings, runtime.TaskRerank)
	_, err = plain.NewSession(t.Context(), runtime.SessionOptions{Embeddings: true, Pooling: llama.PoolingRank})
	refused(t, err, runtime.TaskEmbeddings, runtime.TaskRerank)
	both := open(t, computing(t, "t5"), runtime.Options{})
	_, err = both.Embed(t.Context(), query)
	refused(t, err, runtime.TaskText, runtime.TaskEmbeddings)
}

func TestTextsThatDoNotFitAnEncoder(t *testing.T) {
	m := open(t, computing(t, "bert"), runtime.Options{}) // has 256 positions
	long := strings.Repeat("Hello world ", 200)
	_, err := m.Embed(t.Context(), "Hello", long)
	var ce *runtime.ContextError
	if !errors.As(err, &ce) || ce.Context != 256 || ce.Most != 256 || strings.Contains(err.Error(), "larger") || !strings.Contains(err.Error(), "text 1") {
		t.Errorf("%v (%+v)", err, ce)
	}
	whole := strings.TrimSpace(strings.Repeat("Hello world ", 20))
	if _, err := m.Embed(t.Context(), whole, whole, whole); err != nil {
		t.Error(err)
	}
}

// Texts as tokens have the embeddings of the texts; tokens outside of the vocabulary are refused.
func TestTokensHaveTheEmbeddingsOfTheirText(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	texts := []string{"a red ball", "Once upon a time there was a dog"}
	var tokens [][]int32
	for _, text := range texts {
		ids, err := m.Tokenize(text, runtime.TokenizeOptions{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, ids)
	}
	n, err := m.EmbedContext(texts...)
	if err != nil || n != m.EmbedTokensContext(tokens...) {
		t.Errorf("a context of %d, %v: %d for the tokens", n, err, m.EmbedTokensContext(tokens...))
	}
	s := session(t, m, runtime.SessionOptions{Embeddings: true, Context: n})
	want, err := s.EmbedTexts(t.Context(), texts, runtime.EmbedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.EmbedTokens(t.Context(), tokens, runtime.EmbedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range texts {
		if !slices.Equal(got[i].Vector, want[i].Vector) || got[i].Count != want[i].Count {
			t.Errorf("%q: another embedding", texts[i])
		}
	}
	for _, bad := range [][]int32{{1, -1}, {1 << 30}, {}} {
		if _, err := s.EmbedTokens(t.Context(), [][]int32{{1}, bad}, runtime.EmbedOptions{}); !errors.Is(err, runtime.ErrOption) || !strings.Contains(err.Error(), "text 1") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
