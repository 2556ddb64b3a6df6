package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
)

// parse reads a file that is in memory.
func parse(content []byte) (*header, error) {
	return parseHeader("test.gguf", bytes.NewReader(content), int64(len(content)))
}

func TestFileCutAtEveryByteIsRefused(t *testing.T) {
	small := ggufcases.Small()
	if _, err := parse(small); err != nil {
		t.Fatalf("the whole file: %v", err)
	}
	for n := range len(small) {
		var format *FormatError
		if _, err := parse(small[:n]); !errors.As(err, &format) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(small), err)
		}
	}
}

func TestPaddingBehindTheLastTensorMayBeMissingOrThere(t *testing.T) {
	f := ggufcases.File{Tensors: []ggufcases.Tensor{{Name: "a", Dims: []uint64{9}}}}
	for _, n := range []uint64{36, 37, 64, 1000} {
		f.Data = n
		if _, err := parse(f.Bytes()); err != nil {
			t.Errorf("%d bytes for a tensor of 36: %v", n, err)
		}
	}
}

func TestFilesThatAreLegal(t *testing.T) {
	arch := ggufcases.Key("general.architecture", ggufcases.String, ggufcases.Text("llama"))
	align := func(n uint32) []byte {
		return ggufcases.Key("general.alignment", ggufcases.Uint32, ggufcases.U32(n))
	}
	tensor := func(name string, typ uint32, dims ...uint64) ggufcases.Tensor {
		return ggufcases.Tensor{Name: name, Type: typ, Dims: dims}
	}
	for _, tt := range []struct {
		name string
		file ggufcases.File
		data int64
		size uint64 // of the first tensor
	}{
		{"no key and no tensor", ggufcases.File{}, 32, 0},
		{"version 2", ggufcases.File{Version: 2, Keys: [][]byte{arch}}, 96, 0},
		{"a key of 65535 bytes", ggufcases.File{Keys: [][]byte{ggufcases.Key(strings.Repeat("k", 1<<16-1), ggufcases.Bool, []byte{0})}}, 65600, 0},
		{"a key with odd characters", ggufcases.File{Keys: [][]byte{ggufcases.Key("\xff\n ", ggufcases.Bool, []byte{0})}}, 64, 0},
		{"a string with a NUL", ggufcases.File{Keys: [][]byte{ggufcases.Key("a", ggufcases.String, ggufcases.Text("a\x00b"))}}, 64, 0},
		{"an alignment of 1", ggufcases.File{Keys: [][]byte{align(1)}, Tensors: []ggufcases.Tensor{tensor("a", 24, 3)}, Data: 3, Alignment: 1}, 90, 3},
		{"an alignment of 4096", ggufcases.File{Keys: [][]byte{align(4096)}, Tensors: []ggufcases.Tensor{tensor("a", 24, 3)}, Data: 3, Alignment: 4096}, 4096, 3},
		{"a tensor name of 63 bytes", ggufcases.File{Tensors: []ggufcases.Tensor{tensor(strings.Repeat("t", 63), 0, 8)}, Data: 32}, 128, 32},
		{"a tensor of four dimensions", ggufcases.File{Tensors: []ggufcases.Tensor{tensor("a", 2, 64, 3, 2, 1)}, Data: 216}, 96, 216},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := parse(tt.file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if h.data != tt.data {
				t.Errorf("data at %d, want %d", h.data, tt.data)
			}
			if tt.size != 0 && h.tensors[0].Size != tt.size {
				t.Errorf("first tensor of %d bytes, want %d", h.tensors[0].Size, tt.size)
			}
		})
	}
}

