package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime/internal/offload"
)

// ErrNoDevice is the reason why layers stay on the CPU: the engine has found no device to put them on.
var ErrNoDevice = errors.New("the engine has found no GPU: its libraries or the driver may be missing")

// placement is where the weights are computed.
type placement struct {
	gpuLayers int // GPULayersAuto until the number is chosen
	asked     int // as Options.GPULayers
	margin    uint64
	split     llama.SplitMode
	mainGPU   int
	shares    []float32
	rules     []offload.Rule
	devices   []llama.Device // those that layers can be put on
	admitted  func(device string, p memory.Purpose, size uint64) error
}

// offloads reports whether weights are placed on devices.
func (p *placement) offloads() bool { return p.gpuLayers != 0 || len(p.rules) > 0 }

// placement returns the placement of options that have been checked.
func (o Options) placement() placement {
	p := placement{
		gpuLayers: o.GPULayers, asked: o.GPULayers, margin: o.DeviceMargin, split: o.SplitMode, mainGPU: o.MainGPU,
		shares: slices.Clone(o.TensorSplit), admitted: o.AdmitDevice,
	}
	for _, x := range o.TensorOverrides {
		pattern, _ := offload.Compile(x.Pattern) // checked
		p.rules = append(p.rules, offload.Rule{Pattern: pattern, Device: x.Device})
	}
	n := o.CPUExpertLayers
	if o.CPUExperts {
		n = -1
	}
	p.rules = append(p.rules, offload.Experts(n)...)
	return p
}

const mostLayers = 1 << 20 // whose experts are in host memory

// checkPlacement refuses options for devices that are invalid on all machines.
func (o Options) checkPlacement() error {
	switch {
	case o.GPULayers < GPULayersAuto:
		return optionError("GPU layers", strconv.Itoa(o.GPULayers), "out of range: use 0 or more, or %d for as many as fit", GPULayersAuto)
	case o.CPUExpertLayers < 0 || o.CPUExpertLayers > mostLayers:
		return optionError("layers with experts on the CPU", strconv.Itoa(o.CPUExpertLayers), "out of range (0 to %d)", mostLayers)
	}
	for i, x := range o.TensorSplit {
		if !(x >= 0 && x <= 1e9) {
			return optionError(fmt.Sprintf("share %d of the tensor split", i+1), fmt.Sprint(x), "out of range (0 to 1e9)")
		}
	}
	for _, x := range o.TensorOverrides {
		if x.Device == "" {
			return optionError("tensor override", strconv.Quote(x.Pattern), "names no device: use CPU, or the name of one")
		}
		if _, err := offload.Compile(x.Pattern); err != nil {
			return optionError("pattern", strconv.Quote(x.Pattern), "of a tensor override: %v", err)
		}
	}
	p := llama.ModelParams{MainGPU: o.MainGPU, Split: o.SplitMode, TensorSplit: o.TensorSplit}
	return asOption(p.Check())
}

// devicesForLayers returns the devices that the engine puts layers on: integrated GPUs only where there
// are no others. What is free of devices
// that share the RAM, or do not say what they have, is what is available of the RAM.
func devicesForLayers() (list []llama.Device, err error) {
	devices, err := llama.Devices()
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		if !d.Offloads() {
			continue
		}
		if p, err := probe.Measure(); err == nil && (d.Kind == "igpu" || d.MemoryTotal == 0) {
			if d.MemoryTotal == 0 {
				d.MemoryFree, d.MemoryTotal = p.RAMTotal, p.RAMTotal
			}
			available, _ := p.Available()
			d.MemoryFree = min(d.MemoryFree, available)
		}
		list = append(list, d)
	}
	integrated := func(d llama.Device) bool { return d.Kind == "igpu" }
	if own := slices.DeleteFunc(slices.Clone(list), integrated); len(own) > 0 {
		return own, nil
	}
	return list, nil
}

// findDevices finds the devices that layers can be put on, and refuses options that name others.
// Without devices, all layers are on the CPU.
func (c *config) findDevices() error {
	if !c.offloads() {
		c.split, c.mainGPU, c.shares = llama.SplitLayer, 0, nil
		return nil
	}
	var err error
	if c.devices, err = devicesForLayers(); err != nil {
		return err
	}
	if most := llama.MaxDevices(); len(c.shares) > most {
		return optionError("tensor split", fmt.Sprintf("of %d shares", len(c.shares)), "is too long: the engine supports at most %d devices", most)
	}
	if c.split == llama.SplitNone && len(c.devices) > 0 {
		if c.mainGPU >= len(c.devices) {
			return optionError("main GPU", strconv.Itoa(c.mainGPU), "does not exist: there are %d devices, from 0 on (%s)", len(c.devices), strings.Join(c.deviceNames(), ", "))
		}
		c.devices = c.devices[c.mainGPU : c.mainGPU+1]
	}
	elsewhere := false
	for _, r := range c.rules {
		if r.Device == offload.CPU {
			continue
		}
		elsewhere = true
		if !slices.ContainsFunc(c.devices, func(d llama.Device) bool { return d.Name == r.Device }) {
			return optionError("device", strconv.Quote(r.Device), "of a tensor override does not exist: use one of %s", strings.Join(append([]string{offload.CPU}, c.deviceNames()...), ", "))
		}
	}
	if len(c.devices) == 0 {
		c.gpuLayers = 0
	}
	if c.gpuLayers == 0 && !elsewhere {
		c.rules = nil // all is in host memory
	}
	return nil
}

