//go:build cgo

package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/runtime"
)

// packed packs a model into a new folder.
func packedOf(t testing.TB, path string) string {
	t.Helper()
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking (-DGGML_USE_CPU_REPACK)")
	}
	out := filepath.Join(t.TempDir(), "packed.gguf")
	if err := runtime.Pack(t.Context(), path, out, runtime.PackOptions{}); err != nil {
		t.Fatal(err)
	}
	return out
}

// logitsOf returns the logits of some tokens in one list.
func logitsOf(t *testing.T, path string, o runtime.Options) ([]float32, runtime.Report) {
	t.Helper()
	m, err := runtime.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 128, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []float32
	for _, tokens := range [][]int32{{1, 403, 407, 261, 378, 432, 9, 77, 31, 6, 500, 41}, {17}, {99}} { // a prompt, then single tokens
		err := s.Evaluate(t.Context(), tokens, runtime.EvaluateOptions{Logits: func(_ int, l []float32) error {
			all = append(all, l...)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all, m.Report()
}

func TestAPackedModelComputesWhatTheEnginesCopyComputes(t *testing.T) {
	for _, tt := range []struct{ kind, typ string }{
		{"tiny", "q4_0"}, {"tied", "q4_0"}, {"tiny", "q4_k_m"},
		{"synthetic", "q4_0"}, {"synthetic", "q4_K"}, {"synthetic", "iq4_nl"}, {"synthetic", "q2_K"},
	} {
		t.Run(tt.kind+" "+tt.typ, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tied.gguf") // the token embeddings are the output matrix too
			if tt.kind != "tied" {
				path = model(t, tt.kind, tt.typ)
			} else if err := runtime.Quantize(t.Context(), tinyF16, path, runtime.QuantizeOptions{Type: tt.typ, Pure: true}); err != nil {
				t.Fatal(err)
			}
			file := packedOf(t, path)
			want, copied := logitsOf(t, path, runtime.Options{Load: runtime.LoadCopy})
			got, r := logitsOf(t, file, runtime.Options{})
			if !slices.Equal(got, want) {
				t.Error("the logits are others than those of the engine's own copy")
			}
			if r.LoadMode != runtime.LoadMMap || r.Packed == 0 || r.Packed != copied.Repacked || r.Repacked != 0 {
				t.Errorf("%v, %d bytes packed, %d repacked; the copy has %d", r.LoadMode, r.Packed, r.Repacked, copied.Repacked)
			}
			if r.Architecture != copied.Architecture || r.Description != copied.Description || r.Parameters != copied.Parameters {
				t.Errorf("%s, %s, %d parameters", r.Architecture, r.Description, r.Parameters)
			}
			c, err := runtime.Check(t.Context(), file, runtime.CheckOptions{})
			if err != nil || c.Packed == 0 || c.Source != "" {
				t.Errorf("check: %+v, %v", c, err)
			}
		})
	}
}

func TestWhatWouldGainNothingIsNotPacked(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "packed.gguf")
	for _, typ := range []string{"f16", "q8_0"} { // the engine repacks neither on x86
		err := runtime.Pack(t.Context(), model(t, "synthetic", typ), out, runtime.PackOptions{})
		if err == nil && typ == "q8_0" {
			t.Log("this engine repacks q8_0 on this CPU")
			os.Remove(out)
			continue
		}
		if !errors.Is(err, runtime.ErrNothingToPack) || !strings.Contains(err.Error(), typ) {
			t.Errorf("%s: %v", typ, err)
		}
	}
	file := packedOf(t, model(t, "synthetic", "q4_0"))
	if err := runtime.Pack(t.Context(), file, out, runtime.PackOptions{}); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("packing a packed file: %v", err)
	}
	if err := runtime.Quantize(t.Context(), file, out, runtime.QuantizeOptions{Type: "q8_0", AllowRequantize: true}); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("quantising a packed file: %v", err)
	}
	source := model(t, "synthetic", "q4_0")
	if err := runtime.Pack(t.Context(), source, source, runtime.PackOptions{}); err == nil {
		t.Error("a model was replaced with its packed file")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAPackedModelStreamsWithinABudget(t *testing.T) {
	path := model(t, "large", "q4_0")
	file := packedOf(t, path)
	want, _, err := greedy(t.Context(), file, runtime.Options{}, budgeted, 8)
	if err != nil {
		t.Fatal(err)
	}
	copied, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadCopy}, budgeted, 8)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "packed, against a copy", want, copied)
	o := runtime.Options{MaxMemory: budgetOf(t, file, budgeted, 0.7), Session: budgeted}
	got, r, err := greedy(t.Context(), file, o, budgeted, 8)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "within a budget", got, want)
	if r.Residency == nil || r.Residency.Streamed == 0 || r.Residency.Read == 0 || r.Packed == 0 {
		t.Errorf("%d bytes packed, %+v", r.Packed, r.Residency)
	}
}

