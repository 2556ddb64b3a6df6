package planview

import (
	"math"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

func TestEachDeviceHasARow(t *testing.T) {
	f := &runtime.Forecast{GPULayers: 5, Devices: []runtime.DeviceNeed{
		{Name: "Vulkan0", Total: 2 << 30, Free: 1 << 30, LargestBuffer: 1 << 29, Weights: 1 << 29, KV: 1 << 20, Compute: 2 << 20},
		{Name: "CUDA1", Total: 4 << 30, Free: 1 << 30, LargestBuffer: math.MaxUint64, Weights: 2 << 30},
	}}
	var b strings.Builder
	if err := Print(&b, f, 80, func([]memory.Remedy) []string { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  device   total     free      largest buffer  weights   KV cache  compute  fits now\n",
		"  Vulkan0  2.00 GiB  1.00 GiB  512 MiB         512 MiB   1.0 MiB   2.0 MiB  yes\n",
		"  CUDA1    4.00 GiB  1.00 GiB  -               2.00 GiB  0 bytes   0 bytes  no, 1.00 GiB short\n",
		"  5 layers of the model on devices (the output is one)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}
