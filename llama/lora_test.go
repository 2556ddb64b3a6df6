//go:build cgo

package llama_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// matrix is a float32 tensor of an adapter.
type matrix struct {
	name string
	rows uint64
	cols uint64 // the fastest
	fill func(i int) float32
}

func wave(i int) float32 { return 0.2 * float32(math.Sin(float64(i))) }

func zero(int) float32 { return 0 }

// adapterFile writes an adapter. keys are those of a LoRA adapter for llama, but for
// what change does.
func adapterFile(t *testing.T, change func(keys map[string]gguf.Value), tensors ...matrix) string {
	t.Helper()
	keys := map[string]gguf.Value{
		"general.type": gguf.StringValue("adapter"), "general.architecture": gguf.StringValue("llama"), "general.name": gguf.StringValue("a test"),
		"adapter.type": gguf.StringValue("lora"), "adapter.lora.alpha": gguf.Float32Value(8),
	}
	if change != nil {
		change(keys)
	}
	var w gguf.Writer
	for key, v := range keys {
		w.Add(key, v)
	}
	var data []byte
	for _, m := range tensors {
		shape := []uint64{m.cols, m.rows}
		_, size := w.AddTensor(m.name, gguf.TypeF32, shape...)
		for i := range int(m.cols * m.rows) {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(m.fill(i)))
		}
		data = append(data, make([]byte, w.Padding(size))...)
	}
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteHeader(f); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair is a change of rank 4 to a weight with so many inputs and outputs.
func pair(weight string, in, out uint64, b func(int) float32) []matrix {
	return []matrix{{weight + ".lora_a", 4, in, wave}, {weight + ".lora_b", out, 4, b}}
}

