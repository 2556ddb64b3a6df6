package runtime

import (
	"log/slog"
	"math"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/residency/replay"
)

// LoadMode is how weights are brought into memory.
type LoadMode int

const (
	// LoadAuto chooses a mode by the memory that is available; [Report].LoadReason says why.
	// Weights are copied only if no session option has to be lowered for the copy.
	LoadAuto LoadMode = iota
	// LoadMMap maps the file chunk by chunk: shared between processes, evictable,
	// not charged as committed memory.
	LoadMMap
	// LoadCopy copies the weights into blocks of private memory of at most the chunk size,
	// repacked into the fastest layout for this CPU if the engine has one.
	LoadCopy
	// LoadStock lets the engine map the whole file at once, as llama.cpp does by default.
	// It is meant for comparisons. If the file does not fit into memory, the system reads
	// all of it again for each token. It is refused if the engine's private memory, repacked
	// weights and KV cache, does not fit.
	LoadStock
)

var loadModes = []string{"auto", "mmap", "copy", "stock"}

func (m LoadMode) String() string { return enumName("LoadMode", m, loadModes) }

// ParseLoadMode is the inverse of String. An unknown name is an [ErrOption].
func ParseLoadMode(s string) (LoadMode, error) { return parseEnum[LoadMode]("load mode", s, loadModes) }

// Options are the options of [Open].
type Options struct {
	Load LoadMode
	// ChunkSize is the most that is mapped or committed at once, in bytes; 0: 256 MiB, or
	// half the largest free block if that is less.
	ChunkSize uint64
	// NoRepack keeps copied weights in the file's layout: the results and the speed are
	// those of mapped weights.
	NoRepack bool
	// Packed is whether packed files are cached and opened instead of the model's file: see
	// [PackedAuto], the default.
	Packed PackedMode
	// CacheDir is the folder of that cache; "": see [PackedCache].
	CacheDir string
	// NoPrefetch does not read mapped weights ahead: each page is read at its first use.
	NoPrefetch bool
	// CheckTensors reads all weights before they are loaded, and refuses invalid values (NaN, infinities).
	// Weights in the layout of a packed file are compared with their checksums, and those of the model that
	// it was made from are checked, if that is there.
	CheckTensors bool
	// GPULayers is how many layers are placed on devices: the last ones, where the output counts as
	// the very last; a number above the model's means all. With [GPULayersAuto] they are as many as
	// fit beside one session. The weights are read piece by piece and are not kept in host memory.
	// If a device refuses the memory, fewer layers are placed there: [Report].Adjusted says so.
	GPULayers int
	// DeviceMargin is how many bytes of each device GPULayersAuto leaves free; 0: a sixteenth of its
	// memory, at least 256 MiB.
	DeviceMargin uint64
	// SplitMode, MainGPU and TensorSplit distribute layers over several devices, as llama.cpp's
	// --split-mode, --main-gpu and --tensor-split do: by layers in proportion to TensorSplit, or to
	// the devices' free memory; all to the device MainGPU; or each matrix by rows, where the device
	// can.
	SplitMode   llama.SplitMode
	MainGPU     int
	TensorSplit []float32
	// TensorOverrides put single tensors on another device, or in host memory; the first whose
	// pattern matches counts. CPUExperts then keeps the experts of all layers in host memory, or
	// CPUExpertLayers those of the first layers.
	TensorOverrides []TensorOverride
	CPUExperts      bool
	CPUExpertLayers int
	// Adapters are LoRA adapters that every session applies.
	Adapters []Adapter
	// MaxMemory is how many bytes the model may keep resident: weights, KV caches and
	// buffers together. Mapped weights that do not fit are streamed from the file, layer by
	// layer. Copied weights are not streamed: LoadCopy is refused where they and the sessions do
	// not fit, and LoadAuto maps them there. LoadStock can keep no budget, and is refused. 0: a
	// budget by the available memory, if the model exceeds it; MaxMemoryOff: no budget. See
	// [Model.SetMaxMemory] and [Report].Residency.
	MaxMemory uint64
	// Trace are choices of experts, of a mixture with the model's number of experts. [Plan] replays
	// them with the slots that a budget has; Open ignores them. See [BudgetPlan].Trace.
	Trace *replay.Trace
	// Session are the options of the sessions to come: Open makes sure that there is room
	// for one. If there is not enough memory, Open lowers fields that are zero, and sessions
	// that leave these fields zero get the lowered values. Fields that are set are never
	// changed. See [Report].Adjusted.
	Session SessionOptions
	// Generate, if set, are the options of the generations to come: Open refuses what
	// [Session.Generate] would refuse, before weights are read (with LoadStock, after).
	Generate *GenerateOptions
	// Accept, if set, is called with the model's vocabulary and chat templates before weights are read
	// (with LoadStock, after). An error refuses the model. It may be called again, for another load
	// mode and for each of Fallbacks. The vocabulary can be used until Accept returns.
	Accept func(*Vocabulary) error
	// Fallbacks are opened in order if there is not enough memory for the model, until one
	// fits: other quantisations of it, or smaller models. Paths and names are as for [Open].
	Fallbacks []string
	// Pool provides the private memory: copied weights, KV caches, buffers. nil: the
	// system. It has to stay open until the model is closed.
	Pool *memory.Pool
	// Admit, if set, is called before each allocation of native memory; an error refuses
	// the allocation as the system would. It serves as a quota of the program. See
	// memory.Ledger.
	Admit func(p memory.Purpose, size uint64) error
	// AdmitDevice, if set, is called before each allocation of a device's memory, as Admit.
	AdmitDevice func(device string, p memory.Purpose, size uint64) error
	// Progress is called while loading, from one goroutine at a time.
	Progress func(Progress)
	// Logger gets decisions and warnings; nil: they are dropped.
	Logger *slog.Logger
}

