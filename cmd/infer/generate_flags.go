package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// generateConfig holds the flags of generating. Values have llama.cpp's meaning; options translates
// them for runtime.
type generateConfig struct {
	flags *flags

	model, prompt, file                        string
	escape, noEscape                           bool
	predict                                    int
	stop                                       []string
	echo, ignoreEOS, contextShift, lookup      bool
	ctx, batch, ubatch, threads, threadsBatch  int
	cacheK, cacheV, flash                      string
	load, packed, cacheDir                     string
	chunk, pool, maxMemory                     uint64
	fallbacks                                  []string
	noRepack, noPrefetch, noMMap, checkTensors bool
	gpuLayers                                  int
	gpuMargin                                  uint64
	splitMode                                  string
	mainGPU, cpuMoELayers                      int
	cpuMoE, noKVOffload                        bool
	tensorSplit                                []float32
	overrides                                  []runtime.TensorOverride
	adapters                                   []runtime.Adapter
	accept                                     func(*runtime.Vocabulary) error // see runtime.Options

	seed                               uint32
	random                             bool // no seed given, or -1
	temp, topP, minP, typical, topN    float32
	topK                               int
	repeatPenalty, presence, frequency float32
	repeatLastN                        int
	dynRange, dynExp                   float32
	xtcProbability, xtcThreshold       float32
	dryMultiplier, dryBase             float32
	dryAllowed, dryLastN               int
	dryBreakers                        []string
	mirostat                           int
	mirostatRate, mirostatEntropy      float32
	logitBias                          map[int32]float32
	grammar, grammarFile               string
	schema, schemaFile                 string

	json, quiet, noProgress bool
	verbose                 int

	chat chatConfig
}

// Topics of `infer help`, which keep --help short.
const (
	topicSampling = "sampling"
	topicMemory   = "memory"
)

// generateFlags defines the flags of generating.
func generateFlags() (*flags, *generateConfig) {
	f := newFlags()
	c := &generateConfig{flags: f, random: true}

	c.promptFlags(f)
	c.chat.chatFlags(f, true)
	c.generationFlags(f)
	c.samplingFlags(f)
	c.memoryFlags(f, topicMemory)
	c.outputFlags(f)

	// llama.cpp's other names for the same flags.
	f.BoolVarP(&c.escape, "escape", "e", true, "")
	f.BoolVar(&c.noMMap, "no-mmap", false, "")
	f.hide("escape", "no-mmap")
	return f, c
}

func (c *generateConfig) promptFlags(f *flags) {
	c.modelFlags(f)
	f.textOnce(&c.prompt, "prompt", "p", "TEXT", `the prompt: a model with a chat template answers it, others continue it; the escapes \n, \t, \", \\ and \xHH are replaced`)
	f.textOnce(&c.file, "file", "f", "FILE", "read the prompt from a file, - for standard input (the default without -p, unless it is a terminal); one newline at the end is dropped")
	f.BoolVar(&c.noEscape, "no-escape", false, `do not replace escapes such as \n in -p and --stop`)
}

// modelFlags defines the flags of the model.
func (c *generateConfig) modelFlags(f *flags) {
	f.group("Model and prompt")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file, the first of a set, the name of a model in a folder of $INFER_MODELS, or one that was pulled, as in org/repo:Q4_K_M (default tiny, which is embedded)")
	f.parsed("lora", "", "FILE", "apply a LoRA adapter (repeatable)", c.addAdapter(false))
	f.parsed("lora-scaled", "", "FILE:SCALE", "apply a LoRA adapter with a scale (repeatable)", c.addAdapter(true))
}