func loadAdapter(t *testing.T, m *llama.Model, path string) *llama.Adapter {
	t.Helper()
	a, err := m.LoadAdapter(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// again decodes the story in an empty context.
func again(t *testing.T, c *llama.Context) []float32 {
	t.Helper()
	if err := c.Clear(); err != nil {
		t.Fatal(err)
	}
	return decode(t, c, story)
}

func TestAdapters(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
	plain := again(t, c)
	query := pair("blk.0.attn_q.weight", 256, 256, wave)
	down := pair("blk.3.ffn_down.weight", 512, 256, wave)
	for _, tt := range []struct {
		name    string
		tensors []matrix
		change  func(map[string]gguf.Value)
	}{
		{"of one weight", query, nil},
		{"of two", append(slices.Clone(query), down...), nil},
		{"without an alpha", query, func(k map[string]gguf.Value) { delete(k, "adapter.lora.alpha") }},
		{"with a norm, which is not used", append(slices.Clone(query), matrix{"blk.0.attn_norm.weight", 1, 256, wave}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := loadAdapter(t, m, adapterFile(t, tt.change, tt.tensors...))
			apply := func(scale float32) []float32 {
				if err := c.ApplyAdapter(a, scale); err != nil {
					t.Fatal(err)
				}
				return again(t, c)
			}
			if d := distance(apply(0), plain); d != 0 {
				t.Errorf("a scale of 0 changes logits by %g", d)
			}
			one := apply(1)
			if d := distance(one, plain); d < 1e-3 {
				t.Errorf("a scale of 1 changes logits by %g", d)
			}
			if d := distance(apply(0.5), one); d < 1e-3 {
				t.Errorf("half of it differs by %g", d)
			}
			if d := distance(apply(1), one); d != 0 {
				t.Errorf("applied again it differs by %g", d)
			}
			if removed, err := c.RemoveAdapter(a); !removed || err != nil {
				t.Errorf("removed: %v, %v", removed, err)
			}
			if d := distance(again(t, c), plain); d != 0 {
				t.Errorf("removed it still changes logits by %g", d)
			}
			if removed, err := c.RemoveAdapter(a); removed || err != nil {
				t.Errorf("removed twice: %v, %v", removed, err)
			}
		})
	}
	t.Run("that change nothing", func(t *testing.T) {
		a := loadAdapter(t, m, adapterFile(t, nil, pair("blk.0.attn_q.weight", 256, 256, zero)...))
		if err := c.ApplyAdapter(a, 1); err != nil {
			t.Fatal(err)
		}
		if d := distance(again(t, c), plain); d > 1e-5 {
			t.Errorf("logits change by %g", d)
		}
		if err := c.ClearAdapters(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("at once", func(t *testing.T) {
		a, b := loadAdapter(t, m, adapterFile(t, nil, query...)), loadAdapter(t, m, adapterFile(t, nil, down...))
		both := loadAdapter(t, m, adapterFile(t, nil, append(slices.Clone(query), down...)...))
		if err := errors.Join(c.ApplyAdapter(a, 1), c.ApplyAdapter(b, 1)); err != nil {
			t.Fatal(err)
		}
		two := again(t, c)
		if err := errors.Join(c.ClearAdapters(), c.ApplyAdapter(both, 1)); err != nil {
			t.Fatal(err)
		}
		if d := distance(again(t, c), two); d > 1e-3 {
			t.Errorf("two adapters differ from both in one by %g", d)
		}
		if err := c.ClearAdapters(); err != nil {
			t.Fatal(err)
		}
		if d := distance(again(t, c), plain); d != 0 {
			t.Errorf("cleared they still change logits by %g", d)
		}
	})
}

func TestTheScaleIsAlphaByRank(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
	logits := func(alpha, scale float32) []float32 {
		a := loadAdapter(t, m, adapterFile(t, func(k map[string]gguf.Value) { k["adapter.lora.alpha"] = gguf.Float32Value(alpha) },
			pair("blk.0.attn_q.weight", 256, 256, wave)...))
		if err := c.ApplyAdapter(a, scale); err != nil {
			t.Fatal(err)
		}
		defer c.ClearAdapters()
		return again(t, c)
	}
	want := logits(0, 1)
	if d := distance(logits(4, 1), want); d != 0 { // the rank is 4
		t.Errorf("an alpha of the rank differs from none by %g", d)
	}
	if d := distance(logits(8, 0.5), want); d != 0 {
		t.Errorf("twice the alpha and half the scale differ by %g", d)
	}
}

func TestAdapterMetadata(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	a := loadAdapter(t, m, adapterFile(t, func(k map[string]gguf.Value) {
		k["adapter.alora.invocation_tokens"] = gguf.ArrayValue(gguf.ValueUint32, gguf.Uint32Value(5), gguf.Uint32Value(700))
		k["general.description"] = gguf.StringValue(strings.Repeat("long ", 1000))
	}, pair("blk.0.attn_q.weight", 256, 256, wave)...))
	if v, ok, err := a.Metadata("general.name"); v != "a test" || !ok || err != nil {
		t.Errorf("name %q, %v, %v", v, ok, err)
	}
	if v, ok, err := a.Metadata("no.such.key"); v != "" || ok || err != nil {
		t.Errorf("a key that is not there: %q, %v, %v", v, ok, err)
	}
	if _, _, err := a.Metadata("a\x00b"); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("a key with a NUL: %v", err)
	}
	all, err := a.AllMetadata()
	if err != nil || all["adapter.type"] != "lora" || len(all["general.description"]) != 5000 || len(all) != 6 {
		t.Errorf("all metadata: %d, %v", len(all), err)
	}
	if tokens, err := a.InvocationTokens(); err != nil || !slices.Equal(tokens, []llama.Token{5, 700}) {
		t.Errorf("invocation tokens %v, %v", tokens, err)
	}
	b := loadAdapter(t, m, adapterFile(t, nil, pair("blk.0.attn_q.weight", 256, 256, wave)...))
	if tokens, err := b.InvocationTokens(); err != nil || len(tokens) != 0 {
		t.Errorf("invocation tokens of another adapter %v, %v", tokens, err)
	}
	a.Close()
	if _, _, err := a.Metadata("general.name"); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("metadata of a closed adapter: %v", err)
	}
}

func TestFilesThatAreNoAdapterOfTheModel(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	query := pair("blk.0.attn_q.weight", 256, 256, wave)
	set := func(key string, v gguf.Value) func(map[string]gguf.Value) {
		return func(k map[string]gguf.Value) { k[key] = v }
	}
	without := func(key string) func(map[string]gguf.Value) {
		return func(k map[string]gguf.Value) { delete(k, key) }
	}
	for _, tt := range []struct {
		name string
		path string
	}{
		{"a file that is missing", filepath.Join(t.TempDir(), "none")},
		{"a folder", t.TempDir()},
		{"the model", tinyF16},
		{"a file without a type", adapterFile(t, without("general.type"), query...)},
		{"a projector", adapterFile(t, set("general.type", gguf.StringValue("mmproj")), query...)},
		{"an adapter of another architecture", adapterFile(t, set("general.architecture", gguf.StringValue("qwen2")), query...)},
		{"one of an unknown architecture", adapterFile(t, set("general.architecture", gguf.StringValue("nonsense")), query...)},
		{"one without an architecture", adapterFile(t, without("general.architecture"), query...)},
		{"another kind of adapter", adapterFile(t, set("adapter.type", gguf.StringValue("ia3")), query...)},
		{"the second half of a pair is missing", adapterFile(t, nil, query[0])},
		{"the first", adapterFile(t, nil, query[1])},
		{"a weight that the model does not have", adapterFile(t, nil, pair("blk.6.attn_q.weight", 256, 256, wave)...)},
		{"a tensor of another name", adapterFile(t, nil, matrix{"blk.0.attn_q.weight", 4, 256, wave})},
		{"too many inputs", adapterFile(t, nil, pair("blk.0.attn_q.weight", 512, 256, wave)...)},
		{"too few outputs", adapterFile(t, nil, pair("blk.0.attn_q.weight", 256, 128, wave)...)},
		{"ranks that differ", adapterFile(t, nil, matrix{"blk.0.attn_q.weight.lora_a", 4, 256, wave}, matrix{"blk.0.attn_q.weight.lora_b", 256, 8, wave})},
		{"invocation tokens that are none", adapterFile(t, set("adapter.alora.invocation_tokens", gguf.StringValue("x")), query...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := m.LoadAdapter(tt.path)
			var e *llama.Error
			if !errors.As(err, &e) || e.Reason == "" || errors.Is(err, llama.ErrBroken) || a != nil {
				t.Errorf("adapter %v, error %v", a, err)
			}
		})
	}
	if _, err := m.LoadAdapter("a\x00b"); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("a path with a NUL: %v", err)
	}
	loadAdapter(t, m, adapterFile(t, nil, query...)) // the model still works
}

func TestAdapterMemoryComesFromBlocks(t *testing.T) {
	for name, p := range map[string]llama.ModelParams{"read": {}, "repacked": {Repack: true}, "mapped": {MMap: true}} {
		t.Run(name, func(t *testing.T) {
			h := newHeap(64 << 10)
			p.Blocks = h
			m := load(t, tinyF16, p)
			c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
			plain := again(t, c)
			before := h.count()[llama.PurposeWeights]
			path := adapterFile(t, nil, append(pair("blk.0.attn_q.weight", 256, 256, wave), pair("blk.1.ffn_up.weight", 256, 512, wave)...)...)
			a := loadAdapter(t, m, path)
			if n := h.count()[llama.PurposeWeights]; n == before {
				t.Errorf("%d blocks of weights before and after", n)
			}
			if err := c.ApplyAdapter(a, 1); err != nil {
				t.Fatal(err)
			}
			if d := distance(again(t, c), plain); d < 1e-3 {
				t.Errorf("logits change by %g", d)
			}
			if a.Close(); h.count()[llama.PurposeWeights] == before {
				t.Error("freed while a context applies it")
			}
			if d := distance(again(t, c), plain); d < 1e-3 {
				t.Errorf("closed but applied, logits change by %g", d)
			}
			if err := c.ClearAdapters(); err != nil {
				t.Fatal(err)
			}
			if n := h.count()[llama.PurposeWeights]; n != before {
				t.Errorf("%d blocks of weights before, %d after", before, n)
			}

			h.failAt = h.requests + 1
			if _, err := m.LoadAdapter(path); !errors.Is(err, llama.ErrNoMemory) || !errors.Is(err, errRefused) {
				t.Errorf("refused memory: %v", err)
			}
			if n := h.count()[llama.PurposeWeights]; n != before {
				t.Errorf("%d blocks of weights before the refusal, %d after", before, n)
			}
		})
	}
}

func TestAdaptersAndContextsThatDoNotBelongTogether(t *testing.T) {
	m, other := load(t, tinyF16, llama.ModelParams{MMap: true}), load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
	path := adapterFile(t, nil, pair("blk.0.attn_q.weight", 256, 256, wave)...)
	a, foreign := loadAdapter(t, m, path), loadAdapter(t, other, path)
	if err := c.ApplyAdapter(foreign, 1); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("an adapter of another model: %v", err)
	}
	for _, scale := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		if err := c.ApplyAdapter(a, scale); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("a scale of %g: %v", scale, err)
		}
	}
	if removed, err := c.RemoveAdapter(a); removed || err != nil {
		t.Errorf("removed what was not applied: %v, %v", removed, err)
	}
	m.Close() // the adapter keeps it
	if err := c.ApplyAdapter(a, 1); err != nil {
		t.Error(err)
	}
	again(t, c)
	c.Close()
	if err := c.ApplyAdapter(a, 1); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("applied to a closed context: %v", err)
	}
	d := newContext(t, other, llama.ContextParams{Ctx: 64, Threads: 1})
	foreign.Close()
	if err := d.ApplyAdapter(foreign, 1); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("a closed adapter: %v", err)
	}
	if _, err := m.LoadAdapter(path); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("an adapter of a closed model: %v", err)
	}
}

