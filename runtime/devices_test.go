//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

func init() {
	children["devices-peak"], children["devices-limit"] = childDevicesPeak, childDevicesLimit
}

var smallSession = runtime.SessionOptions{Context: 256, Threads: 1}

// onDevices returns options with a small session and chunks smaller than the tiny model.
func onDevices(layers int) runtime.Options {
	return runtime.Options{Load: runtime.LoadMMap, ChunkSize: 1 << 20, GPULayers: layers, Session: smallSession}
}

const steps = 8 // tokens

// all is a number of layers above any model's.
const all = 1000

// deviceMemory adds up the memory of devices.
func deviceMemory(r runtime.Report, p memory.Purpose) (current, largest uint64) {
	for _, d := range r.Devices {
		u := d.Memory.Of(p)
		current += u.Current
		largest = max(largest, u.LargestAllocation)
	}
	return current, largest
}

// f16 weights have the same greedy tokens on all devices. Weights of 4 and 8 bits need not: CPUs
// multiply them with operands rounded to 8 bits, devices with float32.
func TestDevicesComputeTheSameTokens(t *testing.T) {
	devices := enginetest.Devices(t, 1)
	want, _, err := greedy(t.Context(), tinyF16, onDevices(0), smallSession, steps)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mode   runtime.LoadMode
		layers int
		placed int
	}{{runtime.LoadMMap, all, 7}, {runtime.LoadMMap, 3, 3}, {runtime.LoadCopy, runtime.GPULayersAuto, 7}, {runtime.LoadCopy, 3, 3}, {runtime.LoadStock, 3, 3}} {
		o := onDevices(tt.layers)
		o.Load = tt.mode
		got, r, err := greedy(t.Context(), tinyF16, o, smallSession, steps)
		if err != nil {
			t.Fatalf("%v, %d layers: %v", tt.mode, tt.layers, err)
		}
		equal(t, fmt.Sprintf("%v, %d layers", tt.mode, tt.layers), got, want)
		if r.GPULayers != tt.placed || len(r.Adjusted) > 0 {
			t.Errorf("%v: %d layers are on devices, want %d; %v", tt.mode, r.GPULayers, tt.placed, r.Adjusted)
		}
	}
	if len(devices) < 2 {
		return
	}
	for _, o := range []runtime.Options{
		{TensorSplit: []float32{1, 3}}, {TensorSplit: []float32{0, 1}}, {SplitMode: llama.SplitNone, MainGPU: 1},
		{TensorOverrides: []runtime.TensorOverride{{Pattern: "ffn", Device: devices[1].Name}, {Pattern: "attn", Device: devices[0].Name}}},
	} {
		o.Load, o.ChunkSize, o.GPULayers, o.Session = runtime.LoadMMap, 1<<20, all, smallSession
		got, r, err := greedy(t.Context(), tinyF16, o, smallSession, steps)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint(o.TensorSplit, o.SplitMode, o.TensorOverrides), got, want)
		first, second := weightsOn(r, devices[0].Name), weightsOn(r, devices[1].Name)
		if second == 0 || (first == 0) != (o.SplitMode == llama.SplitNone || slices.Equal(o.TensorSplit, []float32{0, 1})) {
			t.Errorf("%v %v: %d and %d bytes on the devices", o.TensorSplit, o.SplitMode, first, second)
		}
	}
}

func weightsOn(r runtime.Report, device string) uint64 {
	for _, d := range r.Devices {
		if d.Device == device {
			return d.Memory.Of(memory.PurposeWeights).Peak
		}
	}
	return 0
}

