//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/llama"
)

// deviceHeap is a heap that counts the memory of devices, by purpose, and refuses some.
type deviceHeap struct {
	*heap
	mu     sync.Mutex
	taken  map[llama.Purpose]uint64
	most   uint64 // the largest buffer
	refuse error
}

func (h *deviceHeap) AdmitDevice(_ string, size uintptr, p llama.Purpose) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return h.refuse
	}
	h.taken[p] += uint64(size)
	h.most = max(h.most, uint64(size))
	return nil
}

func (h *deviceHeap) TagDevice(_ string, size uintptr, from, to llama.Purpose) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken[from] -= uint64(size)
	h.taken[to] += uint64(size)
}

func (h *deviceHeap) FreeDevice(_ string, size uintptr, p llama.Purpose) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken[p] -= uint64(size)
}

func (h *deviceHeap) all() (sum uint64) {
	for n := range maps.Values(h.taken) {
		sum += n
	}
	return sum
}

// Memory of a device is taken only by Place and by contexts, in bounded buffers, and all is given back.
func TestDevicesMemoryIsPlacedInBoundedBuffers(t *testing.T) {
	enginetest.Devices(t, 1)
	h := &deviceHeap{heap: newHeap(1 << 20), taken: map[llama.Purpose]uint64{}}
	index, err := openIndex(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	scratch := make([]byte, 16<<20)
	p := llama.ModelParams{Unbound: true, Blocks: h, Scratch: unsafe.Pointer(&scratch[0]), ScratchSize: uintptr(len(scratch)), GPULayers: 100}
	m := load(t, tinyF16, p)
	ws, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	want := uint64(0)
	device := -1
	for i, w := range ws {
		if w.Kind == llama.WeightDevice {
			device = i
			want += w.DeviceSize
			if w.Device == "" || w.DeviceSize < w.Size || w.Whole {
				t.Errorf("%+v", w)
			}
		}
	}
	measured, err := m.MeasureContext(llama.ContextParams{Ctx: 64, Blocks: h}, 0)
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[llama.Purpose]uint64{}
	for _, b := range measured.Blocks {
		if b.Device != "" {
			blocks[b.Purpose] += b.Size
		}
	}
	if h.all() != 0 || blocks[llama.PurposeKV] == 0 || blocks[llama.PurposeCompute] == 0 {
		t.Errorf("measuring took %v, and found %v", h.taken, blocks)
	}
	if err := m.Upload(device, unsafe.Pointer(&scratch[0]), 0, 4); err == nil {
		t.Error("a tensor without memory is written to")
	}

	h.refuse = errors.New("quota")
	var refused *llama.DeviceError
	if err := m.Place(); !errors.As(err, &refused) || !errors.Is(err, llama.ErrNoMemory) || !errors.Is(err, h.refuse) || refused.Device == "" {
		t.Errorf("refused: %v", err)
	}
	h.refuse = nil
	if err := m.Place(); err != nil {
		t.Fatal(err)
	}
	if got := h.taken[llama.PurposeWeights]; got < want || got > want+want/10 || h.most > 1<<20 {
		t.Errorf("%d bytes for weights of %d, the largest buffer has %d", got, want, h.most)
	}
	if err := m.Place(); err != nil || h.taken[llama.PurposeWeights] > want+want/10 {
		t.Errorf("placed again: %v, %v", err, h.taken)
	}
	for i, w := range ws {
		tensor, _ := index.Tensor(w.Name)
		data := make([]byte, tensor.Size)
		if err := index.ReadAt(tensor.File, data, tensor.Offset); err != nil {
			t.Fatal(err)
		}
		if w.Kind != llama.WeightDevice {
			block, err := h.AllocBlock(llama.PurposeWeights, uintptr(w.Size))
			if err != nil {
				t.Fatal(err)
			}
			defer h.FreeBlock(block)
			copy(unsafe.Slice((*byte)(block), w.Size), data)
			if err := m.Bind(i, block); err != nil {
				t.Fatal(err)
			}
			continue
		}
		half := w.Size / 2
		if err := m.Upload(i, unsafe.Pointer(&data[0]), 0, half); err != nil {
			t.Fatal(err)
		}
		if err := m.Upload(i, unsafe.Pointer(&data[half]), half, w.Size-half); err != nil {
			t.Fatal(err)
		}
	}
	c, err := m.NewContext(llama.ContextParams{Ctx: 64, Blocks: h, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	for purpose, n := range blocks {
		if h.taken[purpose] != n {
			t.Errorf("%v: %d bytes, measured %d", purpose, h.taken[purpose], n)
		}
	}
	tokens := []llama.Token{1, 10, 20, 30}
	got := decode(t, c, tokens)
	plain := load(t, tinyF16, llama.ModelParams{})
	reference := newContext(t, plain, llama.ContextParams{Ctx: 64, Threads: 1})
	if d := distance(got, decode(t, reference, tokens)); d > 0.05 {
		t.Errorf("the logits are %g from those of the CPU", d)
	}
	c.Close()
	m.Close()
	if h.all() != 0 {
		t.Errorf("left: %v", h.taken)
	}
}

func TestDevicesOfOverrides(t *testing.T) {
	devices := enginetest.Devices(t, 1)
	scratch := make([]byte, 16<<20)
	p := llama.ModelParams{Unbound: true, Scratch: unsafe.Pointer(&scratch[0]), ScratchSize: uintptr(len(scratch))}
	for _, tt := range []struct {
		layers    int
		overrides []llama.Override
		want      int // weights on devices
	}{
		{0, nil, 0},
		{0, []llama.Override{{Pattern: `^blk\.1\.ffn_(?:up|down)\.weight$`, Device: devices[0].Name}}, 2},
		{100, []llama.Override{{Pattern: `^blk\.`, Device: "CPU"}}, 2},
		{100, []llama.Override{{Pattern: `^blk\.1\.ffn_up`, Device: devices[0].Name}, {Pattern: `^blk\.`, Device: "CPU"}}, 3},
	} {
		q := p
		q.GPULayers, q.Overrides = tt.layers, tt.overrides
		ws, err := load(t, tinyF16, q).Weights()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, w := range ws {
			if w.Kind == llama.WeightDevice {
				n++
			}
		}
		if n != tt.want {
			t.Errorf("%d layers, %v: %d weights on devices, want %d", tt.layers, tt.overrides, n, tt.want)
		}
	}
	for _, o := range []llama.Override{{Pattern: "x", Device: "Vulkan99"}, {Pattern: "(", Device: "CPU"}, {Pattern: "x"}} {
		q := p
		q.Overrides = []llama.Override{o}
		if m, err := llama.LoadModel(t.Context(), tinyF16, q); err == nil {
			m.Close()
			t.Error(fmt.Sprint(o), "is accepted")
		}
	}
}
