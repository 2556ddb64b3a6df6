package loader_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
	"github.com/seed7adf6694/infer/loader/packed"
)

// shard writes a file of a model in several: a matrix of rows that the test repacks, one
// that it leaves, and bytes that are no tensor's.
func shard(t *testing.T, dir string, no, count int) string {
	t.Helper()
	var w gguf.Writer
	w.Add("general.architecture", gguf.StringValue("llama"))
	if count > 1 {
		w.Add("split.no", gguf.Uint16Value(uint16(no)))
		w.Add("split.count", gguf.Uint16Value(uint16(count)))
		w.Add("split.tensors.count", gguf.Int32Value(int32(3*count)))
	}
	name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", no, s) }
	w.AddTensor(name("attn_q"), gguf.TypeQ4_0, 64, 24)
	w.AddTensor(name("attn_norm"), gguf.TypeF32, 7)
	w.AddTensor(name("ffn_up"), gguf.TypeQ4_0, 1<<16, 256) // more than is read at once
	var b bytes.Buffer
	if _, err := w.WriteHeader(&b); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, w.DataBytes())
	for i := range data {
		data[i] = byte(i*7 + i>>8 + no)
	}
	b.Write(data)
	b.WriteString("and more")
	path := filepath.Join(dir, "model.gguf")
	if count > 1 {
		path = filepath.Join(dir, fmt.Sprintf("model-%05d-of-%05d.gguf", no+1, count))
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// turn is a repacking of groups of four rows: each group backwards.
func turn(_ gguf.Tensor, dst, src []byte) error {
	for group := range slices.Chunk(src, 4*64/32*18) {
		copy(dst, group)
		slices.Reverse(dst[:len(group)])
		dst = dst[len(group):]
	}
	return nil
}

// byName repacks the attention's matrices, and those of the first layer beside the
// original.
func byName(t gguf.Tensor) packed.Layout {
	if !strings.Contains(t.Name, "attn_q") {
		return packed.Layout{}
	}
	return packed.Layout{Name: "turned", Group: 4, Both: strings.HasPrefix(t.Name, "blk.0.")}
}

var turned = packed.Options{Engine: "v1", Instructions: "abacus", Layout: byName, Repack: turn}

// pack writes a packed file of a model.
func pack(t *testing.T, source string, o packed.Options) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "packed.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return path, packed.Write(t.Context(), modeltest.Open(t, source), f, o)
}