// The plan, the ledger of the devices and that of host memory agree, and nothing is left in the end.
func TestDevicesAreAccountedFor(t *testing.T) {
	enginetest.Devices(t, 1)
	for _, layers := range []int{all, 3} {
		o := onDevices(layers)
		f, err := runtime.Plan(t.Context(), tinyF16, o)
		if err != nil {
			t.Fatal(err)
		}
		m := open(t, tinyF16, o)
		s := session(t, m, smallSession)
		r := m.Report()
		var planned runtime.DeviceNeed
		for _, d := range f.Devices {
			planned.Weights += d.Weights
			planned.KV += d.KV
			planned.Compute += d.Compute
		}
		weights, largest := deviceMemory(r, memory.PurposeWeights)
		if most := planned.Weights + planned.Weights/10; weights < planned.Weights || weights > most {
			t.Errorf("%d layers: %d bytes of weights on devices, planned %d", layers, weights, planned.Weights)
		}
		if largest > o.ChunkSize {
			t.Errorf("%d layers: the largest buffer has %d bytes", layers, largest)
		}
		kv, _ := deviceMemory(r, memory.PurposeKV)
		compute, _ := deviceMemory(r, memory.PurposeCompute)
		if kv != planned.KV || compute != planned.Compute || kv == 0 || compute == 0 {
			t.Errorf("%d layers: KV %d and compute %d, planned %d and %d", layers, kv, compute, planned.KV, planned.Compute)
		}
		host := r.Memory.Of(memory.PurposeWeights).Current
		if p := f.Modes[0]; p.Device != planned.Weights || host != p.Weights {
			t.Errorf("%d layers: %d bytes of weights in host memory, planned %d; on devices %d and %d", layers, host, p.Weights, p.Device, planned.Weights)
		}
		if host > r.WeightBytes-planned.Weights+4*o.ChunkSize {
			t.Errorf("%d layers: weights on devices are in host memory too: %d of %d bytes", layers, host, r.WeightBytes)
		}
		if staged := r.Memory.Of(memory.PurposeStaging); staged.Current != 0 || staged.Peak == 0 || staged.Peak > 2*o.ChunkSize {
			t.Errorf("%d layers: staging %+v", layers, staged)
		}
		s.Close()
		m.Close()
		for _, d := range m.Report().Devices {
			if d.Memory.Total.Current != 0 || d.Memory.Total.Count != 0 {
				t.Errorf("%d layers: left on %s: %+v", layers, d.Device, d.Memory.Total)
			}
		}
	}
}

func TestDevicesServeTwoSessionsAndCancel(t *testing.T) {
	enginetest.Devices(t, 1)
	want, _, err := greedy(t.Context(), tinyF16, onDevices(0), smallSession, steps)
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, tinyF16, onDevices(all))
	var wg sync.WaitGroup
	for range 2 {
		s := session(t, m, smallSession)
		wg.Go(func() {
			var got []int32
			for token, err := range s.Generate(t.Context(), prompt, greedyOptions(steps)) {
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, token.ID)
			}
			equal(t, "one of two sessions", got, want)
		})
	}
	wg.Wait()

	s := session(t, m, smallSession)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	for _, err = range s.Generate(ctx, prompt, greedyOptions(steps)) {
		if n++; n == 3 {
			cancel()
		}
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while generating: %v", err)
	}
	if text, err := s.Complete(t.Context(), prompt, greedyOptions(4)); err != nil || text == "" {
		t.Errorf("after that: %q, %v", text, err)
	}

	o := onDevices(all)
	ctx, cancel = context.WithCancel(t.Context())
	o.Progress = func(p runtime.Progress) {
		if p.Done > p.Total/2 {
			cancel()
		}
	}
	if _, err := runtime.Open(ctx, tinyF16, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while loading: %v", err)
	}
}

// A program's limit for a device's memory is like a device that refuses: fewer layers are placed, and
// one line says so.
func TestDevicesThatRefuseMemoryGetFewerLayers(t *testing.T) {
	enginetest.Devices(t, 1)
	want, _, err := greedy(t.Context(), tinyF16, onDevices(0), smallSession, steps)
	if err != nil {
		t.Fatal(err)
	}
	quota := errors.New("quota")
	for _, tt := range []struct {
		name   string
		admit  func(p memory.Purpose, size uint64, taken uint64) bool
		layers func(n int) bool
	}{
		{"all is refused", func(memory.Purpose, uint64, uint64) bool { return false }, func(n int) bool { return n == 0 }},
		{"a part of the weights is refused", func(p memory.Purpose, size, taken uint64) bool {
			return p != memory.PurposeWeights || taken+size <= 3<<20
		}, func(n int) bool { return n > 0 && n < 7 }},
		{"KV cache and buffers are refused", func(p memory.Purpose, _, _ uint64) bool { return p == memory.PurposeWeights }, func(n int) bool { return n == 0 }},
		{"large sessions are refused", func(p memory.Purpose, size, taken uint64) bool { return taken+size <= 7<<20 }, func(n int) bool { return n < 7 }},
	} {
		for _, layers := range []int{all, runtime.GPULayersAuto} {
			var mu sync.Mutex
			weights := uint64(0)
			o := onDevices(layers)
			o.AdmitDevice = func(_ string, p memory.Purpose, size uint64) error {
				mu.Lock()
				defer mu.Unlock()
				if !tt.admit(p, size, weights) {
					weights = 0 // the next attempt begins
					return quota
				}
				weights += size
				return nil
			}
			m := open(t, tinyF16, o)
			r := m.Report()
			if !tt.layers(r.GPULayers) || len(r.Adjusted) != 1 || r.Adjusted[0].Kind != runtime.AdjustedLayers {
				t.Errorf("%s: %d layers, %v", tt.name, r.GPULayers, r.Adjusted)
				continue
			}
			if line := r.Adjusted[0].String(); strings.Contains(line, "\n") || !strings.HasPrefix(line, "layers on devices lowered from 7 to ") && (r.GPULayers > 0 || !strings.HasPrefix(line, "all layers stay on the CPU: ")) {
				t.Errorf("%s: %q", tt.name, line)
			}
			if tt.name == "large sessions are refused" {
				continue // a further session is too
			}
			s := session(t, m, smallSession)
			var got []int32
			for token, err := range s.Generate(t.Context(), prompt, greedyOptions(steps)) {
				if err != nil {
					t.Fatal(tt.name, err)
				}
				got = append(got, token.ID)
			}
			equal(t, tt.name, got, want)
			m.Close()
		}
	}
}