func (c *generateConfig) generationFlags(f *flags) {
	f.group("Generation")
	f.integer(&c.predict, "predict", "n", -1, -2, math.MaxInt32, "tokens to generate; -1 for no limit, -2 until the context is full")
	f.parsed("stop", "", "TEXT", "stop before this text (repeatable)", c.addStop)
	f.BoolVar(&c.ignoreEOS, "ignore-eos", false, "ignore the model's end token and go on")
	f.BoolVar(&c.contextShift, "context-shift", false, "when the context is full, drop half of it and go on")
	f.BoolVar(&c.lookup, "lookup", false, "draft tokens from earlier repetitions in the text and verify them in one pass: the same text, faster if it repeats itself")
	f.parsed("seed", "s", "N", "random seed; -1 for a new one each time (default -1)", c.setSeed)
	f.decimal(&c.temp, "temp", 0.8, 0, math.MaxFloat32, "temperature; 0 always takes the most likely token")
	f.integer(&c.topK, "top-k", "", 40, -1, math.MaxInt32, "sample among the N most likely tokens; 0 for all")
	f.decimal(&c.topP, "top-p", 0.95, 0, 1, "sample among the most likely tokens whose probabilities add up to this; 1 for all")
	f.decimal(&c.minP, "min-p", 0.05, 0, 1, "leave out tokens less likely than this fraction of the most likely token; 0 is off")
	c.repeatPenalty = 1
	f.Var(values.Decimal{P: &c.repeatPenalty, Max: math.MaxFloat32, Positive: true}, "repeat-penalty", "penalty for repeated tokens; 1 is off")
	f.text(&c.grammarFile, "grammar-file", "", "", "FILE", "restrict the text to the GBNF grammar in a file")
	f.text(&c.schema, "json-schema", "j", "", "TEXT|@FILE", "write JSON that is valid for a JSON schema ({} for any JSON)")
}

func (c *generateConfig) samplingFlags(f *flags) {
	f.topic = topicSampling
	defer func() { f.topic = "" }()
	f.group("More sampling")
	f.decimal(&c.typical, "typical", 1, 0, 1, "locally typical sampling; 1 is off")
	f.decimal(&c.topN, "top-nsigma", -1, -math.MaxFloat32, math.MaxFloat32, "top-n-sigma: leave out tokens this many standard deviations below the most likely; -1 is off")
	f.decimal(&c.dynRange, "dynatemp-range", 0, 0, math.MaxFloat32, "range by which the temperature varies with the entropy; 0 is off")
	f.decimal(&c.dynExp, "dynatemp-exp", 1, 0, math.MaxFloat32, "exponent of the dynamic temperature")
	f.decimal(&c.xtcProbability, "xtc-probability", 0, 0, 1, "XTC: probability of leaving out the most likely tokens; 0 is off")
	f.decimal(&c.xtcThreshold, "xtc-threshold", 0.1, 0, 1, "XTC: leave out tokens of at least this probability")
	f.integer(&c.mirostat, "mirostat", "", 0, 0, 2, "Mirostat version 1 or 2, in place of top-k, top-p, min-p and typical; 0 is off")
	f.decimal(&c.mirostatRate, "mirostat-lr", 0.1, 0, math.MaxFloat32, "Mirostat learning rate, eta")
	f.decimal(&c.mirostatEntropy, "mirostat-ent", 5, 0, math.MaxFloat32, "Mirostat target entropy, tau")
	f.group("Penalties")
	f.integer(&c.repeatLastN, "repeat-last-n", "", 64, -1, math.MaxInt32, "number of last tokens that the penalties consider; 0 is off, -1 the whole context")
	f.decimal(&c.presence, "presence-penalty", 0, -math.MaxFloat32, math.MaxFloat32, "penalty for each token that has occurred; 0 is off")
	f.decimal(&c.frequency, "frequency-penalty", 0, -math.MaxFloat32, math.MaxFloat32, "penalty for each occurrence of a token; 0 is off")
	f.decimal(&c.dryMultiplier, "dry-multiplier", 0, 0, math.MaxFloat32, "DRY: penalty for repeated sequences; 0 is off")
	f.decimal(&c.dryBase, "dry-base", 1.75, 0, math.MaxFloat32, "DRY: base of the penalty, raised to the length of the repetition")
	f.integer(&c.dryAllowed, "dry-allowed-length", "", 2, 1, math.MaxInt32, "DRY: longest repetition without a penalty")
	f.integer(&c.dryLastN, "dry-penalty-last-n", "", -1, -1, math.MaxInt32, "DRY: number of last tokens considered; 0 is off, -1 the whole context")
	f.parsed("dry-sequence-breaker", "", "TEXT", "DRY: text that ends a repeated sequence (repeatable; none for no such text; default newline, colon, quote and asterisk)", c.addBreaker)
	f.group("Constraints")
	f.parsed("logit-bias", "", "ID±BIAS", "add a bias to a token's logit, as in 15+2.5 or 15-inf (repeatable; also -l)", c.addBias)
	f.text(&c.grammar, "grammar", "", "", "TEXT", "restrict the text to a GBNF grammar")
	f.text(&c.schemaFile, "json-schema-file", "", "", "FILE", "write JSON that is valid for the JSON schema in a file (also -jf)")
}

