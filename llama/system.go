//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"
)

// hasEngine reports whether this build has the engine.
const hasEngine = true

// Devices lists the devices that the engine found, including the CPU: ggml_backend_dev_get and
// related functions. Free and total memory are the driver's current figures.
func Devices() ([]Device, error) {
	if err := start(); err != nil {
		return nil, err
	}
	var devices []Device
	for i := range C.infer_ggml_backend_dev_count() {
		d := C.infer_ggml_backend_dev_get(i)
		var free, total C.size_t
		C.infer_ggml_backend_dev_memory(d, &free, &total)
		kind := map[C.enum_ggml_backend_dev_type]string{C.GGML_BACKEND_DEVICE_TYPE_CPU: "cpu", C.GGML_BACKEND_DEVICE_TYPE_GPU: "gpu",
			C.GGML_BACKEND_DEVICE_TYPE_IGPU: "igpu", C.GGML_BACKEND_DEVICE_TYPE_ACCEL: "accel"}[C.infer_ggml_backend_dev_type(d)]
		devices = append(devices, Device{C.GoString(C.infer_ggml_backend_dev_name(d)), C.GoString(C.infer_ggml_backend_dev_description(d)), kind, uint64(free), uint64(total), uint64(C.infer_device_largest(i))})
	}
	return devices, nil
}

// LoadBackends loads GPU backends from the shared libraries in a folder:
// ggml_backend_load_all_from_path. They run as code of this process. They must have been built
// together with this version of the engine; otherwise, and without the library of ggml's base
// functions (libggml-base) beside them, the error wraps [ErrEngineVersion] and nothing is loaded.
// The same holds for the library that $GGML_BACKEND_PATH names. [Devices] lists the devices found.
func LoadBackends(dir string) error {
	if err := start(); err != nil {
		return err
	}
	c, err := cPath(dir)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(c))
	if err := checkBackends(dir); err != nil {
		return err
	}
	if path := os.Getenv("GGML_BACKEND_PATH"); path != "" {
		if err := checkBackends(filepath.Dir(path)); err != nil {
			return err
		}
	}
	C.infer_ggml_backend_load_all_from_path(c)
	C.infer_devices_changed()
	return nil
}

// checkBackends returns why the libraries of a folder are not for this engine.
func checkBackends(dir string) error {
	dir, err := filepath.Abs(dir) // the system looks for a name without a folder in its own places
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	base, found := "", false
	for _, e := range entries {
		name, ext, _ := strings.Cut(strings.TrimPrefix(e.Name(), "lib"), ".")
		ext, _, _ = strings.Cut(ext, ".") // without a version
		switch {
		case !strings.HasPrefix(name, "ggml-") || ext != "so" && ext != "dll" && ext != "dylib":
		case name == "ggml-base":
			base = filepath.Join(dir, e.Name())
		default:
			found = true
		}
	}
	switch {
	case base == "" && !found:
		return nil
	case base == "":
		return fmt.Errorf("%w: backends in %q: there is no libggml-base, which tells the engine that they were built for", ErrEngineVersion, dir)
	}
	c, err := cPath(base)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(c))
	var failed C.infer_error
	if !C.infer_backends_fit(c, &failed) {
		return fmt.Errorf("%w: backends in %q: %s: use those built together with llama.cpp %s", ErrEngineVersion, dir, C.GoString(&failed.what[0]), EngineCommit)
	}
	return nil
}

// SupportsGPU reports whether layers can be offloaded: llama_supports_gpu_offload.
func SupportsGPU() bool { return start() == nil && bool(C.infer_llama_supports_gpu_offload()) }

// MaxDevices is the number of devices that the engine can use at once, and the length
// of [ModelParams].TensorSplit at most: llama_max_devices.
func MaxDevices() int { return int(C.infer_llama_max_devices()) }

// SupportsMMap reports whether the engine can map files: llama_supports_mmap.
func SupportsMMap() bool { return bool(C.infer_llama_supports_mmap()) }

// SupportsMLock reports whether the engine can lock memory: llama_supports_mlock.
func SupportsMLock() bool { return bool(C.infer_llama_supports_mlock()) }

// SystemInfo is llama.cpp's line about backends and features:
// llama_print_system_info.
func SystemInfo() string {
	if start() != nil {
		return ""
	}
	return C.GoString(C.infer_llama_print_system_info())
}

// CanRepack reports whether the engine was compiled to convert weights to the layout
// that is fastest on the CPU.
func CanRepack() bool { return start() == nil && C.infer_repack_types() > 0 }