// A session that does not fit onto the device is an error with the device's name, and others go on.
func TestDevicesRefuseASession(t *testing.T) {
	enginetest.Devices(t, 1)
	refuse := false
	o := onDevices(all)
	o.AdmitDevice = func(string, memory.Purpose, uint64) error {
		if refuse {
			return errors.New("quota")
		}
		return nil
	}
	m := open(t, tinyF16, o)
	s := session(t, m, smallSession)
	refuse = true
	_, err := m.NewSession(t.Context(), smallSession)
	var device *llama.DeviceError
	var short *memory.Error
	if !errors.As(err, &device) || !errors.As(err, &short) || !errors.Is(err, runtime.ErrInsufficientMemory) || device.Device == "" {
		t.Errorf("refused: %v", err)
	}
	if text, err := s.Complete(t.Context(), prompt, greedyOptions(4)); err != nil || text == "" {
		t.Errorf("the other session: %q, %v", text, err)
	}
}

func TestAutoFillsDevicesToTheMargin(t *testing.T) {
	devices := enginetest.Devices(t, 1)
	f, err := runtime.Plan(t.Context(), tinyF16, onDevices(all))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []uint64{100, 60, 0} { // percent of what all layers take
		o := onDevices(runtime.GPULayersAuto)
		o.SplitMode = llama.SplitNone // one device
		var needed uint64
		for _, d := range f.Devices {
			needed += d.Needed()
		}
		o.DeviceMargin = devices[0].MemoryFree - needed*part/100
		if part == 100 {
			o.DeviceMargin -= needed // the session's buffers on one device instead of two
		}
		planned, err := runtime.Plan(t.Context(), tinyF16, o)
		if err != nil {
			t.Fatal(err)
		}
		m := open(t, tinyF16, o)
		r := m.Report()
		switch n := r.GPULayers; {
		case n != planned.GPULayers, part == 100 && n != 7, part == 60 && (n < 1 || n > 6), part == 0 && n != 0:
			t.Errorf("%d layers with %d %% of the memory, planned %d", n, part, planned.GPULayers)
		}
		if len(r.Adjusted) > 0 {
			t.Error(r.Adjusted)
		}
		m.Close()
	}
}

// Layers that are not on devices are streamed within a budget.
func TestLayersBesideDevicesAreStreamed(t *testing.T) {
	enginetest.Devices(t, 1)
	r := streamedBeside(t, "layers=8,width=512,heads=8,ffn=1536,vocab=512", runtime.Options{GPULayers: 3}, 8<<20)
	if r.Residency == nil || r.Residency.Streamed == 0 || r.GPULayers != 3 {
		t.Errorf("%d layers on devices, %+v", r.GPULayers, r.Residency)
	}
}

// With --cpu-moe, dense weights are on devices, and experts have slots within a budget.
func TestExpertsBesideDevicesAreStreamed(t *testing.T) {
	enginetest.Devices(t, 1)
	r := streamedBeside(t, "layers=4,width=256,heads=4,ffn=512,vocab=512,experts=16,experts_used=2", runtime.Options{GPULayers: all, CPUExperts: true}, 16<<20)
	if r.Residency == nil || r.Residency.Experts == nil || r.Residency.Experts.Misses == 0 || r.GPULayers != 5 {
		t.Errorf("%d layers on devices, %+v", r.GPULayers, r.Residency.Experts)
	}
}