// memoryFlags defines the flags for memory and speed. The rarer ones are under a topic of the help.
func (c *generateConfig) memoryFlags(f *flags, topic string) {
	f.group("Memory and speed")
	f.choice(&c.load, "load", "", "auto", []string{"auto", "mmap", "copy", "stock"}, "mmap maps the weights, copy copies them into private memory in a faster layout, auto chooses by the available memory; stock is llama.cpp's own loader, for comparison")
	f.choice(&c.packed, "packed", "", "auto", []string{"auto", "off", "require"}, "use the model's packed file from the cache (see 'infer pack'); require makes it first if it is missing")
	chunkFlag(f, &c.chunk)
	f.integer(&c.ctx, "ctx-size", "c", 0, 0, math.MaxInt32, "context in tokens; 0 for the length that the model was trained with (default the same, at most 4096)")
	f.integer(&c.threads, "threads", "t", -1, -1, 512, "threads (default at most one per core, fewer while other programs keep processors busy)")
	f.parsed("max-memory", "", "SIZE|auto|off", "memory budget for the weights, KV cache and buffers; weights that do not fit are streamed from the file; off leaves eviction to the system (default auto: the memory that is available)", c.setMaxMemory)
	f.parsed("fallback", "", "MODEL", "model to open instead if memory does not suffice (repeatable; tried in order)", c.addFallback)
	f.Var(values.Size{P: &c.pool}, "pool", "reserve this much memory first and allocate copied weights, KV cache and buffers from it")
	engineFlag(f)
	f.topic = topic
	defer func() { f.topic = "" }()
	f.group("More on memory and speed")
	f.integer(&c.batch, "batch-size", "b", 2048, 1, math.MaxInt32, "batch: tokens of the prompt submitted at once")
	f.integer(&c.ubatch, "ubatch-size", "", 512, 1, math.MaxInt32, "micro-batch: tokens computed at once (also -ub; default 512, fewer if the chunk size requires it)")
	f.integer(&c.threadsBatch, "threads-batch", "", -1, -1, 512, "threads for the prompt (also -tb; default as --threads)")
	f.choice(&c.cacheK, "cache-type-k", "", "f16", cacheTypes(), "`TYPE` of the K cache (also -ctk)")
	f.choice(&c.cacheV, "cache-type-v", "", "f16", cacheTypes(), "`TYPE` of the V cache (also -ctv); a quantised one needs flash attention. Types: "+strings.Join(cacheTypes(), ", "))
	c.flash = "auto"
	f.Var(values.FlashMode{Choice: values.Choice{P: &c.flash, Words: flashWords()}}, "flash-attn", "flash attention (also -fa)")
	c.deviceFlags(f)
	f.text(&c.cacheDir, "packed-cache", "", "", "DIR", "folder of packed files (default $INFER_PACKED_CACHE, or infer/packed in the user's cache folder)")
	f.BoolVar(&c.noRepack, "no-repack", false, "do not repack: keep copied weights in the layout of the file")
	f.BoolVar(&c.noPrefetch, "no-prefetch", false, "do not read mapped weights ahead: read them at first use")
	f.BoolVar(&c.checkTensors, "check-tensors", false, "read all weights at load and refuse invalid values")
}