func content(t *testing.T, ix *gguf.Index, name string) []byte {
	t.Helper()
	x, ok := ix.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	b := make([]byte, x.Size)
	if err := ix.ReadTensor(x, b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAPackedFileHoldsTheModel(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			dir := t.TempDir()
			var sources []string
			for i := range shards {
				sources = append(sources, shard(t, dir, i, shards))
			}
			done := uint64(0)
			o := turned
			o.Progress = func(n, total uint64) {
				if n < done || n > total {
					t.Errorf("%d of %d bytes follow %d", n, total, done)
				}
				done = n
			}
			path, err := pack(t, sources[0], o)
			if err != nil {
				t.Fatal(err)
			}
			was, ix := modeltest.Open(t, sources[0]), modeltest.Open(t, path)
			p := ix.Packed()
			if p == nil || was.Packed() != nil {
				t.Fatalf("packed: %v, source: %v", p, was.Packed())
			}
			if p.Engine != "v1" || p.Instructions != "abacus" || len(p.Tensors) != shards || len(p.Source) != shards || ix.Architecture() != "llama" || done != ix.Bytes() {
				t.Errorf("%+v, architecture %q, progress %d of %d", p, ix.Architecture(), done, ix.Bytes())
			}
			if ix.Alignment() != 4096 {
				t.Errorf("alignment of %d, where pages cost little", ix.Alignment())
			}
			for k := range ix.Metadata() {
				if strings.HasPrefix(k, "infer.") || strings.HasPrefix(k, "split.") {
					t.Errorf("key %s of the file is one of the model", k)
				}
			}
			for i, s := range p.Source {
				b, err := os.ReadFile(sources[i])
				if err != nil {
					t.Fatal(err)
				}
				if s.Path != sources[i] || s.Size != int64(len(b)) || s.SHA256 != fmt.Sprintf("%x", sha256.Sum256(b)) {
					t.Errorf("source %+v", s)
				}
			}
			for i := range shards {
				q, up := fmt.Sprintf("blk.%d.attn_q.weight", i), fmt.Sprintf("blk.%d.ffn_up.weight", i)
				src := content(t, was, q)
				want := make([]byte, len(src))
				if err := turn(gguf.Tensor{}, want, src); err != nil {
					t.Fatal(err)
				}
				name := q
				if i == 0 { // it is there twice
					name = "infer.packed." + q
					if !bytes.Equal(content(t, ix, q), src) {
						t.Errorf("%s was to stay", q)
					}
				}
				if got := p.Tensors[(i+shards-1)%shards]; got.Name != name || got.Of != q || got.Layout != "turned" || got.File != i {
					t.Errorf("tensor %+v", got)
				}
				if !bytes.Equal(content(t, ix, name), want) || !bytes.Equal(content(t, ix, up), content(t, was, up)) {
					t.Errorf("tensors of layer %d are others", i)
				}
			}
			// The skeleton for the engine has the model's keys and none of the packed format's.
			var b bytes.Buffer
			if _, _, err := ix.WriteSkeleton(&b); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b.Bytes(), []byte("infer.")) || !bytes.Contains(b.Bytes(), []byte("llama")) {
				t.Error("the engine is shown the packing")
			}
			if err := packed.Write(t.Context(), ix, nil, turned); err == nil {
				t.Error("a packed file was packed")
			}

			source, err := packed.OpenSource(p)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			check := func(ctx context.Context, ix *gguf.Index) error {
				return packed.Check(ctx, ix, source, func(gguf.PackedTensor) int { return 4 },
					func(_ gguf.PackedTensor, dst, src []byte) error { return turn(gguf.Tensor{}, dst, src) }, nil)
			}
			if err := check(t.Context(), ix); err != nil {
				t.Error(err)
			}
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			if err := check(cancelled, ix); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			for _, x := range ix.Tensors() { // a bit of each
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				flip := func() {
					b := make([]byte, 1)
					at := x.Offset + int64(x.Size)/2
					if _, err := f.ReadAt(b, at); err != nil {
						t.Fatal(err)
					}
					b[0] ^= 0x10
					if _, err := f.WriteAt(b, at); err != nil {
						t.Fatal(err)
					}
				}
				flip()
				if err := check(t.Context(), modeltest.Open(t, path)); !isAbout(err, `tensor "`+x.Name+`"`) {
					t.Errorf("a flipped bit in %s: %v", x.Name, err)
				}
				flip()
				f.Close()
			}
		})
	}
}

