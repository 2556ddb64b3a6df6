package llama

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Names of the enumerations' values, which count from 0.
var (
	splitNames     = []string{"layer", "none", "row"}
	flashNames     = []string{"auto", "off", "on"}
	poolingNames   = []string{"default", "none", "mean", "cls", "last", "rank"}
	attentionNames = []string{"default", "causal", "non-causal"}
	ropeNames      = []string{"default", "none", "linear", "yarn", "longrope"}
	weightNames    = []string{"host", "repack", "device"}
)

// String is the value's name.
func (m SplitMode) String() string { return enumName("SplitMode", m, splitNames) }

// String is the value's name.
func (f FlashAttention) String() string { return enumName("FlashAttention", f, flashNames) }

// MarshalText writes the value's name.
func (f FlashAttention) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// String is the value's name.
func (p Pooling) String() string { return enumName("Pooling", p, poolingNames) }

// String is the value's name.
func (a Attention) String() string { return enumName("Attention", a, attentionNames) }

// String is the value's name.
func (r RopeScaling) String() string { return enumName("RopeScaling", r, ropeNames) }

// String is the value's name.
func (k WeightKind) String() string { return enumName("WeightKind", k, weightNames) }

var purposeNames = [...]string{PurposeWeights: "weights", PurposeKV: "kv", PurposeCompute: "compute", PurposeOutput: "output"}

// String returns the purpose's name: weights, kv, compute or output.
func (p Purpose) String() string {
	if p == 0 || int(p) >= len(purposeNames) {
		return fmt.Sprintf("Purpose(%d)", uint8(p))
	}
	return purposeNames[p]
}

func enumName[E ~int | ~int32](typ string, v E, names []string) string {
	if v < 0 || int(v) >= len(names) {
		return fmt.Sprintf("%s(%d)", typ, int(v))
	}
	return names[v]
}

// enumeration refuses values that have no name.
func enumeration[E ~int | ~int32](what string, v E, names []string) error {
	if v < 0 || int(v) >= len(names) {
		return invalid(what, int(v), "out of range (0 to %d): use one of %s", len(names)-1, strings.Join(names, ", "))
	}
	return nil
}

const (
	maxTokens = 1 << 30 // of a context
	maxShards = 1<<16 - 1
)

// Check returns an [ErrArgument] for parameters that are invalid for every model. LoadModel calls
// it.
func (p ModelParams) Check() error {
	for _, err := range []error{
		integer("layers on devices", p.GPULayers, 0, math.MaxInt),
		integer("main GPU", p.MainGPU, 0, math.MaxInt32),
		enumeration("split mode", p.Split, splitNames),
		integer("shards", len(p.Shards), 0, maxShards),
	} {
		if err != nil {
			return err
		}
	}
	for i, share := range p.TensorSplit {
		if err := number(fmt.Sprintf("share %d of the tensor split", i), share, 0, finite); err != nil {
			return err
		}
	}
	return nil
}

// Check returns an [ErrArgument] for parameters that are invalid for every model. NewContext calls
// it.
func (p ContextParams) Check() error {
	for _, err := range []error{
		integer("context", p.Ctx, -1, maxTokens),
		integer("batch", p.Batch, 0, 1<<24),
		integer("micro-batch", p.UBatch, 0, 1<<24),
		integer("outputs", p.Outputs, 0, 1<<24),
		integer("context of YaRN", p.YaRNOrigCtx, 0, maxTokens),
		enumeration("flash attention", p.FlashAttn, flashNames),
		enumeration("pooling", p.Pooling, poolingNames),
		enumeration("attention", p.Attention, attentionNames),
		enumeration("rope scaling", p.RopeScaling, ropeNames),
		number("rope frequency base", p.RopeFreqBase, 0, finite),
		number("rope frequency scale", p.RopeFreqScale, 0, finite),
		number("YaRN extrapolation factor", p.YaRNExtFactor, -finite, finite),
		number("YaRN attention factor", p.YaRNAttnFactor, -finite, finite),
		number("YaRN beta fast", p.YaRNBetaFast, -finite, finite),
		number("YaRN beta slow", p.YaRNBetaSlow, -finite, finite),
		cacheType("K", p.CacheTypeK),
		cacheType("V", p.CacheTypeV),
	} {
		if err != nil {
			return err
		}
	}
	if p.FlashAttn == FlashOff && QuantisedCache(p.CacheTypeV) {
		return invalid("V cache type", strconv.Quote(p.CacheTypeV), "needs flash attention: use FlashAuto, FlashOn or another type")
	}
	return nil
}

// plainCaches and quantisedCaches are the types of K and V caches.
var (
	plainCaches     = []string{"f32", "f16", "bf16"}
	quantisedCaches = []string{"q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"}
)

// CacheTypes lists the types that the K and V caches can have.
func CacheTypes() []string { return slices.Concat(plainCaches, quantisedCaches) }

// QuantisedCache reports whether a type of cache is quantised: a quantised V cache needs flash
// attention.
func QuantisedCache(name string) bool { return slices.Contains(quantisedCaches, name) }

func cacheType(which, name string) error {
	if name != "" && !slices.Contains(CacheTypes(), name) {
		return invalid(which+" cache type", strconv.Quote(name), "is not supported: use one of %s", strings.Join(CacheTypes(), ", "))
	}
	return nil
}

// number refuses v unless lo <= v <= hi; NaN is refused.
func number(name string, v, lo, hi float32) error {
	if !(v >= lo && v <= hi) {
		return invalid(name, v, "out of range (%g to %g)", lo, hi)
	}
	return nil
}

// finite is the range of numbers without narrower bounds.
const finite = math.MaxFloat32

func integer(name string, v, lo, hi int) error {
	if v < lo || v > hi {
		return invalid(name, v, "out of range (%d to %d)", lo, hi)
	}
	return nil
}
