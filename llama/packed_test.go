//go:build cgo

package llama_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// unbound loads a model without its weights, for this CPU's layouts, and reads a tensor's
// bytes.
func unbound(t *testing.T, path string, h *heap) (*llama.Model, []llama.Weight, func(name string) []byte) {
	t.Helper()
	return unboundAs(t, path, h, true)
}

func unboundAs(t *testing.T, path string, h *heap, repack bool) (*llama.Model, []llama.Weight, func(name string) []byte) {
	t.Helper()
	ix, err := openIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	p, err := h.AllocBlock(llama.PurposeWeights, 16<<20)
	memtest.Need(t, err)
	m := load(t, path, llama.ModelParams{Unbound: true, Repack: repack, Blocks: h, Scratch: p, ScratchSize: 16 << 20})
	ws, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	return m, ws, func(name string) []byte {
		x, _ := ix.Tensor(name)
		b := make([]byte, x.Size)
		if _, err := ix.File(x.File).ReadAt(b, x.Offset); err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestWhatIsPackedByRowsComputesAsTheEnginesOwnCopy(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking")
	}
	for _, typ := range []string{"q4_0", "q4_1", "q4_k_s", "q5_k_s", "q6_k", "iq4_nl", "iq4_xs", "q2_k", "q8_0"} {
		t.Run(typ, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := llama.Quantize(t.Context(), tinyF16, path, llama.QuantizeParams{Type: typ}); err != nil {
				t.Fatal(err)
			}
			h := newHeap(1 << 20)
			place := func(b []byte) unsafe.Pointer {
				p, err := h.AllocBlock(llama.PurposeWeights, uintptr(len(b)))
				memtest.Need(t, err)
				copy(unsafe.Slice((*byte)(p), len(b)), b)
				return p
			}
			copied, ws, read := unbound(t, path, h)
			packed, _, _ := unbound(t, path, h)
			layouts := map[string]bool{}
			for i, w := range ws {
				src := read(w.Name)
				if w.Kind != llama.WeightRepack {
					p := place(src)
					if err := errors.Join(copied.Bind(i, p), packed.Bind(i, p)); err != nil {
						t.Fatal(err)
					}
					if _, err := packed.Layout(i); !errors.Is(err, llama.ErrArgument) {
						t.Errorf("the layout of %s: %v", w.Name, err)
					}
					continue
				}
				l, err := packed.Layout(i)
				if err != nil {
					t.Fatal(err)
				}
				layouts[l.Name] = true
				if rows := uint64(rowsOf(t, path, w.Name)); l.RowSize*rows != w.Stored || w.Stored < w.Size {
					t.Errorf("%s: %d rows of %d bytes in layout %s, %d bytes, %d in the file", w.Name, rows, l.RowSize, l.Name, w.Stored, w.Size)
				}
				whole := place(make([]byte, w.Stored))
				if err := copied.Repack(i, whole, unsafe.Pointer(&src[0])); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, w.Stored)
				group, stored := len(src)/rowsOf(t, path, w.Name)*l.Group, int(l.RowSize)*l.Group
				for n := range len(src) / group {
					if err := packed.RepackRows(i, got[n*stored:(n+1)*stored], src[n*group:(n+1)*group]); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(got, unsafe.Slice((*byte)(whole), len(got))) {
					t.Errorf("%s in groups of %d rows is not what it is in one piece", w.Name, l.Group)
				}
				if err := packed.BindPacked(i, place(got)); err != nil {
					t.Fatal(err)
				}
				if err := packed.RepackRows(i, got[:stored-1], src[:group-1]); !errors.Is(err, llama.ErrArgument) {
					t.Errorf("rows that are no group: %v", err)
				}
			}
			if len(layouts) == 0 {
				t.Skip("the engine repacks nothing of this type on this CPU")
			}
			for l := range layouts {
				if !strings.Contains(l, "x") || !strings.Contains(l, "-") {
					t.Errorf("layout %q", l)
				}
			}
			a := decode(t, newContext(t, copied, llama.ContextParams{Ctx: 64}), story)
			b := decode(t, newContext(t, packed, llama.ContextParams{Ctx: 64}), story)
			if !slices.Equal(a, b) {
				t.Error("the logits differ")
			}
			if err := packed.BindPacked(len(ws), nil); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("%v", err)
			}
		})
	}
}

func rowsOf(t *testing.T, path, name string) int {
	t.Helper()
	ix, err := openIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	x, _ := ix.Tensor(name)
	return int(x.Elements() / x.Shape[0])
}