// GPULayersAuto as [Options].GPULayers is as many layers as the devices have memory for.
const GPULayersAuto = -1

// TensorOverride puts the tensors whose names match a pattern on a device.
type TensorOverride struct {
	// Pattern is a regular expression, in Go's syntax, that matches any part of a name.
	Pattern string
	Device  string // a name, as "Vulkan0"; "CPU" for host memory
}

// Adapter is a LoRA adapter to apply.
type Adapter struct {
	Path  string
	Scale float32 // 0: 1
}

// Progress is the progress of a load.
type Progress struct {
	Mode     LoadMode // LoadAuto if none was chosen yet
	Packing  bool     // a packed file is being made first
	Checking bool     // the weights are being checked first: see [Options].CheckTensors
	Done     uint64   // bytes of weights
	Total    uint64
}

// SessionOptions are the options of [Model.NewSession].
type SessionOptions struct {
	Context int // tokens; 0: the trained context, at most 4096; -1: the whole trained context
	Batch   int // prompt tokens submitted at once; 0: 2048
	UBatch  int // tokens computed at once; 0: 512, 128 for a batch within a budget, fewer if the chunk size requires it
	// Threads is the number of threads to compute with. 0, the default, shares
	// [DefaultThreads] threads among the sessions of the process that compute at the moment:
	// each evaluation gets its share, and fewer if measurements show that other processes
	// keep processors busy. Any other number is fixed; a number above that of the processors
	// is refused. On the CPU, results are the same to the last bit with any number.
	Threads int
	// BatchThreads is the number for prompts; 0: Threads.
	BatchThreads int
	// CacheTypeK and CacheTypeV are ggml types of the KV cache: "f16" (default),
	// "q8_0", "q4_0" and others; a quantised V cache needs flash attention.
	CacheTypeK, CacheTypeV string
	// FlashAttention takes less memory and, on CPUs, more time: a third more for a prompt of
	// 2048 tokens, or several times that with small heads. [llama.FlashAuto], the default,
	// computes without it if memory is ample, and with it if not, before any other option is
	// lowered, and for a batch, where without it each text is compared with all others;
	// [Stats].FlashAttention says which. A session does not change it later. The
	// two round differently: logits differ in their last bits.
	FlashAttention llama.FlashAttention
	// NoKVOffload keeps the KV cache of layers on devices in host memory.
	NoKVOffload bool
	// Embeddings makes a session for [Session.Embed] and [Session.Rerank]; Pooling combines
	// the embeddings of a text's tokens into one. The texts of one evaluation share the
	// context. If Context is set, it is the default for Batch too.
	Embeddings bool
	Pooling    llama.Pooling
	// OnExperts is told, while the session evaluates a mixture of experts, which experts a
	// layer's router has chosen: for each layer of each evaluation, with the ids of each
	// token's experts, token by token. The evaluation waits for it, and ids is valid during the
	// call; it must not use the session. The last layer is computed of those tokens alone
	// whose logits are wanted. nil, the default, costs nothing.
	OnExperts func(layer int, ids []int32)
	// Checkpoints is how much memory, in bytes, may be taken for states of texts; 0: 64 MiB.
	// Recurrent models, and those with sliding windows, need them for [GenerateOptions].KeepPrefix:
	// their memory can't go back to a part of a text by itself. It is taken when states are kept,
	// beside [Options].MaxMemory, and not at all if the system or the pool refuses it.
	Checkpoints uint64

	slots int // of a batch; 0: a session with one text
}

