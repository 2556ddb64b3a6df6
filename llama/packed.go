//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"sync"
	"unsafe"
)

// BindPacked binds tensor i, whose kind is to be repacked, to bytes that are already in its layout.
// The bytes must stay readable until the model has been freed. Nothing is converted.
func (m *Model) BindPacked(i int, data unsafe.Pointer) error {
	return m.provide(i, WeightRepack, func(w *C.infer_weights) error {
		C.infer_weights_bind(w, C.size_t(i), data)
		return nil
	})
}

// layouts caches the layouts, and errors, by the engine's identification of a layout.
var layouts sync.Map

type layoutKey struct {
	typ    C.enum_ggml_type
	traits uintptr
	group  C.int64_t
}

// Layout returns the layout of tensor i, whose kind is to be repacked. It returns an error if the
// layout does not consist of groups of rows.
func (m *Model) Layout(i int) (Layout, error) {
	var l Layout
	err := m.repacked(i, func(w *C.infer_weights, name string, c C.infer_layout) error {
		if c.group == 0 {
			return argument("tensor %q: %s", name, noGroups)
		}
		key := layoutKey{c._type, uintptr(c.traits), c.group}
		known, ok := layouts.Load(key)
		if !ok {
			print, err := fingerprint(w, i, c)
			if err != nil {
				return fmt.Errorf("tensor %q: %w", name, err)
			}
			known, _ = layouts.LoadOrStore(key, fmt.Sprintf("%sx%d-%s", C.GoString(C.infer_ggml_type_name(c._type)), int(c.group), print))
		}
		l = Layout{Name: known.(string), Group: int(c.group), RowSize: uint64(c.row)}
		return nil
	})
	return l, err
}

// RepackRows converts rows of tensor i, whose kind is to be repacked, into its layout. src has
// whole groups of rows, dst [Layout].RowSize bytes for each of them. A tensor of three dimensions counts
// as one matrix with the rows of all its matrices. Safe for concurrent use.
func (m *Model) RepackRows(i int, dst, src []byte) error {
	return m.repacked(i, func(w *C.infer_weights, name string, c C.infer_layout) error {
		row := int(C.infer_ggml_row_size(c._type, c.length))
		if c.group == 0 {
			return argument("tensor %q: %s", name, noGroups)
		}
		if len(src) == 0 || len(src)%(row*int(c.group)) != 0 || len(dst) != len(src)/row*int(c.row) {
			return argument("tensor %q: repacking %d bytes into %d: need groups of %d rows, of %d bytes and in the layout %d bytes each", name, len(src), len(dst), int(c.group), row, int(c.row))
		}
		return repackRows(w, i, c.length, dst, src, len(src)/row)
	})
}

func repackRows(w *C.infer_weights, i int, length C.int64_t, dst, src []byte, rows int) error {
	var e C.infer_error
	if !C.infer_weights_repack_rows(w, C.size_t(i), length, C.int64_t(rows), unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), &e) {
		return failure("repack", &e, nil)
	}
	return nil
}

const noGroups = "the engine's layout does not consist of groups of rows, so that rows cannot be repacked separately"

// repacked calls f with the layout of a tensor to be repacked.
func (m *Model) repacked(i int, f func(w *C.infer_weights, name string, c C.infer_layout) error) error {
	return m.unboundOf(i, WeightRepack, func(name string) error {
		return f(m.s.weights, name, C.infer_weights_layout(m.s.weights, C.size_t(i)))
	})
}

// fingerprint returns the hash of a fixed matrix of several groups after repacking. It also
// verifies that each group is at the offset of its rows and independent of the groups around it.
func fingerprint(w *C.infer_weights, i int, c C.infer_layout) (string, error) {
	const rows, length = C.INFER_MOST_GROUP, C.INFER_SAMPLE_LENGTH
	row := int(C.infer_ggml_row_size(c._type, length))
	stored := int(c.sample_row)
	src := make([]byte, rows*row)
	x := uint32(1)
	for k := range src { // all rows differ
		x = x*1664525 + 1013904223
		src[k] = byte(x >> 24)
	}
	whole, groups := make([]byte, rows*stored), make([]byte, rows*stored)
	if err := repackRows(w, i, length, whole, src, rows); err != nil {
		return "", err
	}
	for from, n := 0, int(c.group); from < rows; from += n {
		if err := repackRows(w, i, length, groups[from*stored:(from+n)*stored], src[from*row:(from+n)*row], n); err != nil {
			return "", err
		}
	}
	if !bytes.Equal(whole, groups) {
		return "", argument("%s", noGroups)
	}
	sum := sha256.Sum256(whole)
	return fmt.Sprintf("%x", sum[:6]), nil
}
