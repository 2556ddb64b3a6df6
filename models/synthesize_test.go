package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// zeroQuantizer makes blocks of zeros of the right size.
func zeroQuantizer(t gguf.Type, src []float32, rowLen int) ([]byte, error) {
	return make([]byte, uint64(len(src)/rowLen)*t.RowSize(uint64(rowLen))), nil
}

func synthesize(t *testing.T, path string, o SynthesizeOptions) {
	t.Helper()
	if err := Synthesize(t.Context(), path, o); err != nil {
		t.Fatal(err)
	}
}

func shapeOf(t *testing.T, text string) Shape {
	t.Helper()
	s, err := ParseShape(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Files of one seed must not change: they are compared across machines and versions.
func TestSynthesizeGivesTheSameBytesForEver(t *testing.T) {
	small := "layers=1,width=64,heads=2,kv_heads=1,ffn=96,vocab=400,context=128"
	for _, c := range []struct {
		shape, kind string
		seed        uint64
		sha256      string
	}{
		{small, "f32", 1, "9f529930d815a6256142d8e9e419c510b9e8a9b7fa58e1e9825304a62f1ddfb1"},
		{small, "f16", 1, "0a2c609a379456601f94a62047b9820f46b72fff0e1c7648840dfe348d217b1e"},
		{small, "bf16", 1, "5e396d33e1dad684a1e570854e8d781eb5bc6775332408171255154a22e143f4"},
		{small, "f16", 2, "f22c5bb61e6469f75d1f93df35bd661e71a869771f3508c10efd1ce6c7581401"},
		{small + ",experts=4", "f16", 1, "d488cac153bb5fcd584803cc84074f9760420b503e821af77306f376316d94ca"},
		{small + ",experts=16,experts_skew=0.8", "f16", 1, "0d976fa3f224036df9e5cd1a2cb81844dede809065c0ac2464bef4d11f6147c2"},
		{small + ",experts=4,arch=qwen3moe,head_size=48", "f16", 1, "06266b8cb8ed830fe47a79723b7defd9d27198d944bbd7f7989ee7b6046018e2"},
		{small + ",experts=4,arch=gpt-oss", "f16", 1, "d98b03c274faf33323e7d7a87457ee5550b63cb9d20652d10c91b1b03a18a586"},
		{strings.Replace(small, "layers=1", "layers=2", 1) + ",experts=4,arch=granitehybrid", "f16", 1, "40d148bf01de5c29ecd78760c08a3eec7ff26c888cf5144d22ed1c97fd29a4b8"},
		{"test", "", 0, "853c9eff9f0c43dfc2f0bc8ce4936b763c884325be78ec0ed7ef3c5617ec9e04"},
	} {
		path := filepath.Join(t.TempDir(), "m.gguf")
		synthesize(t, path, SynthesizeOptions{Shape: shapeOf(t, c.shape), Type: c.kind, Seed: c.seed})
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != c.sha256 {
			t.Errorf("%s, %s, seed %d: SHA-256 is %s, want %s", c.shape, c.kind, c.seed, got, c.sha256)
		}
	}
}

func TestSynthesizeIsTheSameOnOneProcessorAndOnMany(t *testing.T) {
	var files []string
	for _, n := range []int{1, 5} {
		before := runtime.GOMAXPROCS(n)
		defer runtime.GOMAXPROCS(before)
		path := filepath.Join(t.TempDir(), "m.gguf")
		synthesize(t, path, SynthesizeOptions{Shape: shapeOf(t, "test,vocab=5000"), Seed: 5})
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(data))
	}
	if files[0] != files[1] {
		t.Error("the files differ")
	}
}

func TestSynthesizedFileIsWhatWasAskedFor(t *testing.T) {
	for _, c := range []struct {
		shape, kind string
		kinds       map[string]gguf.Type // of some tensors
	}{
		{"test", "f16", map[string]gguf.Type{"token_embd.weight": gguf.TypeF16, "output_norm.weight": gguf.TypeF32}},
		{"test", "F32", map[string]gguf.Type{"token_embd.weight": gguf.TypeF32}},
		{"test", "bf16", map[string]gguf.Type{"blk.1.ffn_up.weight": gguf.TypeBF16}},
		{"test", "q4_0", map[string]gguf.Type{"token_embd.weight": gguf.TypeQ4_0, "output.weight": gguf.TypeQ6_K, "blk.0.attn_norm.weight": gguf.TypeF32}},
		{"test", "q8_0", map[string]gguf.Type{"output.weight": gguf.TypeQ8_0}},
		{"test", "q4_k", map[string]gguf.Type{"blk.0.attn_q.weight": gguf.TypeQ4_K, "blk.1.ffn_down.weight": gguf.TypeQ6_K}},
		{"15m", "q4_k", map[string]gguf.Type{"blk.0.attn_q.weight": gguf.TypeQ5_0, "output.weight": gguf.TypeQ8_0, "blk.3.ffn_down.weight": gguf.TypeQ4_K}},
		{"test-moe", "q4_0", map[string]gguf.Type{"blk.0.ffn_gate_exps.weight": gguf.TypeQ4_0, "blk.0.ffn_gate_inp.weight": gguf.TypeF32}},
		{"test-moe", "mxfp4_moe", map[string]gguf.Type{"blk.0.ffn_up_exps.weight": gguf.TypeMXFP4, "blk.0.attn_q.weight": gguf.TypeQ8_0}},
	} {
		t.Run(c.shape+" "+c.kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.gguf")
			shape := shapeOf(t, c.shape)
			synthesize(t, path, SynthesizeOptions{Shape: shape, Type: c.kind, Quantize: zeroQuantizer})
			index, err := loader.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer index.Close()
			if index.Architecture() != "llama" {
				t.Errorf("the architecture is %q", index.Architecture())
			}
			for key, want := range map[string]int{
				"llama.block_count": shape.Layers, "llama.embedding_length": shape.Width, "llama.attention.head_count": shape.Heads,
				"llama.attention.head_count_kv": shape.KVHeads, "llama.feed_forward_length": shape.FFN, "llama.context_length": shape.Context,
			} {
				v, ok := index.Lookup(key)
				if got, isUint := v.Uint(); !ok || !isUint || got != uint64(want) {
					t.Errorf("%s is %v, want %d", key, v, want)
				}
			}
			if tokens, _ := index.Lookup("tokenizer.ggml.tokens"); int(tokens.Len()) != shape.Vocab {
				t.Errorf("%d tokens, want %d", tokens.Len(), shape.Vocab)
			}
			var parameters uint64
			for _, tensor := range index.Tensors() {
				n := uint64(1)
				for _, d := range tensor.Shape {
					n *= d
				}
				parameters += n
			}
			if parameters != shape.Parameters() {
				t.Errorf("%d parameters, want %d", parameters, shape.Parameters())
			}
			for name, want := range c.kinds {
				if got, _ := index.Tensor(name); got.Type != want {
					t.Errorf("%s is %v, want %v", name, got.Type, want)
				}
			}
		})
	}
}