// Repacks returns the names of what converts weights for this CPU, such as CPU_REPACK and AMX.
func Repacks() []string {
	if start() != nil {
		return nil
	}
	var names []string
	for i := range C.infer_repack_types() {
		names = append(names, C.GoString(C.infer_repack_type(i)))
	}
	return names
}

// chooseKernels chooses the kernels. $INFER_KERNELS is for comparisons: the name of an instruction set, or
// "engine" for the engine's. If it is not set, the fastest of this CPU are chosen.
func chooseKernels() error {
	name := os.Getenv("INFER_KERNELS")
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	if !C.infer_kernels_choose(c) {
		return argument("INFER_KERNELS=%q: want engine, or avx512_vnni, avx_vnni or avx2 where the CPU has it", name)
	}
	return nil
}

// Kernels returns the instruction set of this package's own kernels: avx512_vnni, avx_vnni or avx2. They
// multiply weights by the vectors of tokens: repacked weights of types Q4_0 and Q4_K by those of two
// tokens and more, and weights in the file's layout by those of one and more (Q4_0, Q8_0, MXFP4), two and more (Q4_K,
// Q5_K, IQ4_XS), or four and more (Q6_K). A type that the engine repacks into another layout is left to the engine.
// Kernels is empty where all types are: on CPUs without AVX2, on macOS, and with engines that do not repack.
func Kernels() string {
	if start() != nil || !C.infer_kernels_used() {
		return ""
	}
	return C.GoString(C.infer_kernels_chosen())
}

// product is a multiplication of random matrices of a type, rows by length, by the vectors of several tokens. Each
// token chooses some of the experts' matrices, if there are any.
type product struct {
	typ                                  TensorType
	length, rows, vectors, experts, each int
	plain                                bool // not repacked
	numbers                              numbers
}

// numbers is what numbers a product multiplies.
type numbers int

const (
	randomNumbers   numbers = iota
	largestSums             // of integers
	extremeFloats           // also the smallest and largest, and zeros
	infiniteNumbers         // also NaN
)

// agrees reports whether the kernels compute the bits that the engine computes token by token.
func (p product) agrees() bool {
	return start() == nil && bool(C.infer_kernel_agrees(C.enum_ggml_type(p.typ), C.int64_t(p.length), C.int64_t(p.rows), C.int64_t(p.vectors), C.int64_t(p.experts), C.int64_t(p.each), C.bool(p.plain), C.int(p.numbers)))
}

// Optimized reports whether the compiler was told to optimise this package's native code,
// which is compiled with the same flags as the engine's.
func Optimized() bool { return bool(C.infer_optimized()) }

// CompiledFeatures lists the instruction sets that the engine was compiled for:
// ggml_cpu_has_avx and its siblings.
func CompiledFeatures() []string {
	var names []string
	for _, f := range []struct {
		name string
		has  C.int
	}{
		{"sse3", C.infer_ggml_cpu_has_sse3()}, {"ssse3", C.infer_ggml_cpu_has_ssse3()}, {"avx", C.infer_ggml_cpu_has_avx()}, {"avx2", C.infer_ggml_cpu_has_avx2()},
		{"fma", C.infer_ggml_cpu_has_fma()}, {"f16c", C.infer_ggml_cpu_has_f16c()}, {"bmi2", C.infer_ggml_cpu_has_bmi2()}, {"avx_vnni", C.infer_ggml_cpu_has_avx_vnni()},
		{"avx512", C.infer_ggml_cpu_has_avx512()}, {"avx512_vbmi", C.infer_ggml_cpu_has_avx512_vbmi()}, {"avx512_vnni", C.infer_ggml_cpu_has_avx512_vnni()},
		{"avx512_bf16", C.infer_ggml_cpu_has_avx512_bf16()},
		{"neon", C.infer_ggml_cpu_has_neon()}, {"arm_fma", C.infer_ggml_cpu_has_arm_fma()}, {"fp16_va", C.infer_ggml_cpu_has_fp16_va()}, {"dotprod", C.infer_ggml_cpu_has_dotprod()},
		{"matmul_int8", C.infer_ggml_cpu_has_matmul_int8()}, {"sve", C.infer_ggml_cpu_has_sve()}, {"sme", C.infer_ggml_cpu_has_sme()},
	} {
		if f.has != 0 {
			names = append(names, f.name)
		}
	}
	return names
}