// Layouts may be larger than the file's: each row of turned ones is followed by some bytes here.
func TestTensorsThatAreLargerInAPackedFile(t *testing.T) {
	const row = 64 / 32 * 18
	for _, more := range []int{1, 5, 4000} { // within the padding or not
		t.Run(fmt.Sprint(more), func(t *testing.T) {
			grow := func(dst, src []byte) error {
				turnedRows := make([]byte, len(src))
				err := turn(gguf.Tensor{}, turnedRows, src)
				for r := range slices.Chunk(turnedRows, row) {
					copy(dst, r)
					for i := range dst[row : row+more] {
						dst[row+i] = byte(i) | 1
					}
					dst = dst[row+more:]
				}
				return err
			}
			o := turned
			o.Layout = func(t gguf.Tensor) packed.Layout {
				l := byName(t)
				l.RowSize = uint64(row + more)
				return l
			}
			o.Repack = func(_ gguf.Tensor, dst, src []byte) error { return grow(dst, src) }
			source := shard(t, t.TempDir(), 0, 1)
			path, err := pack(t, source, o)
			if err != nil {
				t.Fatal(err)
			}
			was, ix := modeltest.Open(t, source), modeltest.Open(t, path)
			p := ix.Packed().Tensors[0]
			original := content(t, was, p.Of)
			want := make([]byte, 24*(row+more))
			if err := grow(want, original); err != nil {
				t.Fatal(err)
			}
			if got := content(t, ix, p.Name); !bytes.Equal(got, want) || p.Size != uint64(len(original)) || p.Stored != uint64(len(want)) {
				t.Errorf("%d bytes, %+v", len(got), p)
			}
			var sum uint64
			for _, x := range ix.Tensors() {
				sum += x.Size
				if y, ok := was.Tensor(x.Name); ok && !bytes.Equal(content(t, ix, x.Name), content(t, was, x.Name)) {
					t.Errorf("%s is another: %d bytes of %d", x.Name, x.Size, y.Size)
				}
			}
			if len(ix.Tensors()) != len(was.Tensors())+1 || ix.Bytes() != sum {
				t.Errorf("%d tensors of %d bytes, of %d", len(ix.Tensors()), ix.Bytes(), len(was.Tensors()))
			}
			var b bytes.Buffer
			if _, size, err := ix.WriteSkeleton(&b); err != nil || bytes.Contains(b.Bytes(), []byte("infer.")) || size > was.Files()[0].Size+4*4096 {
				t.Errorf("the engine is shown the packing: %d bytes, %v", size, err)
			}
			from, err := packed.OpenSource(ix.Packed())
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			group := func(gguf.PackedTensor) int { return 4 }
			if err := packed.Check(t.Context(), ix, from, group, func(_ gguf.PackedTensor, dst, src []byte) error { return grow(dst, src) }, nil); err != nil {
				t.Error(err)
			}
			err = packed.Check(t.Context(), ix, from, group, func(_ gguf.PackedTensor, dst, _ []byte) error { clear(dst); return nil }, nil)
			if !isAbout(err, `tensor "`+p.Name+`"`) {
				t.Errorf("another layout: %v", err)
			}
		})
	}
}

// isAbout reports whether err is a FormatError whose field begins with field.
func isAbout(err error, field string) bool {
	var e *gguf.FormatError
	return errors.As(err, &e) && strings.HasPrefix(e.Field, field)
}

func TestPackingFailsForReasons(t *testing.T) {
	source := shard(t, t.TempDir(), 0, 1)
	o := turned
	o.Layout = func(gguf.Tensor) packed.Layout { return packed.Layout{Name: "odd", Group: 5} }
	var format *gguf.FormatError
	if _, err := pack(t, source, o); !errors.As(err, &format) || !strings.HasPrefix(format.Field, "tensor ") || !strings.HasSuffix(format.Reason, " 5") {
		t.Errorf("rows that are no groups: %v", err)
	}
	o = turned
	broken := errors.New("broken")
	o.Repack = func(gguf.Tensor, []byte, []byte) error { return broken }
	if _, err := pack(t, source, o); !errors.Is(err, broken) || !strings.Contains(err.Error(), "attn_q") {
		t.Errorf("a repacking that fails: %v", err)
	}
	o = turned
	o.Repack = func(x gguf.Tensor, dst, src []byte) error {
		return errors.Join(os.Truncate(source, x.Offset+int64(x.Size)), turn(x, dst, src))
	}
	if _, err := pack(t, source, o); !errors.Is(err, files.ErrFileChanged) {
		t.Errorf("a source that is cut short: %v", err)
	}
}

