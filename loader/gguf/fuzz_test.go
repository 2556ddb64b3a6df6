package gguf

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/ggufcases"
)

// FuzzOpen reads arbitrary bytes. A refusal must be a format error; an accepted file must be the
// same after it is written as a skeleton and read again. Memory must be bounded by the size of the
// file.
func FuzzOpen(f *testing.F) {
	f.Add(ggufcases.Small())
	f.Add(ggufcases.File{Version: 2}.Bytes())
	f.Add(ggufcases.ManyKeys(100, 0))
	for _, content := range ggufcases.SoundShards() {
		f.Add(content)
	}
	for _, c := range ggufcases.Structure() {
		if len(c.Bytes) < 100<<10 {
			f.Add(c.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var h *header
		var err error
		size, _ := allocated(func() { h, err = parse(content) })
		if limit := uint64(1<<20 + 64*len(content)); size > limit {
			t.Fatalf("%d bytes allocated for a file of %d", size, len(content))
		}
		if err != nil {
			wantFormat(t, err)
			return
		}
		ix, err := newIndex([]*file{{&files.File{Path: "fuzz.gguf", Size: int64(len(content))}, h}})
		if err != nil {
			wantFormat(t, err)
			return
		}
		var first, second bytes.Buffer
		head, whole, err := ix.WriteSkeleton(&first)
		if err != nil || head != int64(first.Len()) || whole < head {
			t.Fatalf("skeleton of %d and %d bytes, %d written: %v", head, whole, first.Len(), err)
		}
		again, err := parseHeader("skeleton.gguf", hole{first.Bytes(), whole}, whole)
		if err != nil {
			t.Fatalf("skeleton: %v", err)
		}
		iy, err := newIndex([]*file{{&files.File{Path: "fuzz.gguf"}, again}})
		if err != nil {
			t.Fatalf("skeleton: %v", err)
		}
		if _, _, err := iy.WriteSkeleton(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("skeleton of the skeleton is another one: %v", err)
		}
		compare(t, ix, iy)
	})
}

func wantFormat(t *testing.T, err error) {
	t.Helper()
	var format *FormatError
	if !errors.As(err, &format) || !errors.Is(err, ErrFormat) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
		t.Fatalf("error of type %T: %q", err, err)
	}
}

// compare fails unless both have the same keys, but for those of shards, and tensors.
func compare(t *testing.T, ix, iy *Index) {
	t.Helper()
	n := 0
	for k, v := range ix.Metadata() {
		if strings.HasPrefix(k, "split.") {
			continue
		}
		n++
		w, ok := iy.Lookup(k)
		if !ok || v.Type() != w.Type() || v.ElemType() != w.ElemType() || v.Len() != w.Len() || !bytes.Equal(v.data, w.data) {
			t.Fatalf("key %q is %v, was %v", k, w, v)
		}
		i := 0
		for _, s := range v.Strings() {
			if again, _ := w.At(i).Str(); again != s {
				t.Fatalf("key %q has %q in place %d, had %q", k, again, i, s)
			}
			i++
		}
	}
	if n != len(iy.keys) || len(ix.tensors) != len(iy.tensors) || ix.bytes != iy.bytes {
		t.Fatalf("%d keys and %d tensors, were %d and %d", len(iy.keys), len(iy.tensors), n, len(ix.tensors))
	}
	for i, a := range ix.tensors {
		b := iy.tensors[i]
		if a.Name != b.Name || a.Type != b.Type || a.Size != b.Size || a.Elements() != b.Elements() || len(a.Shape) != len(b.Shape) {
			t.Fatalf("tensor %+v, was %+v", b, a)
		}
	}
}

// FuzzShardName parses arbitrary file names.
func FuzzShardName(f *testing.F) {
	for _, name := range []string{"", "-00001-of-00001.gguf", "m-00002-of-00003.gguf", "m-+0002-of-00003.gguf", "m-00000-of-00003.gguf", "m.gguf", "m-00002-of-00003.GGUF"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		prefix, number, count, ok := parseShardName(name)
		if ok && (shardName(prefix, number, count) != name || number < 1 || count < 1) {
			t.Errorf("%q is %q, %d, %d", name, prefix, number, count)
		}
	})
}
