package runtime

import "github.com/seed7adf6694/infer/llama"

// SystemInfo is what the engine was built for and what it found.
type SystemInfo struct {
	EngineVersion string         `json:"engine_version"` // of the Go module that carries it
	EngineCommit  string         `json:"engine_commit"`  // of llama.cpp
	Compiled      []string       `json:"cpu_compiled"`   // instruction sets in use
	Available     []string       `json:"cpu_available"`  // instruction sets of this CPU
	Missing       []string       `json:"cpu_missing"`    // what the build lacks and speed wants
	Repack        bool           `json:"repack"`         // weights can be converted for this CPU
	Devices       []llama.Device `json:"devices"`
	GPUOffload    bool           `json:"gpu_offload"`
}

// System describes the engine. Without one (cgo off) the error is [ErrNoEngine].
func System() (SystemInfo, error) {
	devices, err := llama.Devices()
	return SystemInfo{
		EngineVersion: llama.EngineVersion, EngineCommit: llama.EngineCommit,
		Compiled: llama.CompiledFeatures(), Available: llama.AvailableFeatures(), Missing: llama.MissingFeatures(), Repack: llama.CanRepack(),
		Devices: devices, GPUOffload: llama.SupportsGPU(),
	}, err
}
