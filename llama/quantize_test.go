//go:build cgo

package llama_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

func quantized(t *testing.T, in, name string, p llama.QuantizeParams) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name+".gguf")
	if err := llama.Quantize(t.Context(), in, out, p); err != nil {
		t.Fatal(err)
	}
	return out
}

// The bytes depend neither on the system nor on the CPU: they are those of models.Tiny.
func TestQuantizedBytesAreTheSameEverywhere(t *testing.T) {
	enginetest.NeedBuiltin(t, "another compiler rounds otherwise")
	data, err := os.ReadFile(quantized(t, tinyF16, "tiny", llama.QuantizeParams{Type: "q4_0"}))
	check(t, err)
	const want = "b292d5f6d6eb53aa3b790956aaf6b62418a38b5cafcfa3b4bf37d890d4794f7d"
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != want {
		t.Errorf("SHA-256 is %s, want %s", got, want)
	}
}

func TestQuantizedFiles(t *testing.T) {
	memtest.WithoutRace(t)
	want := decode(t, newContext(t, load(t, tinyF16, llama.ModelParams{MMap: true}), llama.ContextParams{Ctx: 64, Threads: 1}), story)
	for _, tt := range []struct {
		name   string
		params llama.QuantizeParams
		types  map[string]string // of some tensors
		within float64           // of a logit, of which the standard deviation is about 3
	}{
		{"f16 is a copy", llama.QuantizeParams{Type: "F16"}, map[string]string{"blk.0.attn_q.weight": "F16"}, 0.01},
		{"f32", llama.QuantizeParams{Type: "f32"}, map[string]string{"blk.0.attn_q.weight": "F32"}, 0.05},
		{"q8_0", llama.QuantizeParams{Type: "q8_0"}, map[string]string{"blk.0.attn_q.weight": "Q8_0", "token_embd.weight": "Q8_0", "output_norm.weight": "F32"}, 0.3},
		{"q4_0", llama.QuantizeParams{Type: "q4_0"}, map[string]string{"blk.0.attn_q.weight": "Q4_0", "token_embd.weight": "Q6_K"}, 4},
		{"q4_k_m", llama.QuantizeParams{Type: "Q4_K_M"}, map[string]string{"blk.0.attn_q.weight": "Q4_K", "blk.5.ffn_down.weight": "Q6_K"}, 4},
		{"q4_0 throughout", llama.QuantizeParams{Type: "q4_0", Pure: true}, map[string]string{"token_embd.weight": "Q4_0", "blk.0.ffn_down.weight": "Q4_0"}, 4},
		{"another type of the embedding", llama.QuantizeParams{Type: "q8_0", TokenEmbeddingType: "Q6_k"}, map[string]string{"token_embd.weight": "Q6_K", "blk.0.attn_q.weight": "Q8_0"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var names []string
			last, of := 0, 0
			p := tt.params
			p.Progress = func(done, total int, tensor string) {
				if done != last+1 || of != 0 && total != of {
					t.Errorf("%d of %d follows %d of %d", done, total, last, of)
				}
				last, of = done, total
				names = append(names, tensor)
			}
			path := quantized(t, tinyF16, "out", p)
			ix, err := openIndex(path)
			if err != nil {
				t.Fatal(err)
			}
			defer ix.Close()
			if len(names) != len(ix.Tensors()) || last != of {
				t.Errorf("progress ended at %d of %d, with %d names for %d tensors", last, of, len(names), len(ix.Tensors()))
			}
			for _, tensor := range ix.Tensors() {
				if !slices.Contains(names, tensor.Name) {
					t.Errorf("no progress was shown for %s", tensor.Name)
				}
			}
			for name, want := range tt.types {
				if tensor, ok := ix.Tensor(name); !ok || !strings.EqualFold(tensor.Type.String(), want) {
					t.Errorf("%s is of type %v, want %s", name, tensor.Type, want)
				}
			}
			got := decode(t, newContext(t, load(t, path, llama.ModelParams{CheckTensors: true}), llama.ContextParams{Ctx: 64, Threads: 1}), story)
			if d := distance(got, want); d > tt.within {
				t.Errorf("logits differ by up to %g, want at most %g", d, tt.within)
			}
		})
	}
}