func TestTensorsOnOtherDevices(t *testing.T) {
	devices := enginetest.Devices(t, 1)
	path := model(t, "layers=4,width=256,heads=4,ffn=256,vocab=512,experts=4,experts_used=2", "f16")
	want, _, err := greedy(t.Context(), path, onDevices(0), smallSession, steps)
	if err != nil {
		t.Fatal(err)
	}
	full, err := runtime.Plan(t.Context(), path, onDevices(all))
	if err != nil {
		t.Fatal(err)
	}
	experts := full.Modes[0].Device
	for _, tt := range []struct {
		name  string
		set   func(*runtime.Options)
		check func(onDevice, kv uint64) bool
	}{
		{"experts on the CPU", func(o *runtime.Options) { o.CPUExperts = true }, func(n, _ uint64) bool { return n > 0 && n < experts/2 }},
		{"experts of two layers on the CPU", func(o *runtime.Options) { o.CPUExpertLayers = 2 }, func(n, _ uint64) bool { return n > experts/3 && n < experts*2/3 }},
		{"by pattern", func(o *runtime.Options) {
			o.TensorOverrides = []runtime.TensorOverride{{Pattern: `\.ffn_.*_exps\.`, Device: "CPU"}}
		}, func(n, _ uint64) bool { return n > 0 && n < experts/2 }},
		{"to a device, with no layers there", func(o *runtime.Options) {
			o.GPULayers = 0
			o.TensorOverrides = []runtime.TensorOverride{{Pattern: `blk\.[13]\.ffn_.*_exps\.`, Device: devices[0].Name}}
		}, func(n, _ uint64) bool { return n > experts/4 && n < experts*2/3 }},
		{"KV cache in host memory", func(o *runtime.Options) { o.Session.NoKVOffload = true }, func(n, kv uint64) bool { return kv == 0 && n > 0 }},
	} {
		o := onDevices(all)
		tt.set(&o)
		got, r, err := greedy(t.Context(), path, o, o.Session, steps)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		equal(t, tt.name, got, want)
		weights, _ := deviceMemory(r, memory.PurposeWeights)
		kv, _ := deviceMemory(r, memory.PurposeKV)
		if !tt.check(weights, kv) {
			t.Errorf("%s: %d bytes of weights on the device, all are %d; KV %d", tt.name, weights, experts, kv)
		}
	}
}