// allocated returns what a call allocates, in bytes and in pieces.
func allocated(call func()) (size, pieces uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

func TestAMillionKeysTakeMemoryInProportion(t *testing.T) {
	memtest.WithoutRace(t)
	const n = 1 << 20
	content := ggufcases.ManyKeys(n, 0)
	var h *header
	var err error
	size, pieces := allocated(func() { h, err = parse(content) })
	if err != nil {
		t.Fatal(err)
	}
	if len(h.keys) != n {
		t.Errorf("%d keys, want %d", len(h.keys), n)
	}
	if kv, ok := h.lookup(ggufcases.ManyKeysName(n - 1)); !ok || kv.value.String() != "1" {
		t.Errorf("last key is %v, %v", kv.value, ok)
	}
	// The slice and the map grow by doubling, so that half of this is garbage.
	if limit := uint64(16 * len(content)); size > limit {
		t.Errorf("%d bytes allocated for a file of %d, want at most %d", size, len(content), limit)
	}
	if pieces > n/16 {
		t.Errorf("%d allocations for %d keys", pieces, n)
	}
}

func TestRefusedCountsAllocateNothing(t *testing.T) {
	for name, c := range ggufcases.Structure() {
		if len(c.Bytes) > 1<<20 {
			continue
		}
		var err error
		size, _ := allocated(func() { _, err = parse(c.Bytes) })
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if limit := uint64(64<<10 + 16*len(c.Bytes)); size > limit {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, size, len(c.Bytes))
		}
	}
}

// hole is a file that is mostly a hole.
type hole struct {
	head []byte
	size int64
}

