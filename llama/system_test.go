//go:build cgo

package llama_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

func TestDevices(t *testing.T) {
	devices, err := llama.Devices()
	if err != nil {
		t.Fatal(err)
	}
	cpus := 0
	for _, d := range devices {
		if d.Name == "" || d.Description == "" || !slices.Contains([]string{"cpu", "gpu", "igpu", "accel"}, d.Kind) || d.MemoryFree > d.MemoryTotal {
			t.Errorf("device %+v", d)
		}
		if d.Kind == "cpu" {
			cpus++
			if d.MemoryTotal == 0 {
				t.Errorf("the CPU has no memory: %+v", d)
			}
		}
	}
	if cpus != 1 {
		t.Errorf("%d CPUs among %+v", cpus, devices)
	}
	if len(devices) > llama.MaxDevices() {
		t.Errorf("%d devices, the engine uses %d at most", len(devices), llama.MaxDevices())
	}
	if gpu := slices.ContainsFunc(devices, func(d llama.Device) bool { return d.Kind == "gpu" || d.Kind == "igpu" }); gpu != llama.SupportsGPU() {
		t.Errorf("GPU among the devices: %v, SupportsGPU: %v", gpu, llama.SupportsGPU())
	}
}

func TestSystemInfo(t *testing.T) {
	info := llama.SystemInfo()
	if !strings.Contains(info, "CPU") || strings.ContainsRune(info, 0) {
		t.Errorf("system info %q", info)
	}
	t.Run("its line names the instruction sets that CompiledFeatures lists", func(t *testing.T) {
		upper := strings.ToUpper(info)
		for _, f := range llama.CompiledFeatures() {
			if !strings.Contains(upper, strings.ToUpper(f)+" = 1") {
				t.Errorf("%s is not in %q", f, info)
			}
		}
	})
}

func TestFeatures(t *testing.T) {
	compiled, available, missing := llama.CompiledFeatures(), llama.AvailableFeatures(), llama.MissingFeatures()
	t.Run("the running engine was compiled for nothing that this CPU lacks", func(t *testing.T) {
		switch runtime.GOARCH {
		case "amd64", "arm64":
		default:
			t.Skip("no list of features for", runtime.GOARCH)
		}
		for _, f := range compiled {
			// sme is not among what Go can tell.
			if !slices.Contains(available, f) && f != "sme" {
				t.Errorf("compiled for %s, the CPU has %v", f, available)
			}
		}
	})
	t.Run("what is missing is had by the CPU and not by the engine", func(t *testing.T) {
		for _, f := range missing {
			if f == "compiler optimisation" {
				if llama.Optimized() {
					t.Error("optimised, and said not to be")
				}
				continue
			}
			if slices.Contains(compiled, f) || !slices.Contains(available, f) {
				t.Errorf("%s: compiled for %v, available are %v", f, compiled, available)
			}
		}
	})
	if !llama.Optimized() && !slices.Contains(missing, "compiler optimisation") {
		t.Error("not optimised, and nothing is said about it")
	}
	if !llama.SupportsMMap() {
		t.Error("the engine cannot map files")
	}
}

func TestLoadBackends(t *testing.T) {
	before, err := llama.Devices()
	if err != nil {
		t.Fatal(err)
	}
	if err := llama.LoadBackends("a\x00b"); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("a path with a NUL: %v, want ErrArgument", err)
	}
	if err := llama.LoadBackends(t.TempDir()); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	after, err := llama.Devices()
	if err != nil || len(after) != len(before) {
		t.Errorf("%d devices before an empty folder, %d after it, %v", len(before), len(after), err)
	}
}