// deviceFlags defines the flags for GPUs, with llama.cpp's names.
func (c *generateConfig) deviceFlags(f *flags) {
	f.VarP(values.LayerCount{Integer: values.Integer{P: &c.gpuLayers, Min: -1, Max: math.MaxInt32}}, "gpu-layers", "g", "layers to put on GPUs (also -ngl): a number, all (or -1), or auto for as many as fit beside one session; if a GPU refuses the memory, fewer are put there")
	f.Var(values.Size{P: &c.gpuMargin}, "gpu-margin", "memory of each GPU that -g auto leaves free (default a sixteenth of it, at least 256 MiB)")
	f.choice(&c.splitMode, "split-mode", "", "layer", []string{"layer", "none", "row"}, "how several GPUs are used (also -sm): layer by layer, only the main GPU, or each matrix by rows where the GPUs can")
	f.integer(&c.mainGPU, "main-gpu", "", 0, 0, math.MaxInt32, "the GPU for --split-mode none (also -mg), from 0 on, as 'infer probe' lists them")
	f.parsed("tensor-split", "", "N,N,…", "shares of the layers for each GPU (also -ts), as in 3,1 (default by free memory)", c.setTensorSplit)
	f.parsed("override-tensor", "", "PATTERN=GPU", "put tensors whose names match a regular expression on a GPU or the CPU (also -ot; repeatable, or separated by commas; the first match counts), as in exps=CPU", c.addOverrides)
	f.BoolVar(&c.cpuMoE, "cpu-moe", false, "keep the experts of all layers on the CPU (also -cmoe)")
	f.integer(&c.cpuMoELayers, "n-cpu-moe", "", 0, 0, 1<<20, "keep the experts of the first `N` layers on the CPU (also -ncmoe)")
	f.BoolVar(&c.noKVOffload, "no-kv-offload", false, "keep the KV cache in the CPU's memory (also -nkvo)")
}

// setTensorSplit reads shares separated by commas or slashes.
func (c *generateConfig) setTensorSplit(s string) error {
	c.tensorSplit = nil
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '/' }) {
		n, err := strconv.ParseFloat(strings.TrimSpace(part), 32)
		if err != nil || !(n >= 0 && n <= 1e9) {
			return errors.New("want numbers of at least 0, separated by commas, as in 3,1")
		}
		c.tensorSplit = append(c.tensorSplit, float32(n))
	}
	return nil
}

// addOverrides reads PATTERN=GPU, several separated by commas.
func (c *generateConfig) addOverrides(s string) error {
	for _, part := range strings.Split(s, ",") {
		pattern, device, ok := strings.Cut(part, "=")
		if !ok || pattern == "" || device == "" {
			return errors.New("want PATTERN=GPU, as in exps=CPU")
		}
		c.overrides = append(c.overrides, runtime.TensorOverride{Pattern: pattern, Device: device})
	}
	return nil
}

// deviceOptions translates the flags for GPUs.
func (c *generateConfig) deviceOptions(o *runtime.Options, s *runtime.SessionOptions) {
	switch {
	case c.gpuLayers == values.AutoLayers:
		o.GPULayers = runtime.GPULayersAuto
	case c.gpuLayers < 0:
		o.GPULayers = math.MaxInt32
	default:
		o.GPULayers = c.gpuLayers
	}
	o.DeviceMargin, o.MainGPU, o.TensorSplit, o.TensorOverrides = c.gpuMargin, c.mainGPU, c.tensorSplit, c.overrides
	o.SplitMode = map[string]llama.SplitMode{"none": llama.SplitNone, "row": llama.SplitRow}[c.splitMode]
	o.CPUExperts, o.CPUExpertLayers = c.cpuMoE, c.cpuMoELayers
	s.NoKVOffload = c.noKVOffload
}