func (h hole) ReadAt(b []byte, off int64) (int, error) {
	if off >= h.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), h.size-off))
	clear(b[:n])
	if off < int64(len(h.head)) {
		copy(b[:n], h.head[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func TestMetadataIsLimitedWhateverTheSizeOfTheFile(t *testing.T) {
	const size = 1 << 60
	key := func(pieces ...[]byte) []byte {
		return ggufcases.File{NKeys: 1, Keys: [][]byte{ggufcases.Join(pieces...)}}.Header()
	}
	array := func(elem uint32, n uint64) []byte {
		return key(ggufcases.Key("a", ggufcases.Array, ggufcases.Elements(elem, n)))
	}
	for _, tt := range []struct {
		name string
		head []byte
	}{
		{"a string of 2^59 bytes", key(ggufcases.Key("a", ggufcases.String, ggufcases.U64(1<<59)))},
		{"an array of 2^59 bytes", array(ggufcases.Uint8, 1<<59)},
		{"an array of 2^56 numbers", array(ggufcases.Float64, 1<<56)},
		{"an array of 2^56 strings", array(ggufcases.String, 1<<56)},
		{"an array of 2^40 empty strings", array(ggufcases.String, 1<<40)},
		{"2^55 keys", ggufcases.File{NKeys: 1 << 55}.Header()},
		{"2^31 keys", ggufcases.File{NKeys: 1 << 31}.Header()},
		{"2^30 keys without names", ggufcases.File{NKeys: 1 << 30}.Header()},
		{"2^54 tensors", ggufcases.File{NTensors: 1 << 54}.Header()},
		{"2^30 tensors without names", ggufcases.File{NTensors: 1 << 30}.Header()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			n, _ := allocated(func() { _, err = parseHeader("hole.gguf", hole{tt.head, size}, size) })
			if format := (*FormatError)(nil); !errors.As(err, &format) {
				t.Fatalf("error %v", err)
			}
			if n > 1<<20 {
				t.Errorf("%d bytes allocated", n)
			}
			t.Log(err)
		})
	}
}

func TestMetadataAsAWholeIsLimited(t *testing.T) {
	content := ggufcases.File{Keys: [][]byte{
		ggufcases.Key("a", ggufcases.Array, ggufcases.Elements(ggufcases.String, 3, ggufcases.Text("1"), ggufcases.Text("2"), ggufcases.Text("3"))),
		ggufcases.Key("b", ggufcases.String, ggufcases.Text("x")),
		ggufcases.Key("c", ggufcases.Uint8, []byte{1}),
		ggufcases.Key("d", ggufcases.Array, ggufcases.Elements(ggufcases.Uint8, 1, []byte{1})),
	}}.Header()
	for limit := int64(1); limit < int64(len(content)); limit++ {
		p := &parser{source: source{src: bytes.NewReader(content), size: int64(len(content))}, limit: limit}
		if _, err := p.header(); err == nil {
			t.Errorf("a limit of %d let %d bytes pass", limit, len(content))
		}
	}
}

func TestTensorsAtTheEndOfWhatAFileCanBe(t *testing.T) {
	// Sizes and offsets whose sums come near 2^63 and 2^64.
	for _, n := range []uint64{1 << 61, 1<<62 - 64, 1 << 62, 1<<63 - 64} {
		f := ggufcases.File{Tensors: []ggufcases.Tensor{
			{Name: "a", Dims: []uint64{n}, Type: 24},
			{Name: "b", Dims: []uint64{n}, Type: 24, Offset: n},
			{Name: "c", Dims: []uint64{n}, Type: 24, Offset: 2 * n},
		}}
		const size = math.MaxInt64
		_, err := parseHeader("huge.gguf", hole{f.Header(), size}, size)
		if n == 1<<61 {
			if err != nil {
				t.Errorf("three tensors of 2^61 bytes: %v", err)
			}
			continue
		}
		if err == nil {
			t.Errorf("three tensors of %d bytes: accepted", n)
		}
	}
}

func TestArraysOfStringsAcrossSegments(t *testing.T) {
	const n = 60000
	long := strings.Repeat("0123456789", 3*maxSegment/10)
	text := func(i int) string {
		switch {
		case i == 1 || i == n/2 || i == n-1:
			return long[:len(long)-i]
		case i%7 == 0:
			return ""
		}
		return fmt.Sprintf("%0*d", i%50, i)
	}
	var elements []byte
	for i := range n {
		elements = append(elements, ggufcases.Text(text(i))...)
	}
	content := ggufcases.File{Keys: [][]byte{
		ggufcases.Key("before", ggufcases.String, ggufcases.Text("b")),
		ggufcases.Key("texts", ggufcases.Array, ggufcases.Elements(ggufcases.String, n, elements)),
		ggufcases.Key("after", ggufcases.String, ggufcases.Text("a")),
	}}.Header()
	h, err := parse(content)
	if err != nil {
		t.Fatal(err)
	}
	kv, _ := h.lookup("texts")
	v := kv.value
	if v.Len() != n || len(v.strings.parts) < 5 {
		t.Fatalf("%d strings in %d parts", v.Len(), len(v.strings.parts))
	}
	seen := 0
	for i, s := range v.Strings() {
		if s != text(i) {
			t.Fatalf("string %d is %.80q", i, s)
		}
		seen++
	}
	if seen != n {
		t.Errorf("%d strings seen", seen)
	}
	for i := 0; i < n; i += 1 + i%61 {
		if s, _ := v.At(i).Str(); s != text(i) {
			t.Fatalf("string %d by index is %.80q", i, s)
		}
	}
	ix, err := newIndex([]*file{{&files.File{Path: "x"}, h}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, _, err := ix.WriteSkeleton(&out); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(out.Bytes(), content) {
		t.Error("written again it is another header")
	}
}

func TestSegmentsHoldTheHeaderOnce(t *testing.T) {
	list := make([]string, 100000)
	for i := range list {
		list[i] = fmt.Sprintf("token %d", i)
	}
	var w Writer
	w.Add("tokens", StringsValue(list))
	var content bytes.Buffer
	if _, err := w.WriteHeader(&content); err != nil {
		t.Fatal(err)
	}
	size, _ := allocated(func() {
		if _, err := parse(content.Bytes()); err != nil {
			t.Error(err)
		}
	})
	if limit := uint64(content.Len())*5/4 + 2*maxSegment; size > limit {
		t.Errorf("%d bytes allocated for a header of %d, want at most %d", size, content.Len(), limit)
	}
}