func (c *config) deviceNames() (names []string) {
	for _, d := range c.devices {
		names = append(names, d.Name)
	}
	return names
}

// withLayers returns the configuration with a number of layers on devices.
func (c *config) withLayers(n int) *config {
	with := *c
	with.gpuLayers = n
	return &with
}

// marginOf returns how many bytes of a device are left free.
func (p *placement) marginOf(d llama.Device) uint64 {
	if p.margin > 0 {
		return p.margin
	}
	return max(256<<20, d.MemoryTotal/16)
}

// place adds the placement to the engine's parameters.
func (w *weights) place(p llama.ModelParams) llama.ModelParams {
	c := w.config
	p.GPULayers, p.MainGPU, p.Split, p.TensorSplit = c.gpuLayers, c.mainGPU, c.split, c.shares
	if len(c.rules) == 0 {
		return p
	}
	var names []string
	for _, t := range w.index.Tensors() {
		names = append(names, t.Name)
	}
	for name := range w.packed {
		names = append(names, name)
	}
	assigned := offload.Assign(names, c.rules)
	for _, d := range append([]llama.Device{{Name: offload.CPU}}, c.devices...) {
		for _, pattern := range offload.Patterns(assigned[d.Name]) {
			p.Overrides = append(p.Overrides, llama.Override{Pattern: pattern, Device: d.Name})
		}
	}
	return p
}

// DeviceNeed is the memory of a device that a model and one session take. Sizes are bytes.
type DeviceNeed struct {
	Name          string `json:"name"`
	Description   string `json:"description"`
	Total         uint64 `json:"total_bytes"`
	Free          uint64 `json:"free_bytes"`
	LargestBuffer uint64 `json:"largest_buffer_bytes"`
	Margin        uint64 `json:"margin_bytes"` // that GPULayersAuto leaves free
	Weights       uint64 `json:"weights_bytes"`
	KV            uint64 `json:"kv_bytes"`
	Compute       uint64 `json:"compute_bytes"`
}

// Needed returns the sum of what is needed.
func (d DeviceNeed) Needed() uint64 { return d.Weights + d.KV + d.Compute }

// Fits reports whether the device has the memory, beside the margin.
func (d DeviceNeed) Fits(margin uint64) bool {
	return d.Needed() == 0 || d.Needed() <= d.Free-min(d.Free, margin)
}

// deviceNeeds returns what a model, whose header the engine has read, and a session take of each device.
func (c *config) deviceNeeds(ws []llama.Weight, n need) []DeviceNeed {
	list := make([]DeviceNeed, len(c.devices))
	for i, d := range c.devices {
		list[i] = DeviceNeed{Name: d.Name, Description: d.Description, Total: d.MemoryTotal, Free: d.MemoryFree, LargestBuffer: d.LargestBuffer, Margin: c.marginOf(d)}
		for _, w := range ws {
			if w.Kind == llama.WeightDevice && w.Device == d.Name {
				list[i].Weights += w.DeviceSize
			}
		}
		for _, b := range n.devices {
			switch {
			case b.Device != d.Name:
			case b.Purpose == llama.PurposeKV:
				list[i].KV += b.Size
			default:
				list[i].Compute += b.Size
			}
		}
	}
	return list
}

// planned returns what goes onto each device of the engine, also onto those that nothing goes to.
func (c *config) planned(ws []llama.Weight, n need) []DeviceNeed {
	all := *c
	all.devices, _ = devicesForLayers() // the engine is in use: it has answered before
	return all.deviceNeeds(ws, n)
}