func TestControlVectors(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	h := newHeap(64 << 10)
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1, Blocks: h})
	plain := again(t, c)
	const width, layers = 256, 6
	vector := make([]float32, width*(layers-1))
	for i := range vector {
		vector[i] = 5 * wave(i)
	}
	apply := func(data []float32, first, last int) []float32 {
		t.Helper()
		if err := c.ApplyControlVector(data, first, last); err != nil {
			t.Fatal(err)
		}
		return again(t, c)
	}
	before := h.count()[llama.PurposeWeights]
	if d := distance(apply(make([]float32, len(vector)), 1, layers-1), plain); d > 1e-5 {
		t.Errorf("zeros change logits by %g", d)
	}
	if h.count()[llama.PurposeWeights] == before {
		t.Error("its memory does not come from Blocks")
	}
	all := apply(vector, 1, layers-1)
	if d := distance(all, plain); d < 1e-2 {
		t.Errorf("a vector changes logits by %g", d)
	}
	if d := distance(apply(vector, 2, 3), all); d < 1e-3 {
		t.Errorf("for two layers it differs by %g", d)
	}
	if d := distance(apply(vector, 1, layers-1), all); d != 0 {
		t.Errorf("applied again it differs by %g", d)
	}
	if d := distance(apply(nil, 0, 0), plain); d != 0 {
		t.Errorf("removed it still changes logits by %g", d)
	}
	nan := slices.Clone(vector)
	nan[len(nan)-1] = float32(math.NaN())
	for _, tt := range []struct {
		name        string
		data        []float32
		first, last int
	}{
		{"no numbers", []float32{}, 1, 5},
		{"one too few", vector[1:], 1, 5},
		{"a layer too many", append(slices.Clone(vector), vector[:width]...), 1, 5},
		{"a number that is none", nan, 1, 5},
		{"layer 0", vector, 0, 5},
		{"a layer behind the last", vector, 1, 6},
		{"the last before the first", vector, 3, 2},
	} {
		t.Run("refused: "+tt.name, func(t *testing.T) {
			if err := c.ApplyControlVector(tt.data, tt.first, tt.last); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("error %v", err)
			}
		})
	}
	if d := distance(again(t, c), plain); d != 0 {
		t.Errorf("what was refused changes logits by %g", d)
	}

	refusing := newHeap(64 << 10)
	c = newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1, Blocks: refusing})
	again(t, c)
	refusing.failAt = refusing.requests + 1
	if err := c.ApplyControlVector(vector, 1, 5); !errors.Is(err, llama.ErrNoMemory) {
		t.Errorf("refused memory: %v", err)
	}
	if d := distance(again(t, c), plain); d != 0 {
		t.Errorf("what was refused changes logits by %g", d)
	}
	c.Close()
	if err := c.ApplyControlVector(vector, 1, 5); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("a closed context: %v", err)
	}
}