// Overflow is what a generation does when the context is full.
type Overflow int

const (
	// OverflowStop ends the generation.
	OverflowStop Overflow = iota
	// OverflowShift removes the older half of the text from the context and goes on.
	OverflowShift
)

var overflows = []string{"stop", "shift"}

func (o Overflow) String() string { return enumName("Overflow", o, overflows) }

// GenerateOptions are the options of [Session.Generate] and [Batch.Generate].
type GenerateOptions struct {
	// Tokens is the prompt as tokens, in place of the text; nothing is added to them.
	Tokens []int32
	// MaxTokens ends the generation after this many tokens; 0: no limit.
	MaxTokens int
	// Stop ends the generation before any of these strings, which are not part of the text:
	// [Token].Stop says which.
	Stop []string
	// Continue appends the prompt to the session's text. Without it the text is forgotten
	// first.
	Continue bool
	// KeepPrefix keeps the longest prefix that the session's text and the prompt have in
	// common, and computes only the rest. A recurrent model, and one whose sliding window has
	// moved on, can't go back to any part of a text, but to the end of one of the prompts before:
	// see [SessionOptions].Checkpoints. [Stats].CachedTokens says how much was kept.
	KeepPrefix bool
	// Recompute computes the whole prompt in a [Batch], whose requests otherwise begin with what is kept of
	// other texts. A session does so without KeepPrefix; both together are refused.
	Recompute bool
	// Overflow is what the generation does when the context is full.
	Overflow Overflow
	// IgnoreEOG goes on after the model's end-of-generation token.
	IgnoreEOG bool
	// PlainPrompt treats the names of special tokens in the prompt as plain text.
	PlainPrompt bool
	// Special writes the names of special tokens into the text. Those that end a generation
	// are never written.
	Special bool
	// SpecialOnly limits Special to the names for which it returns true; nil: all.
	SpecialOnly func(name string) bool
	// Logprobs asks for the log-probability of each token, and of the TopLogprobs most likely ones at its
	// place: 0 to 262144, or all of a smaller vocabulary. Each takes some 50 bytes until it is read.
	Logprobs    bool
	TopLogprobs int
	// PromptLogprobs asks, with Logprobs, for those of the prompt's tokens too, which
	// [Request.PromptLogprobs] returns. The whole prompt is then computed, as with Recompute. It is for a
	// [Batch]; with a session use [Session.Evaluate].
	PromptLogprobs bool
	// PromptOnly ends after the prompt: it is computed, for its log-probabilities or as a prefix to keep,
	// and the one token of the generation has the ID -1, no text and [FinishLength].
	PromptOnly bool
	// Lookup turns on prompt-lookup decoding: it drafts tokens that followed the same words
	// earlier in the text or prompt, and evaluates them together with the token before them.
	// It is faster if an answer quotes the prompt or itself, most of all if weights are read
	// from disk for each evaluation. A drafted token is accepted only if the sampler chooses
	// it, so the same seed gives the same text as without Lookup, if the engine computes a
	// batch exactly as single tokens. With packed 4-bit weights, and with q4_0, q8_0 and mxfp4, it does if flash
	// attention is on and a batch has fewer than 32 tokens; otherwise the CPU rounds differently, and of two
	// tokens with almost equal logits the other may be chosen. If [Options].Generate has Lookup, [llama.FlashAuto] means flash
	// attention.
	//
	// Recurrent models generate without it, as their state cannot drop rejected drafts. The
	// logits of a draft take 4 bytes for each of its tokens and each token of the
	// vocabulary. If there is no memory for them, the generation goes on without drafts.
	Lookup bool
	// LookupTokens is the largest number of tokens in a draft; 0: 15. Drafts are shorter
	// while they are rejected.
	LookupTokens int
	// Sampling chooses the tokens.
	Sampling Sampling
}