func (c *generateConfig) outputFlags(f *flags) {
	f.group("Output")
	f.BoolVar(&c.echo, "echo", false, "print the prompt before the text")
	f.BoolVar(&c.json, "json", false, "print a JSON object per token, and one with the figures at the end")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, figures or warnings")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	f.CountVarP(&c.verbose, "verbose", "v", "log decisions to standard error; twice for more")
}

func flashWords() []string { return []string{"auto", "on", "off"} }

// cacheTypes are the types of KV caches that the engine's attention supports.
func cacheTypes() []string {
	return []string{"f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"}
}

func (c *generateConfig) setSeed(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1 || n > math.MaxUint32 {
		return fmt.Errorf("want a whole number (-1 to %d)", uint32(math.MaxUint32))
	}
	// llama.cpp's value for a new seed each time is the largest number.
	c.random = n == -1 || n == math.MaxUint32
	c.seed = uint32(n)
	return nil
}

func (c *generateConfig) addStop(s string) error {
	if s == "" {
		return errors.New("must not be empty")
	}
	c.stop = append(c.stop, s)
	return nil
}

func (c *generateConfig) addBreaker(s string) error {
	if s == "none" {
		c.dryBreakers = []string{}
		return nil
	}
	c.dryBreakers = append(c.dryBreakers, s)
	return nil
}

func (c *generateConfig) setMaxMemory(s string) error {
	switch s {
	case "auto":
		c.maxMemory = 0
	case "off":
		c.maxMemory = runtime.MaxMemoryOff
	default:
		n, err := values.ParseSize(s)
		if err != nil || n == 0 {
			return errors.New("want auto, off, or a size such as 256MiB, 4G or 1.5GB")
		}
		c.maxMemory = n
	}
	return nil
}

func (c *generateConfig) addFallback(s string) error {
	if s == "" {
		return errors.New("want the name or file of a model")
	}
	c.fallbacks = append(c.fallbacks, s)
	return nil
}

// addBias reads 15043+1, 15043-0.5 or 15043-inf.
func (c *generateConfig) addBias(s string) error {
	i := strings.IndexAny(s, "+-")
	bad := errors.New("want a token's number, + or -, and the bias, as in 15+2.5 or 15-inf")
	if i < 1 {
		return bad
	}
	id, err := strconv.ParseInt(s[:i], 10, 32)
	if err != nil {
		return bad
	}
	bias, err := strconv.ParseFloat(s[i:], 32)
	if err != nil || math.IsNaN(bias) || math.IsInf(bias, 1) {
		return bad
	}
	if c.logitBias == nil {
		c.logitBias = map[int32]float32{}
	}
	c.logitBias[int32(id)] = float32(bias)
	return nil
}

// addAdapter returns the setter of --lora and --lora-scaled.
func (c *generateConfig) addAdapter(scaled bool) func(string) error {
	return func(s string) error {
		a := runtime.Adapter{Path: s}
		if scaled {
			i := strings.LastIndexByte(s, ':')
			if i < 1 {
				return errors.New("want FILE:SCALE")
			}
			scale, err := strconv.ParseFloat(s[i+1:], 32)
			if err != nil || math.IsNaN(scale) || math.IsInf(scale, 0) {
				return errors.New("want FILE:SCALE, and a number for SCALE")
			}
			a = runtime.Adapter{Path: s[:i], Scale: float32(scale)}
			if scale == 0 {
				return nil // a scale of 0 has no effect
			}
		}
		if a.Path == "" {
			return errors.New("want a file")
		}
		c.adapters = append(c.adapters, a)
		return nil
	}
}

