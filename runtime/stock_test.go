//go:build cgo

package runtime_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/runtime"
)

// aligned rewrites a model with another alignment, and its first tensor at the given offset
// from a multiple of 32.
func aligned(t *testing.T, source string, alignment uint32, beyond int64) (path string) {
	t.Helper()
	ix, err := loader.Open(source)
	memtest.Need(t, err)
	defer ix.Close()
	path = filepath.Join(t.TempDir(), "aligned.gguf")
	f, err := os.Create(path)
	memtest.Need(t, err)
	defer f.Close()
	for filler := range 32 {
		var w gguf.Writer
		w.SetAlignment(alignment)
		w.Add("test.filler", gguf.StringValue(strings.Repeat("x", filler)))
		for key, v := range ix.Metadata() {
			if key != "general.alignment" {
				w.Add(key, v)
			}
		}
		offsets := map[string]int64{}
		for _, x := range ix.Tensors() {
			offset, _ := w.AddTensor(x.Name, x.Type, x.Shape...)
			offsets[x.Name] = int64(offset)
		}
		if int64(w.HeaderBytes())%32 != beyond {
			continue
		}
		header, err := w.WriteHeader(f)
		memtest.Need(t, err)
		for _, x := range ix.Tensors() {
			data := make([]byte, x.Size)
			_, err := io.ReadFull(io.NewSectionReader(ix.File(x.File), x.Offset, int64(x.Size)), data)
			memtest.Need(t, err)
			_, err = f.WriteAt(data, header+offsets[x.Name])
			memtest.Need(t, err)
		}
		return path
	}
	t.Fatalf("no header of %d bytes beyond a multiple of 32", beyond)
	return ""
}

func TestFilesThatStockLoadsDoNotTake(t *testing.T) {
	for _, tt := range []struct {
		name      string
		alignment uint32
		beyond    int64
	}{{"8", 8, 24}, {"16", 16, 16}, {"8, as it happens at 32", 8, 0}, {"64", 64, 0}} {
		t.Run("alignment "+tt.name, func(t *testing.T) {
			path := aligned(t, computing(t, "llama"), tt.alignment, tt.beyond)
			takes := tt.beyond == 0
			c, err := runtime.Check(t.Context(), path, runtime.CheckOptions{})
			want := []string{"mmap", "stock"}
			if !takes {
				want[1] = "copy"
			}
			if err != nil || !slices.Equal(c.Modes, want) || (c.NotStock == "") != takes {
				t.Errorf("computed in %v, stock %q, %v", c.Modes, c.NotStock, err)
			}
			for _, o := range []runtime.Options{{Load: runtime.LoadStock}, {Load: runtime.LoadStock, NoRepack: true}} {
				m, err := runtime.Open(t.Context(), path, o)
				if err == nil {
					err = m.Close()
				}
				var stock *runtime.StockError
				switch {
				case takes && err != nil:
					t.Errorf("%+v", err)
				case !takes && (!errors.Is(err, runtime.ErrStock) || !errors.As(err, &stock) || stock.Alignment != uint64(tt.alignment) || stock.Offset%32 != tt.beyond):
					t.Errorf("%v", err)
				}
			}
			f, err := runtime.Plan(t.Context(), path, runtime.Options{})
			memtest.Need(t, err)
			for _, p := range f.Modes {
				if p.Mode == runtime.LoadStock && !takes && (p.Fits || !strings.Contains(string(p.LimitedBy), "alignment")) {
					t.Errorf("planned: fits %v, limited by %q", p.Fits, p.LimitedBy)
				}
			}
		})
	}
}