// The file was made by llama.cpp's rules before, and its SHA-256 is in the model's card.
func TestTheEmbeddedModelIsTheF16OneQuantizedAnew(t *testing.T) {
	enginetest.NeedBuiltin(t, "another compiler rounds otherwise")
	want, err := os.ReadFile("../models/tiny/tiny-stories-q4_0.gguf")
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2, 3} {
		got, err := os.ReadFile(quantized(t, tinyF16, "q4_0", llama.QuantizeParams{Type: "q4_0", Threads: threads}))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("with %d threads: %d bytes that differ from the %d of the embedded model", threads, len(got), len(want))
		}
	}
}

func TestQuantizingAgain(t *testing.T) {
	const q4 = "../models/tiny/tiny-stories-q4_0.gguf"
	out := filepath.Join(t.TempDir(), "out.gguf")
	var e *llama.Error
	if err := llama.Quantize(t.Context(), q4, out, llama.QuantizeParams{Type: "q8_0"}); !errors.As(err, &e) || !strings.Contains(e.Reason, "requantiz") {
		t.Errorf("without being allowed to: %v", err)
	}
	if err := llama.Quantize(t.Context(), q4, out, llama.QuantizeParams{Type: "q8_0", AllowRequantize: true}); err != nil {
		t.Fatal(err)
	}
	load(t, out, llama.ModelParams{})
	copied, err := os.ReadFile(quantized(t, q4, "copy", llama.QuantizeParams{OnlyCopy: true}))
	if err != nil {
		t.Fatal(err)
	}
	if original, err := os.ReadFile(q4); err != nil || !bytes.Equal(copied[len(copied)-1<<20:], original[len(original)-1<<20:]) {
		t.Errorf("a copy holds other tensors, %v", err)
	}
}