// Off as a number of [Sampling] turns off the step that the number belongs to.
const Off = math.MinInt32

// Sampling is how tokens are chosen. Names, defaults and meanings are llama.cpp's. One rule
// holds for all numbers: 0 is the default, as listed by [DefaultSampling], and [Off] turns
// off the step that the field belongs to, even if the field is not the step's strength.
// Temperature Off is the same as Greedy; TopP Off keeps all tokens; DRYBase Off is no DRY. To
// get the number zero, use a tiny number such as 1e-9. Numbers out of range are refused with
// [ErrOption].
type Sampling struct {
	// Greedy always takes the most likely token; the fields from Temperature to MirostatEta
	// do not apply.
	Greedy bool
	// Seed makes the choice repeatable; nil: a random seed each time.
	Seed *uint32

	Temperature      float32 // default 0.8
	DynatempRange    float32 // default Off
	DynatempExponent float32 // default 1
	TopK             int     // tokens; default 40
	TopP             float32 // cumulative probability; default 0.95; 1 and more keep all tokens
	MinP             float32 // fraction of the best token's probability, 0 to 1; default 0.05
	TypicalP         float32 // cumulative probability; default 1, which is Off
	TopNSigma        float32 // standard deviations; default Off
	XTCProbability   float32 // 0 to 1; default Off
	XTCThreshold     float32 // 0 to 1; default 0.1
	Mirostat         int     // version 1 or 2, instead of TopK to XTCThreshold; default Off
	MirostatTau      float32 // bits; default 5
	MirostatEta      float32 // default 0.1

	PenaltyLastN     int     // tokens that the penalties look back at; default 64; -1: the whole context
	RepeatPenalty    float32 // factor; default 1, which is Off
	FrequencyPenalty float32 // negative values make repetitions likelier; default Off
	PresencePenalty  float32 // negative values make repetitions likelier; default Off
	DRYMultiplier    float32 // default Off
	DRYBase          float32 // default 1.75
	DRYAllowedLength int     // tokens; default 2
	DRYPenaltyLastN  int     // tokens that DRY looks back at; default -1: the whole context
	// DRYBreakers are strings at which DRY ends a repetition; nil: newline, colon, quote and
	// asterisk; empty: none.
	DRYBreakers []string

	// LogitBias is added to the logits of tokens; -Inf bans one.
	LogitBias map[int32]float32
	// Grammar is a GBNF grammar that the text has to match, with the start rule "root".
	Grammar string
	// GrammarTriggers are words, with one of which the grammar's text begins: it holds from where
	// the generated text has the first of them on. nil: from the beginning. Names of special tokens
	// are words too.
	GrammarTriggers []string
}

// FinishReason is why a generation ended.
type FinishReason string

// Reasons why a generation ended; "" while it goes on.
const (
	FinishEOG     FinishReason = "eog"     // an end-of-generation token
	FinishLength  FinishReason = "length"  // MaxTokens, or PromptOnly
	FinishStop    FinishReason = "stop"    // a stop string
	FinishContext FinishReason = "context" // the context is full
)

// Token is a step of a generation.
type Token struct {
	ID int32 // in the model's vocabulary; -1 with an error, and with PromptOnly
	// Text is the text that this token completes: whole UTF-8 characters, without a
	// possible beginning of a stop string, which is held back. It is usually, but not
	// always, the token's own text. The texts of all tokens together are the whole text.
	Text string
	// Finish is set in the last token.
	Finish FinishReason
	// Stop is the one of [GenerateOptions].Stop that ended the text, with [FinishStop].
	Stop string
	// Logprob is the natural logarithm of the token's probability by the model's logits,
	// before sampling changes them. Top are the most likely tokens, most likely first. Both
	// are set with [GenerateOptions].Logprobs.
	Logprob float32
	Top     []TokenLogprob
}

// TokenLogprob is a token with the logarithm of its probability.
type TokenLogprob struct {
	ID      int32
	Text    string // its bytes, which need not be whole characters
	Logprob float32
}
