package models

import (
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// Architectures, as GGUF names them.
const (
	archLlama         = "llama"
	archQwen3MoE      = "qwen3moe"
	archGptOss        = "gpt-oss"
	archGraniteHybrid = "granitehybrid"
)

var archs = []string{archLlama, archQwen3MoE, archGptOss, archGraniteHybrid}

// arch is the architecture's name.
func (s Shape) arch() string {
	if s.Arch == "" {
		return archLlama
	}
	return s.Arch
}

func (s Shape) checkArch() error {
	switch arch := s.arch(); {
	case !slices.Contains(archs, arch):
		return shapeError(keyArch, arch, "unknown arch %q%s, the architectures are %s", arch, didYouMean(arch, archs), strings.Join(archs, ", "))
	case (arch == archQwen3MoE || arch == archGptOss) && s.Experts == 0:
		return shapeError("experts", 0, "%s is always a mixture: set experts", arch)
	case arch != archGptOss && s.Window > 0:
		return shapeError("window", s.Window, "window is %d, but only %s has one, not %s", s.Window, archGptOss, arch)
	case arch == archGraniteHybrid && s.Layers < 2:
		return shapeError("layers", s.Layers, "layers is %d, must be at least 2 with %s", s.Layers, arch)
	case arch == archGraniteHybrid && s.stateWidth()%stateHead != 0:
		return shapeError("width", s.Width, "width %d is not a multiple of %d, which %s requires", s.Width, stateHead/2, arch)
	}
	return nil
}

// Every fourth layer of a hybrid has attention, and the last one.
const attentionEvery = 4

// recurrent reports whether a layer has a state in place of attention.
func (s Shape) recurrent(layer int) bool {
	return s.Arch == archGraniteHybrid && layer%attentionEvery != attentionEvery-1 && layer != s.Layers-1
}

// attentionLayers is the number of layers with attention below a layer.
func (s Shape) attentionLayers(below int) int {
	n := 0
	for layer := range below {
		if !s.recurrent(layer) {
			n++
		}
	}
	return n
}

// Sizes of the state of a recurrent layer, those of Granite 4.
const (
	stateSize   = 128
	stateHead   = 64 // values of a head
	stateGroups = 1
	stateConv   = 4
)

// stateWidth is the number of values that have a state.
func (s Shape) stateWidth() int { return 2 * s.Width }

func (s Shape) stateHeads() int { return s.stateWidth() / stateHead }

// sharedFFN is the width of the expert that each token passes, 0 if there is none.
func (s Shape) sharedFFN() int {
	if s.Arch == archGraniteHybrid && s.Experts > 0 {
		return s.FFN
	}
	return 0
}

// describeArch sets the keys that not all architectures have.
func describeArch(w *gguf.Writer, s Shape) {
	add := func(key string, n int) { w.Add(s.arch()+"."+key, gguf.Uint32Value(uint32(n))) }
	if s.HeadSize > 0 {
		add("attention.key_length", s.HeadSize)
		add("attention.value_length", s.HeadSize)
	}
	switch s.Arch {
	case archQwen3MoE:
		add("expert_feed_forward_length", s.FFN)
	case archGptOss:
		add("expert_feed_forward_length", s.FFN)
		add("attention.sliding_window", s.Window)
	case archGraniteHybrid:
		add("ssm.conv_kernel", stateConv)
		add("ssm.inner_size", s.stateWidth())
		add("ssm.state_size", stateSize)
		add("ssm.time_step_rank", s.stateHeads())
		add("ssm.group_count", stateGroups)
		if n := s.sharedFFN(); n > 0 {
			add("expert_shared_feed_forward_length", n)
		}
	}
}

// keyHeads is the value of head_count_kv: one number, or one for each layer of a hybrid,
// 0 where it has a state.
func (s Shape) keyHeads() gguf.Value {
	if s.Arch != archGraniteHybrid {
		return gguf.Uint32Value(uint32(s.KVHeads))
	}
	heads := make([]int32, s.Layers)
	for layer := range heads {
		if !s.recurrent(layer) {
			heads[layer] = int32(s.KVHeads)
		}
	}
	return gguf.Int32sValue(heads)
}