func TestRefusedQuantizations(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.gguf")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	linked := filepath.Join(dir, "link.gguf")
	in := filepath.Join(dir, "in.gguf")
	data, err := os.ReadFile(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	check(t, os.WriteFile(in, data, 0o600))
	noLink := memtest.Symlink(in, linked)
	notGGUF := filepath.Join(dir, "text")
	if err := os.WriteFile(notGGUF, []byte("this is no model, but long enough to be looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	var engine *llama.Error
	for _, tt := range []struct {
		name    string
		ctx     context.Context
		in, out string
		params  llama.QuantizeParams
		want    error // nil: the engine's
	}{
		{"no type", t.Context(), in, out, llama.QuantizeParams{}, llama.ErrArgument},
		{"an unknown type", t.Context(), in, out, llama.QuantizeParams{Type: "q7_9"}, llama.ErrArgument},
		{"a type that needs an importance matrix", t.Context(), in, out, llama.QuantizeParams{Type: "IQ2_XS"}, llama.ErrArgument},
		{"another", t.Context(), in, out, llama.QuantizeParams{Type: "q2_k_s"}, llama.ErrArgument},
		{"an unknown type of the embedding", t.Context(), in, out, llama.QuantizeParams{Type: "q8_0", TokenEmbeddingType: "q9"}, llama.ErrArgument},
		{"a type of the output that needs an importance matrix", t.Context(), in, out, llama.QuantizeParams{Type: "q8_0", OutputTensorType: "iq2_xxs"}, llama.ErrArgument},
		{"a negative number of threads", t.Context(), in, out, llama.QuantizeParams{Type: "q8_0", Threads: -1}, llama.ErrArgument},
		{"too many threads", t.Context(), in, out, llama.QuantizeParams{Type: "q8_0", Threads: 1 << 20}, llama.ErrArgument},
		{"a folder that is missing", t.Context(), in, filepath.Join(dir, "none", "out.gguf"), llama.QuantizeParams{Type: "q8_0"}, fs.ErrNotExist},
		{"the output is the input", t.Context(), in, in, llama.QuantizeParams{Type: "q8_0"}, llama.ErrArgument},
		{"the output is a link to the input", t.Context(), in, linked, llama.QuantizeParams{Type: "q8_0"}, llama.ErrArgument},
		{"an input with a NUL in its name", t.Context(), in + "\x00", out, llama.QuantizeParams{Type: "q8_0"}, llama.ErrArgument},
		{"a context that has ended", cancelled, in, out, llama.QuantizeParams{Type: "q8_0"}, context.Canceled},
		{"an input that is missing", t.Context(), filepath.Join(dir, "none.gguf"), out, llama.QuantizeParams{Type: "q8_0"}, nil},
		{"an input that is no model", t.Context(), notGGUF, out, llama.QuantizeParams{Type: "q8_0"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.out == linked {
				memtest.Need(t, noLink)
			}
			err := llama.Quantize(tt.ctx, tt.in, tt.out, tt.params)
			if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, &engine) || errors.Is(err, llama.ErrBroken) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	if after, err := os.ReadFile(in); err != nil || !bytes.Equal(after, data) {
		t.Error("the input has changed")
	}
	t.Run("the output is a folder", func(t *testing.T) {
		if err := llama.Quantize(t.Context(), in, dir, llama.QuantizeParams{Type: "q8_0"}); err == nil {
			t.Error("no error")
		}
	})
}

// lateContext is a context that never reports its end, as if the waiting goroutine were not
// scheduled in time.
type lateContext struct{ context.Context }

func (lateContext) Done() <-chan struct{} { return make(chan struct{}) }

func TestACancelledQuantizationStopsBeforeTheNextTensor(t *testing.T) {
	for _, late := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if late {
			ctx = lateContext{ctx}
		}
		out := filepath.Join(t.TempDir(), "out.gguf")
		calls := 0
		err := llama.Quantize(ctx, tinyF16, out, llama.QuantizeParams{Type: "q4_0", Progress: func(done, _ int, _ string) {
			if calls++; done == 5 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if calls != 5 {
			t.Errorf("%d tensors were begun, of which the last cancelled; late: %v", calls, late)
		}
		if _, err := openIndex(out); err == nil {
			t.Error("what was left is taken for a model")
		}
		if err := llama.Quantize(t.Context(), tinyF16, out, llama.QuantizeParams{Type: "q4_0"}); err != nil {
			t.Errorf("over what was left: %v", err)
		}
	}
}

// The quantiser's threads cannot report an assertion of ggml.
func TestWeightsThatAFormatCannotTakeAreAnError(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("no --wrap in the linker of macOS")
	}
	in := quantized(t, tinyF16, "f32", llama.QuantizeParams{Type: "f32"})
	ix, err := openIndex(in)
	if err != nil {
		t.Fatal(err)
	}
	gate, ok := ix.Tensor("blk.2.ffn_gate.weight")
	ix.Close()
	if !ok {
		t.Fatal("no such tensor")
	}
	data, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int(gate.Size / 4) {
		v := []float32{0, math.MaxFloat32, -math.MaxFloat32, 1e-45, 1, -1}[i*i%6]
		binary.LittleEndian.PutUint32(data[int(gate.Offset)+4*i:], math.Float32bits(v))
	}
	if err := os.WriteFile(in, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2} {
		out := filepath.Join(t.TempDir(), "out.gguf")
		var e *llama.Error
		if err := llama.Quantize(t.Context(), in, out, llama.QuantizeParams{Type: "iq3_s", Threads: threads}); !errors.As(err, &e) || e.Reason == "" {
			t.Errorf("with %d threads: %v", threads, err)
		}
	}
}

func TestFileTypes(t *testing.T) {
	names := llama.FileTypes()
	if !slices.IsSorted(names) || len(names) < 20 {
		t.Errorf("types %v", names)
	}
	for _, name := range names {
		for _, n := range []string{name, strings.ToUpper(name)} {
			if typ, err := llama.ParseFileType(n); err != nil || typ.String() != name {
				t.Errorf("%s is %v, %v", n, typ, err)
			}
		}
	}
	if typ, err := llama.ParseFileType("Q4_K"); err != nil || typ.String() != "q4_k_m" {
		t.Errorf("q4_k is %v, %v", typ, err)
	}
	if got := llama.FileType(999).String(); got != "unknown" {
		t.Errorf("type 999 is %q", got)
	}
}

// The formats as ggml describes them, written again: 32 numbers a block, a scale in 16
// bits before them.

func rowsQ8(src []float32) []byte {
	var dst []byte
	for b := range slices.Chunk(src, 32) {
		largest := float32(0)
		for _, v := range b {
			largest = max(largest, float32(math.Abs(float64(v))))
		}
		scale := largest / 127
		dst = binary.LittleEndian.AppendUint16(dst, half(scale))
		inverse := float32(0)
		if scale != 0 {
			inverse = 1 / scale
		}
		for _, v := range b {
			dst = append(dst, byte(int8(math.Round(float64(v*inverse)))))
		}
	}
	return dst
}

func rowsQ4(src []float32) []byte {
	var dst []byte
	for b := range slices.Chunk(src, 32) {
		var largest float32 // by magnitude, with its sign
		for _, v := range b {
			if math.Abs(float64(v)) > math.Abs(float64(largest)) {
				largest = v
			}
		}
		scale := largest / -8
		dst = binary.LittleEndian.AppendUint16(dst, half(scale))
		inverse := float32(0)
		if scale != 0 {
			inverse = 1 / scale
		}
		nibble := func(v float32) byte { return byte(min(15, int(v*inverse+8.5))) }
		for i := range 16 {
			dst = append(dst, nibble(b[i])|nibble(b[16+i])<<4)
		}
	}
	return dst
}

// half rounds a number to 16 bits, to nearest, ties to even. Subnormal numbers other than 0 do not
// occur here.
func half(f float32) uint16 {
	b := math.Float32bits(f)
	sign, exponent, fraction := uint16(b>>16&0x8000), int(b>>23&0xFF)-127+15, b&0x7FFFFF
	if exponent <= 0 {
		return sign
	}
	h := uint32(exponent)<<10 | fraction>>13
	if rest := fraction & 0x1FFF; rest > 0x1000 || rest == 0x1000 && h&1 == 1 {
		h++
	}
	return sign | uint16(h)
}

func TestQuantizeRows(t *testing.T) {
	memtest.WithoutRace(t)
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]float32, 64*32)
	for i := range random {
		random[i] = float32(r.NormFloat64())
	}
	ramp := make([]float32, 32)
	for i := range ramp {
		ramp[i] = float32(i) - 16
	}
	for _, kind := range []struct {
		name  string
		typ   llama.TensorType
		write func([]float32) []byte
	}{{"q4_0", 2, rowsQ4}, {"q8_0", 8, rowsQ8}} {
		for _, tt := range []struct {
			name string
			src  []float32
			row  int
		}{
			{"random numbers", random, 64},
			{"in one long row", random, len(random)},
			{"in rows of a block", random, 32},
			{"a ramp", ramp, 32},
			{"zeros", make([]float32, 32), 32},
			{"ones", slices.Repeat([]float32{1}, 32), 32},
			{"both signs of the largest number", append(slices.Repeat([]float32{-1}, 16), slices.Repeat([]float32{1}, 16)...), 32},
		} {
			t.Run(fmt.Sprint(kind.name, " of ", tt.name), func(t *testing.T) {
				got, err := llama.QuantizeRows(kind.typ, tt.src, tt.row)
				if err != nil {
					t.Fatal(err)
				}
				if want := kind.write(tt.src); !bytes.Equal(got, want) {
					t.Errorf("%x, want %x", got[:18], want[:18])
				}
			})
		}
	}
	t.Run("the model's own rows", func(t *testing.T) {
		if got, err := llama.QuantizeRows(0, ramp, 32); err != nil || len(got) != 128 || math.Float32frombits(binary.LittleEndian.Uint32(got[4:])) != -15 {
			t.Errorf("as f32: %x, %v", got, err)
		}
		if got, err := llama.QuantizeRows(1, ramp, 32); err != nil || len(got) != 64 || binary.LittleEndian.Uint16(got[2:]) != half(-15) {
			t.Errorf("as f16: %x, %v", got, err)
		}
		if got, err := llama.QuantizeRows(2, nil, 32); err != nil || len(got) != 0 {
			t.Errorf("no rows: %x, %v", got, err)
		}
	})
	with := func(v float64) []float32 {
		src := slices.Clone(ramp)
		src[31] = float32(v)
		return src
	}
	for _, tt := range []struct {
		name string
		typ  llama.TensorType
		src  []float32
		row  int
	}{
		{"a number that is none", 2, with(math.NaN()), 32},
		{"an infinite one", 8, with(math.Inf(1)), 32},
		{"one infinite below", 0, with(math.Inf(-1)), 32},
		{"rows that are no whole blocks", 2, make([]float32, 48), 48},
		{"half a row", 2, make([]float32, 48), 32},
		{"rows of none", 2, ramp, 0},
		{"rows of less", 2, ramp, -32},
		{"a type that needs an importance matrix", 16, make([]float32, 256), 256},
		{"another", 19, make([]float32, 256), 256},
		{"a removed type", 4, ramp, 32},
		{"a type of integers", 24, ramp, 32},
		{"a type that the engine does not know", 1000, ramp, 32},
		{"the largest number of a type", math.MaxUint32, ramp, 32},
	} {
		t.Run("refused: "+tt.name, func(t *testing.T) {
			if got, err := llama.QuantizeRows(tt.typ, tt.src, tt.row); !errors.Is(err, llama.ErrArgument) || got != nil {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
}

func TestTensorTypesHaveNames(t *testing.T) {
	for name, want := range map[string]llama.TensorType{"f32": 0, "F16": 1, "q4_0": 2, "Q6_k": 14, "bf16": 30} {
		if got, err := llama.ParseTensorType(name); err != nil || got != want || !strings.EqualFold(got.String(), name) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "q4", "q4_2", "i8", "iq1_s", "TensorType(2)"} {
		var e *llama.ArgumentError
		if got, err := llama.ParseTensorType(name); !errors.Is(err, llama.ErrArgument) || !errors.As(err, &e) || e.Value != strconv.Quote(name) || !strings.Contains(e.Reason, "q4_0") {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if s := llama.TensorType(1000).String(); s != "TensorType(1000)" {
		t.Error(s)
	}
}

// Some formats of less than 4 bits are searched for the nearest point of a grid, which
// ggml asserts to find.
func TestNumbersAtTheEndsOfTheirRangeAreSurvived(t *testing.T) {
	src := make([]float32, 512)
	for i := range src {
		src[i] = []float32{0, math.MaxFloat32, -math.MaxFloat32, 1e-45, 1, -1}[i*i%6]
	}
	for _, typ := range []llama.TensorType{0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 18, 20, 23, 30, 34, 35, 39} {
		got, err := llama.QuantizeRows(typ, src, 256)
		var e *llama.Error
		if err == nil && len(got) == 0 || err != nil && (!errors.As(err, &e) || got != nil) {
			t.Errorf("type %d: %d bytes, %v", typ, len(got), err)
		}
		// A failed call leaves no file behind.
		if got, err := llama.QuantizeRows(typ, make([]float32, 256), 256); err != nil || len(got) == 0 {
			t.Errorf("type %d, zeros behind it: %d bytes, %v", typ, len(got), err)
		}
	}
}