// chooseLayers returns the configuration with a number of layers instead of GPULayersAuto: as many as
// the devices have memory for, beside one session and the margin.
func (c *config) chooseLayers(ctx context.Context, src *source, mode LoadMode) (*config, error) {
	if c.gpuLayers != GPULayersAuto {
		return c, nil
	}
	layers := 1 // the output
	if v, ok := src.index.Lookup(src.index.Architecture() + ".block_count"); ok {
		n, _ := v.Uint()
		layers += int(min(n, math.MaxInt32-1))
	}
	n, err := offload.Most(layers, func(n int) (bool, error) {
		w, err := loadHeader(ctx, c.withLayers(n), src, mode)
		if err != nil {
			return false, err
		}
		defer w.unload()
		s, err := newSizer(w)
		if err != nil {
			return false, err
		}
		ws, err := w.native.Weights()
		if err != nil {
			return false, err
		}
		params, err := s.contextParams(w.config.session)
		if err != nil {
			return false, err
		}
		need, err := s.firstNeed(ctx, params, w.config.session.UBatch != 0, 0, src.probe)
		if err != nil {
			return false, err
		}
		for _, d := range c.deviceNeeds(ws, need) {
			if !d.Fits(d.Margin) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	c.log("layers for devices", "layers", n, "of", layers)
	return c.withLayers(n), nil
}

// loadFewer loads a model, with fewer layers on devices when one refuses memory.
func loadFewer(ctx context.Context, c *config, src *source, mode LoadMode, reason string) (*Model, error) {
	var refused error
	for {
		w := newWeights(c, src, mode, reason, nil)
		m, err := load(ctx, w, src.probe)
		var device *llama.DeviceError
		if err != nil && c.gpuLayers > 0 && errors.As(err, &device) {
			placed := uint64(0)
			for _, d := range w.devices.Snapshot() {
				placed += d.Memory.Of(memory.PurposeWeights).Peak
			}
			refused = err
			c = c.withLayers(offload.Fewer(min(c.gpuLayers, w.layers), placed, w.deviceBytes))
			c.log("a device has refused memory", "layers", c.gpuLayers, "reason", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if refused == nil && c.asked > 0 && c.gpuLayers == 0 {
			refused = ErrNoDevice
		}
		if refused != nil {
			what := fmt.Sprintf("layers on devices lowered from %d to %d", min(asLayers(c.asked), w.layers), c.gpuLayers)
			if c.gpuLayers == 0 {
				what = "all layers stay on the CPU"
			}
			m.adjusted = append(m.adjusted, Adjustment{AdjustedLayers, what, refused})
		}
		return m, nil
	}
}

// asLayers returns the number of layers that options ask for.
func asLayers(asked int) int {
	if asked == GPULayersAuto {
		return math.MaxInt
	}
	return asked
}

// uploadPiece is the most that is copied to a device at once: drivers may copy it once more.
const uploadPiece = 16 << 20

// bindDevices allocates the memory of devices, and copies the weights there from chunks of the file that
// are mapped for the moment.
func (w *weights) bindDevices(ctx context.Context, ws []llama.Weight, progress loader.Progress) error {
	if w.upload == nil {
		return nil
	}
	if err := w.native.Place(); err != nil {
		return w.deviceError(err)
	}
	of := map[string][]int{} // weights with a tensor's bytes
	for i, x := range ws {
		if x.Kind == llama.WeightDevice {
			of[w.placeOf(x)] = append(of[w.placeOf(x)], i)
		}
	}
	piece := min(uploadPiece, w.chunkSize)
	return loader.EachPiece(ctx, w.index, w.upload, loader.PieceOptions{
		Ledger: w.ledger, Progress: progress,
		Whole: func(name string) bool { return slices.ContainsFunc(of[name], func(i int) bool { return ws[i].Whole }) },
	}, func(t gguf.Tensor, offset uint64, data unsafe.Pointer, size uint64) error {
		for _, i := range of[t.Name] {
			if t.Size != ws[i].Size {
				return fmt.Errorf("%w: it has %d bytes, and the engine expects %d", ErrBadModel, t.Size, ws[i].Size)
			}
			step := piece
			if ws[i].Whole {
				step = size
			}
			for at := uint64(0); at < size; at += step {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := w.native.Upload(i, unsafe.Add(data, at), offset+at, min(step, size-at)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// deviceError adds to a device's refusal what it had left.
func (w *weights) deviceError(err error) error {
	var device *llama.DeviceError
	var known *memory.Error
	if !errors.As(err, &device) || errors.As(err, &known) {
		return engineError(err)
	}
	e := &memory.Error{Requested: device.Size, Limit: probe.LimitDevice(device.Device), Remedies: []memory.Remedy{{Kind: memory.RemedyGPULayers}}, Err: device}
	if devices, merr := llama.Devices(); merr == nil {
		for _, d := range devices {
			if d.Name == device.Device {
				e.Available = d.MemoryFree
			}
		}
	}
	return e
}

// tryDevices makes a session and closes it, to learn whether the devices have the memory for one.
func (m *Model) tryDevices() error {
	if !m.config.offloads() {
		return nil
	}
	s, err := m.makeSession(m.params, m.config.session)
	if err != nil {
		return err
	}
	s.free()
	return nil
}