func TestKeysOfPackedFilesAreChecked(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	one := map[string]gguf.Value{
		"version": gguf.Uint32Value(1), "architecture": gguf.StringValue("llama"), "engine": gguf.StringValue("v1"), "instructions": gguf.StringValue("abacus"),
		"tensors": gguf.StringsValue([]string{"a"}), "layouts": gguf.StringsValue([]string{"turned"}),
		"files": gguf.Int32sValue([]int32{0}), "offsets": gguf.ArrayValue(gguf.ValueUint64, gguf.Uint64Value(64)),
		"sha256":       gguf.StringsValue([]string{sum, sum}),
		"source.paths": gguf.StringsValue([]string{"/a"}), "source.sha256": gguf.StringsValue([]string{sum}),
		"source.sizes": gguf.ArrayValue(gguf.ValueUint64, gguf.Uint64Value(1000)), "source.times": gguf.ArrayValue(gguf.ValueInt64, gguf.Int64Value(1)),
	}
	build := func(key string, v *gguf.Value, tensors ...string) *gguf.Writer {
		var w gguf.Writer
		w.Add("general.architecture", gguf.StringValue("a sentence"))
		for _, k := range slices.Sorted(func(yield func(string) bool) {
			for k := range one {
				if !yield(k) {
					return
				}
			}
		}) {
			switch {
			case k != key:
				w.Add("infer.packed."+k, one[k])
			case v != nil:
				w.Add("infer.packed."+k, *v)
			}
		}
		for i, name := range tensors {
			typ := gguf.TypeF32
			if strings.HasPrefix(name, "infer.packed.rest.") {
				typ = gguf.TypeI8
			}
			w.AddTensor(name, typ, uint64(4+4*i))
		}
		return &w
	}
	try := func(w *gguf.Writer) error {
		var b bytes.Buffer
		if _, err := w.WriteHeader(&b); err != nil {
			t.Fatal(err)
		}
		b.Write(make([]byte, w.DataBytes()))
		ix, err := loader.OpenWith(modeltest.Write(t, b.Bytes()), structure)
		if err == nil {
			ix.Close()
		}
		return err
	}
	if err := try(build("", nil, "a", "b")); err != nil {
		t.Fatal(err)
	}
	for k, v := range one {
		if k != "version" { // without which it is no packed file
			if err := try(build(k, nil, "a", "b")); !isAbout(err, `key "infer.packed.`+k+`"`) {
				t.Errorf("without %s: %v", k, err)
			}
		}
		wrong := gguf.BoolValue(true)
		if err := try(build(k, &wrong, "a", "b")); !isAbout(err, `key "infer.packed.`+k+`"`) {
			t.Errorf("%s is a bool: %v", k, err)
		}
		if v.IsArray() {
			empty := gguf.ArrayValue(v.ElemType())
			if err := try(build(k, &empty, "a", "b")); !errors.Is(err, gguf.ErrFormat) {
				t.Errorf("%s is empty: %v", k, err)
			}
		}
	}
	value := func(v gguf.Value) *gguf.Value { return &v }
	for name, w := range map[string]*gguf.Writer{
		"another version":                 build("version", value(gguf.Uint32Value(3)), "a", "b"),
		"a tensor that is not there":      build("tensors", value(gguf.StringsValue([]string{"c"})), "a", "b"),
		"a file that is not there":        build("files", value(gguf.Int32sValue([]int32{1})), "a", "b"),
		"a file of a negative number":     build("files", value(gguf.Int32sValue([]int32{-1})), "a", "b"),
		"an offset past the source":       build("offsets", value(gguf.ArrayValue(gguf.ValueUint64, gguf.Uint64Value(990))), "a", "b"),
		"an offset that wraps":            build("offsets", value(gguf.ArrayValue(gguf.ValueUint64, gguf.Uint64Value(1<<63+5))), "a", "b"),
		"a size of the source that wraps": build("source.sizes", value(gguf.ArrayValue(gguf.ValueUint64, gguf.Uint64Value(1<<63+5))), "a", "b"),
		"a sum that is none":              build("sha256", value(gguf.StringsValue([]string{sum, "xyz"})), "a", "b"),
		"a copy that is not named":        build("", nil, "a", "infer.packed.a"),
		"a copy of nothing":               build("tensors", value(gguf.StringsValue([]string{"infer.packed.c"})), "a", "infer.packed.c"),
		"a copy unlike the original":      build("tensors", value(gguf.StringsValue([]string{"infer.packed.a"})), "a", "infer.packed.a"),
	} {
		if err := try(w); !errors.Is(err, gguf.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSizesOfPackedFilesAreChecked(t *testing.T) {
	sum := gguf.StringsValue([]string{strings.Repeat("ab", 32)})
	list := func(n uint64) gguf.Value { return gguf.ArrayValue(gguf.ValueUint64, gguf.Uint64Value(n)) }
	// "a" has 16 bytes; 16 of padding and 8 of the next tensor follow.
	try := func(stored uint64, rest string, typ gguf.Type) (*gguf.Index, error) {
		var w gguf.Writer
		w.Add("general.architecture", gguf.StringValue("a sentence"))
		for k, v := range map[string]gguf.Value{
			"version": gguf.Uint32Value(2), "architecture": gguf.StringValue("llama"), "engine": gguf.StringValue("v1"), "instructions": gguf.StringValue("abacus"),
			"tensors": gguf.StringsValue([]string{"a"}), "layouts": gguf.StringsValue([]string{"turned"}), "files": gguf.Int32sValue([]int32{0}), "offsets": list(64), "sizes": list(stored),
			"sha256": sum, "source.paths": gguf.StringsValue([]string{"/a"}), "source.sha256": sum, "source.sizes": list(1000), "source.times": gguf.ArrayValue(gguf.ValueInt64, gguf.Int64Value(1)),
		} {
			w.Add("infer.packed."+k, v)
		}
		w.AddTensor("a", gguf.TypeF32, 4)
		if rest != "" {
			w.AddTensor(rest, typ, 8)
		}
		var b bytes.Buffer
		if _, err := w.WriteHeader(&b); err != nil {
			t.Fatal(err)
		}
		b.Write(make([]byte, w.DataBytes()))
		return loader.OpenWith(modeltest.Write(t, b.Bytes()), structure)
	}
	for _, tt := range []struct {
		name   string
		stored uint64
		rest   string
		typ    gguf.Type
		ok     bool
	}{
		{"the rest in a tensor of its own", 40, "infer.packed.rest.0", gguf.TypeI8, true},
		{"in the padding", 32, "", 0, true},
		{"as in the source", 16, "", 0, true},
		{"fewer than in the source", 15, "", 0, false},
		{"beyond the file", 40, "", 0, false},
		{"far beyond the file", 1 << 62, "infer.packed.rest.0", gguf.TypeI8, false},
		{"a rest that is too short", 41, "infer.packed.rest.0", gguf.TypeI8, false},
		{"a rest that is too long", 39, "infer.packed.rest.0", gguf.TypeI8, false},
		{"a rest of floats", 64, "infer.packed.rest.0", gguf.TypeF32, false},
		{"a rest that nobody needs", 32, "infer.packed.rest.0", gguf.TypeI8, false},
		{"a tensor of the model as rest", 40, "b", gguf.TypeI8, false},
	} {
		ix, err := try(tt.stored, tt.rest, tt.typ)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, gguf.ErrFormat) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			if x, _ := ix.Tensor("a"); x.Size != tt.stored || ix.Bytes() != tt.stored || len(ix.Tensors()) != 1 {
				t.Errorf("%s: %d bytes", tt.name, x.Size)
			}
			ix.Close()
		}
	}
}

// writes records where a file is written to.
type writes struct {
	*os.File
	sizes []int
}

func (w *writes) Write(b []byte) (int, error) {
	w.sizes = append(w.sizes, len(b))
	return w.File.Write(b)
}

func TestAPackedFileIsWrittenInWholePieces(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "packed.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &writes{File: f}
	if err := packed.Write(t.Context(), modeltest.Open(t, shard(t, t.TempDir(), 0, 1)), w, turned); err != nil {
		t.Fatal(err)
	}
	for i, n := range w.sizes {
		if n != 4<<20 && i < len(w.sizes)-1 {
			t.Fatalf("pieces of %v bytes: the system's cache would hold small pages", w.sizes)
		}
	}
	if len(w.sizes) < 2 {
		t.Errorf("pieces of %v bytes", w.sizes)
	}
}
