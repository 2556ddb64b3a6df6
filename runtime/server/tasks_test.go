//go:build cgo

package server_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/server"
)

func TestModelsForOtherTasks(t *testing.T) {
	o := options()
	o.Path, o.Dir, o.ChatTemplate = "", t.TempDir(), ""
	for name, b := range ggufcases.Computing("nomic-bert", "bert rank") {
		if err := os.WriteFile(filepath.Join(o.Dir, strings.ReplaceAll(name, " ", "-")+".gguf"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, url := newServer(t, o)
	status, _, body := post(t, url+"/v1/embeddings", object{"model": "nomic-bert", "input": []string{"Hello world", "a low road"}})
	if v := at(t, decode(t, status, body), "data", 1, "embedding").([]any); len(v) != 64 {
		t.Errorf("%d numbers", len(v))
	}
	status, _, body = post(t, url+"/v1/rerank", object{"model": "bert-rank", "query": "Hello", "documents": []any{"world", object{"text": "a low road"}, "Hello"}, "top_n": 2, "return_documents": true})
	if r := at(t, decode(t, status, body), "results").([]any); len(r) != 2 || at(t, r[0], "relevance_score").(float64) < at(t, r[1], "relevance_score").(float64) || at(t, r[0], "document") == nil {
		t.Errorf("%s", body)
	}
	for path, ask := range map[string]object{
		"/v1/completions":           {"model": "nomic-bert", "prompt": "a"},
		"/v1/chat/completions":      {"model": "nomic-bert", "messages": user("a")},
		"/v1/responses":             {"model": "nomic-bert", "input": "a"},
		"/v1/rerank":                {"model": "nomic-bert", "query": "a", "documents": []string{"b"}},
		"/v1/messages":              {"model": "nomic-bert", "max_tokens": 1, "messages": user("a")},
		"/v1/messages/count_tokens": {"model": "nomic-bert", "messages": user("a")},
		"/apply-template":           {"model": "nomic-bert", "messages": user("a")},
	} {
		status, _, body := post(t, url+path, ask)
		if e := failure(t, body); status != 400 || e["param"] != "model" || !strings.Contains(e["message"].(string), "embeddings") {
			t.Errorf("%s: %d: %s", path, status, body)
		}
	}
}

// TestMemoryIsLoweredWhileServing lowers and raises the budget of a model while it answers: each
// answer is complete, and nothing is left behind.
func TestMemoryIsLoweredWhileServing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	shape, err := models.ParseShape("layers=16,width=256,heads=4,ffn=1024,vocab=4000")
	if err != nil {
		t.Fatal(err)
	}
	if err := models.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: shape}); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Batch.Context = 512
	const budget = 4 << 30
	m, err := runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, Packed: runtime.PackedOff, MaxMemory: budget, Session: o.Batch.SessionOptions})
	if err != nil {
		t.Fatal(err)
	}
	o.Path, o.Model = "", m
	s, url := newServer(t, o)
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 4 {
				status, _, body := post(t, url+"/v1/completions", object{"prompt": "a b c", "max_tokens": 12, "ignore_eos": true, "temperature": 0})
				if o := decode(t, status, body); at(t, o, "usage", "completion_tokens") != 12.0 {
					t.Errorf("%s", body)
				}
			}
		}()
	}
	var least *memory.Error // of all budgets
	if err := m.SetMaxMemory(context.Background(), 1); !errors.As(err, &least) {
		t.Fatal(err)
	}
	lowered := 0
	for i := range 6 {
		now := uint64(budget)
		if i%2 == 0 {
			now = least.Requested + 2<<20
		}
		err := m.SetMaxMemory(context.Background(), now)
		if err == nil && m.Report().Residency.Streamed > 0 {
			lowered++
		}
	}
	all.Wait()
	if lowered == 0 {
		t.Error("nothing was streamed")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := m.SetMaxMemory(context.Background(), budget); err != nil { // the model is still open
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if now := m.Report().Memory.Total.Current; now != 0 {
		t.Errorf("%d bytes are left", now)
	}
}

func TestAModelOfTheProgramStaysOpen(t *testing.T) {
	m, err := runtime.Open(t.Context(), tinyF16, runtime.Options{Packed: runtime.PackedOff})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	o := options()
	o.Path, o.Model, o.Name, o.ChatTemplate = "", m, "stories", ""
	s, err := server.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Tokenize("Once", runtime.TokenizeOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := server.New(t.Context(), server.Options{}); err == nil || !strings.Contains(err.Error(), "one of Model, Path and Dir") {
		t.Errorf("%v", err)
	}
}