func TestAdaptersAndLookupWorkOnAPackedModel(t *testing.T) {
	path := model(t, "tiny", "q4_0")
	file := packedOf(t, path)
	generate := func(path string, load runtime.LoadMode, lookup bool) (text string) {
		m := open(t, path, runtime.Options{Load: load, Adapters: []runtime.Adapter{{Path: adapter(t), Scale: 0.5}}})
		for range 2 { // two sessions
			s := session(t, m, runtime.SessionOptions{Context: 128, Threads: 1})
			text = ""
			for x, err := range s.Generate(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 24, Lookup: lookup, Sampling: runtime.Sampling{Greedy: true}}) {
				if err != nil {
					t.Fatal(err)
				}
				text += x.Text
			}
		}
		return text
	}
	want := generate(path, runtime.LoadCopy, false)
	if got := generate(file, runtime.LoadAuto, false); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := generate(file, runtime.LoadAuto, true); got != want {
		t.Errorf("with lookup: %q, want %q", got, want)
	}
}

// adapter writes a LoRA adapter for the tiny model that changes its text.
func adapter(t *testing.T) string {
	return adapterOf(t, "blk.0.attn_q.weight", [2]uint64{256, 1}, [2]uint64{1, 256})
}

// adapterOf writes an adapter for one weight, with two matrices of these shapes.
func adapterOf(t *testing.T, weight string, a, b [2]uint64) string {
	return adapterOfExperts(t, weight, a[:], b[:])
}