func TestSynthesizedWeightsDoNotDependOnTheType(t *testing.T) {
	dir := t.TempDir()
	read := func(kind string) map[string][]byte {
		path := filepath.Join(dir, kind)
		synthesize(t, path, SynthesizeOptions{Shape: shapeOf(t, "test"), Type: kind, Seed: 3})
		index, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer index.Close()
		tensors := map[string][]byte{}
		for _, tensor := range index.Tensors() {
			data := make([]byte, tensor.Size)
			if _, err := index.File(tensor.File).ReadAt(data, tensor.Offset); err != nil {
				t.Fatal(err)
			}
			tensors[tensor.Name] = data
		}
		return tensors
	}
	full, half := read("f32"), read("f16")
	for name, f := range full {
		h := half[name]
		if len(h) == len(f) {
			if string(h) != string(f) {
				t.Errorf("%s differs", name)
			}
			continue
		}
		for i := 0; i < len(h); i += 2 {
			value := fromHalf(uint16(h[i]) | uint16(h[i+1])<<8)
			if got := floatAt(f, i/2); got != value {
				t.Fatalf("%s: value %d is %g in f32 and %g in f16", name, i/2, got, value)
			}
		}
	}
	// The best token is never a special one: its weights are nil.
	for i := range 3 * 256 {
		if f := floatAt(full["output.weight"], i); f != 0 {
			t.Fatalf("a special token has the weight %g", f)
		}
	}
	if floatAt(full["output.weight"], 3*256) == 0 {
		t.Error("an ordinary token has no weight")
	}
}

func TestSynthesizeSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	test := shapeOf(t, "test")
	broken := errors.New("broken")
	file := filepath.Join(dir, "m.gguf")
	for _, c := range []struct {
		name, path string
		o          SynthesizeOptions
		want       string // figures and names of the error, between |
		is         error  // a *ShapeError for its key and value
	}{
		{"no shape", file, SynthesizeOptions{}, "", &ShapeError{Key: "layers"}},
		{"a shape that cannot be", file, SynthesizeOptions{Shape: Shape{Layers: 1, Width: 65, Heads: 2}}, "heads 2", &ShapeError{Key: "width", Value: "65"}},
		{"a skew that cannot be", file, SynthesizeOptions{Shape: Shape{Layers: 1, Width: 64, Heads: 2, Experts: 8, ExpertsSkew: math.NaN()}}, "", &ShapeError{Key: "experts_skew", Value: "NaN"}},
		{"an unknown type", file, SynthesizeOptions{Shape: test, Type: "q9"}, `"q9"|q4_0|f16`, ErrType},
		{"a typing error in a type is spotted", file, SynthesizeOptions{Shape: test, Type: "q4_km"}, " q4_k_m?", ErrType},
		{"a type that needs an importance matrix", file, SynthesizeOptions{Shape: test, Type: "IQ2_XS", Quantize: zeroQuantizer}, "iq2_xs|importance matrix", ErrType},
		{"a quantised type without a quantiser", file, SynthesizeOptions{Shape: test, Type: "q4_0"}, "q4_0|f16", ErrNoQuantizer},
		{"rows that no block fits", file, SynthesizeOptions{Shape: Shape{Layers: 1, Width: 40, Heads: 4}, Type: "q4_0", Quantize: zeroQuantizer}, "token_embd.weight|32|q4_0", &ShapeError{Value: "40"}},
		{"a feed-forward part that no block fits", file, SynthesizeOptions{Shape: Shape{Layers: 1, Width: 64, Heads: 4, FFN: 100}, Type: "q8_0", Quantize: zeroQuantizer}, "ffn_down.weight|32|q8_0", &ShapeError{Value: "100"}},
		{"a quantiser that fails", file, SynthesizeOptions{Shape: test, Type: "q8_0", Quantize: func(gguf.Type, []float32, int) ([]byte, error) { return nil, broken }}, "m.gguf|token_embd.weight|broken", broken},
		{"a quantiser that makes too little", file, SynthesizeOptions{Shape: test, Type: "q8_0", Quantize: func(gguf.Type, []float32, int) ([]byte, error) { return nil, nil }}, "0 bytes", nil},
		{"no name", "", SynthesizeOptions{Shape: test}, "name of the file is empty", nil},
		{"a folder", dir, SynthesizeOptions{Shape: test}, "is a folder, not a file", nil},
		{"a folder that is not there", filepath.Join(dir, "new") + string(filepath.Separator), SynthesizeOptions{Shape: test}, "is a folder, not a file", nil},
		{"a file in a folder that is not there", filepath.Join(dir, "new", "m.gguf"), SynthesizeOptions{Shape: test}, "new", fs.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Synthesize(t.Context(), c.path, c.o)
			if err == nil {
				t.Fatal("no error")
			}
			for part := range strings.SplitSeq(c.want, "|") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not contain %q", err, part)
				}
			}
			var want, got *ShapeError
			switch {
			case errors.As(c.is, &want):
				if !errors.As(err, &got) || got.Key != want.Key || got.Value != want.Value {
					t.Errorf("%q is not about %q, %q", err, want.Key, want.Value)
				}
			case c.is != nil && !errors.Is(err, c.is):
				t.Errorf("%q is not %v", err, c.is)
			}
			wantOnly(t, dir)
		})
	}
}

func TestSynthesizeStopsWhenToldTo(t *testing.T) {
	reason := errors.New("reason")
	for _, c := range []struct {
		name string
		at   float64 // share of the work
		kind string
	}{
		{"before it began", 0, "f16"},
		{"in the middle", 0.5, "f16"},
		{"in the middle, quantising", 0.5, "q4_0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			tree(t, dir, "old.gguf")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			err := Synthesize(ctx, filepath.Join(dir, "old.gguf"), SynthesizeOptions{
				Shape: shapeOf(t, "15m"), Type: c.kind, Quantize: zeroQuantizer,
				Progress: func(done, total uint64) {
					if float64(done) >= c.at*float64(total) {
						cancel(reason)
					}
				},
			})
			if !errors.Is(err, reason) || !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			wantOnly(t, dir, "old.gguf")
			if info, err := os.Stat(filepath.Join(dir, "old.gguf")); err != nil || info.Size() != 0 {
				t.Errorf("the old file became %v, %v", info, err)
			}
		})
	}
	t.Run("a context that has ended", func(t *testing.T) {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := Synthesize(ctx, filepath.Join(dir, "m.gguf"), SynthesizeOptions{Shape: shapeOf(t, "test")})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		wantOnly(t, dir)
	})
}