func TestInvalidPlacementsAreRefused(t *testing.T) {
	devices := enginetest.Devices(t, 1)
	for _, o := range []runtime.Options{
		{GPULayers: -2}, {CPUExpertLayers: -1}, {TensorSplit: []float32{-1}}, {SplitMode: 9}, {MainGPU: -1},
		{GPULayers: 1, SplitMode: llama.SplitNone, MainGPU: len(devices)},
		{TensorOverrides: []runtime.TensorOverride{{Pattern: "(", Device: "CPU"}}},
		{TensorOverrides: []runtime.TensorOverride{{Pattern: strings.Repeat("(", 900) + strings.Repeat(")", 900), Device: "CPU"}}},
		{TensorOverrides: []runtime.TensorOverride{{Pattern: "x"}}},
		{TensorOverrides: []runtime.TensorOverride{{Pattern: "x", Device: "Vulkan77"}}},
		{GPULayers: 1, TensorSplit: make([]float32, 1000)},
	} {
		_, err := runtime.Open(t.Context(), tinyF16, o)
		if !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// The engine's own refusal of what a device can't do.
	if m, err := runtime.Open(t.Context(), tinyF16, runtime.Options{GPULayers: all, SplitMode: llama.SplitRow, Session: smallSession}); err == nil {
		m.Close()
	}
	for _, pattern := range []string{"token_embd", ".*", "norm|bias"} { // what a device may not compute
		o := onDevices(all)
		o.TensorOverrides = []runtime.TensorOverride{{Pattern: pattern, Device: devices[0].Name}}
		if _, _, err := greedy(t.Context(), tinyF16, o, smallSession, 4); err != nil {
			t.Logf("%s: %v", pattern, err)
		}
	}
}

// childDevicesPeak loads a model onto devices and prints how far the resident memory was above that of
// the loaded model, and the size of the weights there.
func childDevicesPeak(args []string) int {
	path, o, so := parseChild(args)
	o.GPULayers, o.Session = all, so
	var peak uint64
	o.Progress = func(runtime.Progress) {
		if p, err := probe.ProcessMemory(); err == nil {
			peak = max(peak, p.Anon+p.File)
		}
	}
	if _, _, err := greedy(background, tinyF16, o, so, 2); err != nil { // the driver's compiler
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	peak = 0
	m, err := runtime.Open(background, path, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer m.Close()
	p, err := probe.ProcessMemory()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return childUnsupported
	}
	weights, _ := deviceMemory(m.Report(), memory.PurposeWeights)
	fmt.Println(int64(peak)-int64(p.Anon+p.File), weights)
	return 0
}

// On lavapipe, a device's memory is the process's.
func TestLoadingOntoDevicesTakesLittleHostMemory(t *testing.T) {
	enginetest.Devices(t, 1)
	memtest.WithoutRace(t)
	const chunk = 8 << 20
	res, err := memtest.Run(t.Context(), memtest.Child("devices-peak", model(t, "large", "q8_0"), "load=mmap", fmt.Sprint("chunk=", chunk), "ctx=128", "threads=1"), memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var above, weights int64
	if _, err := fmt.Sscan(string(res.Stdout), &above, &weights); err != nil || weights < 8*chunk {
		t.Fatal(res, err)
	}
	t.Logf("%d KiB above the loaded model, %d KiB of weights", above>>10, weights>>10)
	if above > 2*chunk {
		t.Errorf("%d bytes above the loaded model's memory, with chunks of %d", above, chunk)
	}
}

// childDevicesLimit generates with a driver that refuses buffers of some size.
func childDevicesLimit(args []string) int {
	path, o, so := parseChild(args)
	o.GPULayers, o.Session = all, so
	tokens, r, err := greedy(background, path, o, so, steps)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(r.GPULayers, r.Adjusted, tokens)
	return 0
}

func TestDevicesWhoseDriversRefuseMemory(t *testing.T) {
	enginetest.Devices(t, 1)
	path := model(t, "synthetic", "f16")
	run := func(env ...string) (string, string) {
		cmd := memtest.Child("devices-limit", path, "load=mmap", "ctx=128", "ubatch=32", "threads=1")
		cmd.Env = append(cmd.Environ(), env...)
		res, err := memtest.Run(t.Context(), cmd, memtest.Limits{})
		if err != nil || res.Code != 0 {
			t.Fatal(env, res, err)
		}
		before, tokens, _ := strings.Cut(string(res.Stdout), "] [")
		return before, tokens
	}
	_, want := run()
	for _, env := range [][]string{
		{"GGML_VK_FORCE_MAX_ALLOCATION_SIZE=1000000"},
		{"GGML_VK_FORCE_MAX_BUFFER_SIZE=1500000"},
		{"GGML_VK_FORCE_MAX_BUFFER_SIZE=1500000", "GGML_VK_FORCE_MAX_ALLOCATION_SIZE=1500000"},
	} {
		before, got := run(env...)
		t.Log(env, before)
		if got != want {
			t.Errorf("%v: tokens %s, want %s", env, got, want)
		}
		if !regexp.MustCompile(`^[0-4] \[`).MatchString(before) {
			t.Errorf("%v: %s", env, before)
		}
	}
}

// streamedBeside generates with some memory more than the smallest budget, and checks that the text is that
// of ample memory.
func streamedBeside(t *testing.T, shape string, o runtime.Options, more uint64) runtime.Report {
	t.Helper()
	path := model(t, shape, "f16")
	shallow := runtime.SessionOptions{Context: 64, UBatch: 32, Threads: 1}
	o.Load, o.ChunkSize, o.Session = runtime.LoadMMap, 1<<20, shallow
	want, _, err := greedy(t.Context(), path, o, shallow, steps)
	if err != nil {
		t.Fatal(err)
	}
	o.MaxMemory = 1
	_, err = runtime.Open(t.Context(), path, o)
	var least *memory.Error
	if !errors.As(err, &least) {
		t.Fatal(err)
	}
	o.MaxMemory = least.Requested + more
	got, r, err := greedy(t.Context(), path, o, shallow, steps)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "streamed", got, want)
	return r
}
