//go:build cgo

package llama_test

import (
	"bytes"
	"runtime"
	"strconv"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// Weights that are bound elsewhere are not read: a load does not depend on their size.
func TestNothingIsReadOfUnboundTensors(t *testing.T) {
	if runtime.GOOS == "darwin" || strconv.IntSize < 64 {
		t.Skip("no --wrap in the linker of macOS, and other names on 32-bit systems")
	}
	p, err := newHeap(1<<20).AllocBlock(llama.PurposeWeights, 16<<20)
	memtest.Need(t, err)
	scratch := unsafe.Slice((*byte)(p), 16<<20)
	untouched := bytes.Repeat([]byte{0xa5}, len(scratch))
	copy(scratch, untouched)
	load(t, tinyF16, llama.ModelParams{Unbound: true, Scratch: p, ScratchSize: uintptr(len(scratch))})
	if !bytes.Equal(scratch, untouched) {
		t.Error("tensors were read")
	}
}