func TestSynthesizeReportsItsProgress(t *testing.T) {
	var last, all uint64
	calls := 0
	path := filepath.Join(t.TempDir(), "m.gguf")
	synthesize(t, path, SynthesizeOptions{Shape: shapeOf(t, "15m"), Progress: func(done, total uint64) {
		if calls == 0 && done != 0 {
			t.Errorf("the first call says %d", done)
		}
		if done < last || done > total || calls > 0 && total != all {
			t.Errorf("call %d: %d of %d after %d of %d", calls, done, total, last, all)
		}
		last, all = done, total
		calls++
	}})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if last != all || calls < 10 {
		t.Errorf("%d calls, the last with %d of %d", calls, last, all)
	}
	index, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if first := index.Tensors()[0].Offset; uint64(info.Size()-first) != all {
		t.Errorf("%d bytes of data were announced, there are %d", all, info.Size()-first)
	}
}

func TestSynthesizeTakesLittleMemory(t *testing.T) {
	memtest.WithoutRace(t)
	// 110 million parameters, 220 MB in f16: the heap must not follow.
	const limit = 48 << 20
	for _, kind := range []string{"f16", "q8_0"} {
		t.Run(kind, func(t *testing.T) {
			var peak uint64
			calls := 0
			runtime.GC()
			synthesize(t, filepath.Join(t.TempDir(), "m.gguf"), SynthesizeOptions{
				Shape: shapeOf(t, "110m"), Type: kind, Quantize: zeroQuantizer,
				Progress: func(uint64, uint64) {
					if calls++; calls%8 != 0 {
						return
					}
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapAlloc)
				},
			})
			t.Logf("peak heap %.1f MiB", float64(peak)/(1<<20))
			if peak > limit {
				t.Errorf("the heap grew to %d bytes, limit %d", peak, limit)
			}
		})
	}
}

func TestSynthesizeReplacesAndFollows(t *testing.T) {
	o := SynthesizeOptions{Shape: shapeOf(t, "test")}
	t.Run("a file is replaced", func(t *testing.T) {
		dir := t.TempDir()
		tree(t, dir, "m.gguf")
		path := filepath.Join(dir, "m.gguf")
		synthesize(t, path, o)
		if info, err := os.Stat(path); err != nil || info.Size() < 1000 {
			t.Errorf("got %v, %v", info, err)
		}
		wantOnly(t, dir, "m.gguf")
	})
	t.Run("a link is followed", func(t *testing.T) {
		dir := t.TempDir()
		tree(t, dir, "real/m.gguf")
		path := filepath.Join(dir, "link")
		link(t, filepath.Join("real", "m.gguf"), path)
		synthesize(t, path, o)
		if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("the link became %v, %v", info, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "real", "m.gguf")); err != nil || info.Size() < 1000 {
			t.Errorf("the file behind the link is %v, %v", info, err)
		}
		wantOnly(t, dir, "link", filepath.Join("real", "m.gguf"))
	})
}

func BenchmarkSynthesize(b *testing.B) {
	s, err := ParseShape("110m")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(2 * s.Parameters()))
	path := filepath.Join(b.TempDir(), "m.gguf")
	for b.Loop() {
		if err := Synthesize(b.Context(), path, SynthesizeOptions{Shape: s}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSyntheticModelsAreToldFromOthers(t *testing.T) {
	made := filepath.Join(t.TempDir(), "m.gguf")
	s, err := ParseShape("test")
	if err != nil {
		t.Fatal(err)
	}
	synthesize(t, made, SynthesizeOptions{Shape: s})
	for path, want := range map[string]bool{made: true, filepath.Join("tiny", "tiny-stories-f16.gguf"): false} {
		ix, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := Synthetic(ix); got != want {
			t.Errorf("%s: %v", path, got)
		}
		ix.Close()
	}
}