// A context reuses the graph of the token before if it can. It must not reuse it after a change
// of adapters, nor after one was freed.
func TestAdaptersTakeEffectWithTheNextToken(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	path := adapterFile(t, nil, pair("blk.5.ffn_down.weight", 512, 256, wave)...)
	a := loadAdapter(t, m, path)
	vector := slices.Repeat([]float32{0.5}, 5*256)
	type change = func(c *llama.Context) error
	nothing := func(*llama.Context) error { return nil }
	on := func(c *llama.Context) error { return c.ApplyAdapter(a, 1) }
	more := func(c *llama.Context) error { return c.ApplyAdapter(a, 2) }
	off := func(c *llama.Context) error { _, err := c.RemoveAdapter(a); return err }
	clear := func(c *llama.Context) error { return c.ClearAdapters() }
	steer := func(c *llama.Context) error { return c.ApplyControlVector(vector, 1, 5) }
	free := func(c *llama.Context) error { return c.ApplyControlVector(nil, 0, 0) }
	// The logits of the third token, with a change before each. The weight that the adapter changes
	// comes last in the model, so that the KV cache does not tell when it was applied.
	last := func(changes ...change) []float32 {
		c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
		defer c.Close()
		b, err := llama.NewBatch(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for i, change := range changes {
			if err := change(c); err != nil {
				t.Fatal(err)
			}
			b.Clear()
			if err := errors.Join(b.Add(story[i], llama.Pos(i), true), c.Decode(t.Context(), b)); err != nil {
				t.Fatal(err)
			}
		}
		l, err := c.Logits(-1, nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	plain, adapted, doubled := last(nothing, nothing, nothing), last(on, nothing, nothing), last(more, nothing, nothing)
	if distance(plain, adapted) < 1e-3 || distance(adapted, doubled) < 1e-3 {
		t.Fatal("the adapter changes nothing")
	}
	for _, tt := range []struct {
		name    string
		changes []change
		want    []float32
	}{
		{"applied", []change{nothing, nothing, on}, adapted},
		{"scaled", []change{on, nothing, more}, doubled},
		{"removed", []change{on, nothing, off}, plain},
		{"cleared", []change{nothing, on, clear}, plain},
		{"removed and applied again", []change{on, off, on}, adapted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := distance(last(tt.changes...), tt.want); d > 1e-4 {
				t.Errorf("logits differ by %g", d)
			}
		})
	}
	steered := last(nothing, nothing, steer)
	if d := distance(steered, plain); d < 1e-3 {
		t.Errorf("a control vector changes logits by %g", d)
	}
	if d := distance(last(nothing, nothing, nothing), last(nothing, free, nothing)); d != 0 {
		t.Errorf("removing none changes logits by %g", d)
	}
	t.Run("freed", func(t *testing.T) {
		h := newHeap(64 << 10)
		m := load(t, tinyF16, llama.ModelParams{MMap: true, Blocks: h}) // whose memory is gone when freed
		c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
		want := again(t, c)
		a := loadAdapter(t, m, path)
		if err := c.ApplyAdapter(a, 1); err != nil {
			t.Fatal(err)
		}
		again(t, c)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.ClearAdapters(); err != nil {
			t.Fatal(err)
		}
		if n := h.count()[llama.PurposeWeights]; n != 0 {
			t.Fatalf("%d blocks of weights are left", n)
		}
		if d := distance(again(t, c), want); d != 0 {
			t.Errorf("logits differ by %g", d)
		}
	})
}