// options translates the flags into runtime's options. It reads no files.
func (c *generateConfig) options() (o runtime.Options, s runtime.SessionOptions, g runtime.GenerateOptions, err error) {
	given := c.flags.Changed
	if o.Load, err = runtime.ParseLoadMode(c.load); err != nil {
		return o, s, g, err
	}
	if c.noMMap && !given("load") {
		o.Load = runtime.LoadCopy
	}
	o.ChunkSize, o.NoRepack, o.NoPrefetch, o.CheckTensors = c.chunk, c.noRepack, c.noPrefetch, c.checkTensors
	if o.Packed, err = runtime.ParsePackedMode(c.packed); err != nil {
		return o, s, g, err
	}
	o.CacheDir = c.cacheDir
	o.Adapters, o.Fallbacks = c.adapters, c.fallbacks
	o.MaxMemory = c.maxMemory
	c.deviceOptions(&o, &s)

	if given("ctx-size") && c.ctx == 0 {
		c.ctx = -1
	}
	s.Context, s.Threads, s.BatchThreads = c.ctx, max(c.threads, 0), max(c.threadsBatch, 0)
	if given("batch-size") {
		s.Batch = c.batch
	}
	if given("ubatch-size") {
		s.UBatch = c.ubatch
	}
	// Values that are not given may be lowered if memory is short.
	if given("cache-type-k") || given("cache-type-v") {
		s.CacheTypeK, s.CacheTypeV = c.cacheK, c.cacheV
	}
	switch c.flash {
	case "on":
		s.FlashAttention = llama.FlashOn
	case "off":
		s.FlashAttention = llama.FlashOff
		if strings.Contains(c.cacheV, "q") {
			return o, s, g, usagef("--cache-type-v %s needs flash attention, and --flash-attn is off", c.cacheV)
		}
	}

	g.MaxTokens = max(c.predict, 0)
	g.IgnoreEOG, g.Lookup = c.ignoreEOS, c.lookup
	if c.contextShift && c.predict != -2 {
		g.Overflow = runtime.OverflowShift
	}
	for _, stop := range c.stop {
		if c.escapes() {
			stop = texts.Unescape(stop)
		}
		g.Stop = append(g.Stop, stop)
	}
	var constraint string
	for _, name := range []string{"grammar", "grammar-file", "json-schema", "json-schema-file"} {
		if !given(name) {
			continue
		}
		if constraint != "" {
			return o, s, g, usagef("--%s and --%s exclude each other", constraint, name)
		}
		constraint = name
		if c.flags.Lookup(name).Value.String() == "" {
			return o, s, g, usagef("--%s: the text is empty", name)
		}
	}
	g.Sampling = c.sampling()
	return o, s, g, nil
}

// escapes reports whether escapes in -p and --stop are replaced.
func (c *generateConfig) escapes() bool { return c.escape && !c.noEscape }

// sampling translates llama.cpp's values, where zero is an ordinary value, to runtime's, where zero
// means the default.
func (c *generateConfig) sampling() runtime.Sampling {
	s := runtime.Sampling{
		Temperature:   off(c.temp),
		DynatempRange: c.dynRange, DynatempExponent: tiny(c.dynExp),
		TopK: off(max(c.topK, 0)), TopP: tiny(c.topP), MinP: off(c.minP), TypicalP: tiny(c.typical), TopNSigma: max(c.topN, 0),
		XTCProbability: c.xtcProbability, XTCThreshold: tiny(c.xtcThreshold),
		Mirostat: c.mirostat, MirostatTau: tiny(c.mirostatEntropy), MirostatEta: tiny(c.mirostatRate),
		PenaltyLastN: off(c.repeatLastN), RepeatPenalty: c.repeatPenalty, FrequencyPenalty: c.frequency, PresencePenalty: c.presence,
		DRYMultiplier: c.dryMultiplier, DRYBase: tiny(c.dryBase), DRYAllowedLength: c.dryAllowed, DRYPenaltyLastN: off(c.dryLastN),
		DRYBreakers: c.dryBreakers, LogitBias: c.logitBias, Grammar: c.grammar,
	}
	if c.dryBase < 1 { // the engine's convention
		s.DRYBase = runtime.Off
	}
	if !c.random {
		s.Seed = &c.seed
	}
	return s
}

// off translates a number whose zero switches a step off.
func off[T int | float32](n T) T {
	if n == 0 {
		return runtime.Off
	}
	return n
}

// tiny translates an explicit zero into a very small number, which has the same effect.
func tiny(f float32) float32 {
	if f == 0 {
		return 1e-9
	}
	return f
}