// adapterOfExperts is adapterOf for matrices with a third dimension.
func adapterOfExperts(t *testing.T, weight string, a, b []uint64) string {
	t.Helper()
	var w gguf.Writer
	for k, v := range map[string]string{"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"} {
		w.Add(k, gguf.StringValue(v))
	}
	w.Add("adapter.lora.alpha", gguf.Float32Value(1))
	w.AddTensor(weight+".lora_a", gguf.TypeF32, a...)
	w.AddTensor(weight+".lora_b", gguf.TypeF32, b...)
	var data bytes.Buffer
	if _, err := w.WriteHeader(&data); err != nil {
		t.Fatal(err)
	}
	for range w.DataBytes() / 4 {
		data.Write([]byte{0, 0, 0, 0x3d}) // 0.03125
	}
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPackedFilesThatDoNotFitAreRefused(t *testing.T) {
	layouts := llama.Engine().Layouts()
	source := filepath.Join(t.TempDir(), "source.gguf")
	content, err := os.ReadFile(model(t, "tiny", "q4_0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file := packedOf(t, source)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := loader.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	name := ix.Packed().Tensors[0].Name
	layout := ix.Packed().Tensors[0].Layout
	instructions := ix.Packed().Instructions
	first, _ := ix.Tensor(name)
	ix.Close()

	swap := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte {
			if len(from) != len(to) || !bytes.Contains(b, []byte(from)) {
				t.Fatalf("%q is not in the file", from)
			}
			return bytes.ReplaceAll(b, []byte(from), []byte(to))
		}
	}
	// after replaces the bytes after a key by as many others.
	after := func(key, from, to string) func([]byte) []byte {
		return func(b []byte) []byte {
			at := bytes.Index(b, []byte(key))
			i := bytes.Index(b[at:], []byte(from))
			if at < 0 || i < 0 || i > 64 {
				t.Fatalf("%q is not behind %s", from, key)
			}
			copy(b[at+i:], to)
			return b
		}
	}
	flip := func(at int64) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for _, tt := range []struct {
		name   string
		change func([]byte) []byte
		target error    // of opening; nil if it opens
		words  []string // in the error, or in that of Check if it opens
	}{
		{"another engine", after("infer.packed.engine", layouts, strings.ToUpper(layouts)), runtime.ErrPackedElsewhere, []string{strings.ToUpper(layouts), layouts, "pack "}},
		{"other instructions", after("infer.packed.instructions", instructions, strings.Repeat("z", len(instructions))), runtime.ErrPackedElsewhere, []string{"zz", instructions, "pack "}},
		{"another layout", swap(layout, layout[:len(layout)-4]+"beef"), runtime.ErrPackedElsewhere, []string{"beef", layout, "pack "}},
		{"a later version of the format", after("infer.packed.version", "\x01\x00\x00\x00", "\x03\x00\x00\x00"), gguf.ErrFormat, []string{"versions 1 and 2"}},
		{"a wrong architecture", after("infer.packed.architecture", "llama", "lllll"), gguf.ErrFormat, []string{"lllll"}},
		{"cut short", func(b []byte) []byte { return b[:len(b)-5000] }, gguf.ErrFormat, nil},
		{"a bit flipped at the beginning of a packed tensor", flip(first.Offset), gguf.ErrFormat, []string{name, "pack it again"}},
		{"a bit flipped in the middle of a packed tensor", flip(first.Offset + int64(first.Size)/2), nil, []string{name, "pack the model again"}},
		{"a bit flipped in the last tensor", flip(int64(len(good)) - 40), nil, []string{"pack the model again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "changed.gguf")
			if err := os.WriteFile(path, tt.change(slices.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := runtime.Open(t.Context(), path, runtime.Options{})
			if m != nil {
				m.Close()
			}
			if tt.target == nil && err != nil || !errors.Is(err, tt.target) {
				t.Fatalf("opening: %v", err)
			}
			_, err = runtime.Check(t.Context(), path, runtime.CheckOptions{})
			if err == nil || tt.target != nil && !errors.Is(err, tt.target) {
				t.Fatalf("checking: %v", err)
			}
			for _, w := range tt.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in: %v", w, err)
				}
			}
		})
	}
	for _, load := range []runtime.LoadMode{runtime.LoadCopy, runtime.LoadStock} {
		if _, err := runtime.Open(t.Context(), file, runtime.Options{Load: load}); !errors.Is(err, runtime.ErrOption) || !strings.Contains(err.Error(), source) {
			t.Errorf("%v: %v", load, err)
		}
	}
	if _, err := runtime.Open(t.Context(), file, runtime.Options{NoRepack: true}); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("not repacked: %v", err)
	}

	// The engine's own loader names the reason.
	_, err = llama.LoadModel(t.Context(), file, llama.ModelParams{MMap: true})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("'llama, packed by infer for %s: open it with infer, or use the plain file'", instructions)) {
		t.Errorf("stock: %v", err)
	}

	check := func(what string, target error, source string) {
		t.Helper()
		m, err := runtime.Open(t.Context(), file, runtime.Options{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else {
			m.Close()
		}
		c, err := runtime.Check(t.Context(), file, runtime.CheckOptions{})
		if !errors.Is(err, target) || err == nil && !strings.Contains(c.Source, source) {
			t.Errorf("%s: check: %+v, %v", what, c, err)
		}
	}
	// A source of the same size and time with other bytes, one with another time, and none.
	other := flip(int64(len(content)) - 40)(slices.Clone(content))
	if err := errors.Join(os.WriteFile(source, other, 0o600), os.Chtimes(source, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	check("a source with other bytes", gguf.ErrFormat, "")
	if err := os.Chtimes(source, info.ModTime(), info.ModTime().Add(1e9)); err != nil {
		t.Fatal(err)
	}
	check("a source of another time", loader.ErrFileChanged, "")
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	check("no source", nil, "does not exist any more")
}

func TestACancelledPackingLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	err := runtime.Pack(ctx, model(t, "synthetic", "q4_0"), filepath.Join(dir, "packed.gguf"), runtime.PackOptions{
		Progress: func(done, total uint64) {
			if done > total/2 {
				cancel()
			}
		},
	})
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking")
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
