package runtime

import (
	"log/slog"
	"math"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
)

// LoadMode is where the weights live.
type LoadMode int

const (
	// LoadAuto chooses from the probe, and says why in [Report].LoadReason.
	// Weights are copied only where nothing has to be lowered to make room for that.
	LoadAuto LoadMode = iota
	// LoadMMap maps the file chunk by chunk: shared between processes, evictable,
	// not charged as committed memory.
	LoadMMap
	// LoadCopy copies the weights into bounded blocks of private memory, in the
	// layout that is fastest on this CPU where the engine has one.
	LoadCopy
	// LoadStock lets the engine map the whole file at once, as llama.cpp does by
	// default: for comparisons. Where its file does not fit into memory, each token waits
	// until the whole of it has been read again. It is refused where what the engine
	// copies, repacked weights and the KV cache, does not fit.
	LoadStock
)

var loadModes = []string{"auto", "mmap", "copy", "stock"}

func (m LoadMode) String() string { return enumName("LoadMode", m, loadModes) }

// ParseLoadMode is the inverse of String.
func ParseLoadMode(s string) (LoadMode, error) { return parseEnum[LoadMode]("load mode", s, loadModes) }

// Options are the options of [Open].
type Options struct {
	Load LoadMode
	// ChunkSize is the largest piece, in bytes, that is mapped or committed at once;
	// 0: 256 MiB, or half the largest free block where that is less.
	ChunkSize uint64
	// NoRepack keeps the weights in the file's layout in copy mode: exactly the
	// results of a mapping, at its speed.
	NoRepack bool
	// Packed is whether packed files are kept in a cache and used in place of the model's
	// own: see [PackedAuto], the default.
	Packed PackedMode
	// CacheDir is the folder of that cache; "": see [PackedCache].
	CacheDir string
	// NoPrefetch leaves reading mapped weights to their first use.
	NoPrefetch bool
	// CheckTensors reads all weights and refuses invalid values (NaN, infinities).
	CheckTensors bool
	// GPULayers is how many layers go to GPUs; more than there are means all.
	GPULayers int
	// Adapters are LoRA adapters that every session applies.
	Adapters []Adapter
	// MaxMemory is how many bytes the model may keep resident, weights, KV caches and
	// buffers together. What does not fit of mapped weights is streamed from the file,
	// layer by layer. 0: what the system leaves, where that is less than all of it;
	// MaxMemoryOff: no budget. See [Model.SetMaxMemory] and [Report].Residency.
	MaxMemory uint64
	// Session is what sessions will ask for: Open makes sure that one of them has room.
	// What is zero in it is lowered where there is not enough memory, and sessions that
	// leave it zero too get the lowered value; what is set is never changed. See
	// [Report].Adjusted.
	Session SessionOptions
	// Generate, where set, is what generations will ask for: Open refuses what
	// [Session.Generate] would, before weights are read; a stock load when it is done.
	Generate *GenerateOptions
	// Fallbacks are opened, the first that fits, where there is not enough memory for
	// the model: another quantisation of it, or a smaller one. Paths and names are as
	// for [Open].
	Fallbacks []string
	// Pool gives the private memory: copied weights, KV caches, buffers. nil: the
	// system. It has to stay open until the model has been closed.
	Pool *memory.Pool
	// Admit, where set, is asked before each piece of native memory is taken, and an
	// error refuses it as the system would: a quota of the program's own. See
	// memory.Ledger.
	Admit func(p memory.Purpose, size uint64) error
	// Progress is called while loading, from one goroutine at a time.
	Progress func(Progress)
	// Logger takes decisions and warnings; nil: none.
	Logger *slog.Logger
}

// Adapter is a LoRA adapter to apply.
type Adapter struct {
	Path  string
	Scale float32 // 0: 1
}

// Progress is how far a load is.
type Progress struct {
	Mode    LoadMode
	Packing bool   // a packed file is being made first
	Done    uint64 // bytes of weights
	Total   uint64
}

// SessionOptions are the options of [Model.NewSession].
type SessionOptions struct {
	Context int // tokens; 0: what the model was trained with, 4096 at most; -1: all of that
	Batch   int // tokens of the prompt submitted at once; 0: 2048
	UBatch  int // tokens computed at once; 0: 512, or less where the chunk size demands it
	// Threads is the number of threads to compute with. 0, the default: [DefaultThreads] of
	// them for all sessions of the process together, divided anew for each evaluation among
	// those that compute at the moment, and fewer while other processes keep processors
	// busy, by what is measured. Any other number stays what it is; more than there are
	// processors are refused. On the CPU, results are the same to the last bit with any number.
	Threads int
	// BatchThreads is the number for prompts; 0: Threads.
	BatchThreads int
	// CacheTypeK and CacheTypeV are ggml types of the KV cache: "f16" (default),
	// "q8_0", "q4_0" and others; a quantised V needs flash attention.
	CacheTypeK, CacheTypeV string
	// FlashAttention takes less memory and, on CPUs, more time: a third more for a prompt of
	// 2048 tokens, or several times that with small heads. [llama.FlashAuto], the default,
	// computes without it where memory is ample, and otherwise with it before anything else
	// is lowered; [Stats].FlashAttention says which. Sessions stay with it. The two round
	// differently: logits differ in their last bits.
	FlashAttention llama.FlashAttention
	// Embeddings makes a session for [Session.Embed] and [Session.Rerank]; Pooling is how
	// the embeddings of a text's tokens become one. The context is then what the texts of
	// one evaluation share, and, where it is given, the batch too.
	Embeddings bool
	Pooling    llama.Pooling
}

// Overflow is what happens when the context is full during generation.
type Overflow int

const (
	// OverflowStop ends the generation.
	OverflowStop Overflow = iota
	// OverflowShift forgets the older half of the text and goes on.
	OverflowShift
)

var overflows = []string{"stop", "shift"}

func (o Overflow) String() string { return enumName("Overflow", o, overflows) }

// GenerateOptions are the options of [Session.Generate].
type GenerateOptions struct {
	// MaxTokens ends the generation after this many tokens; 0: no limit of its own.
	MaxTokens int
	// Stop ends the generation before any of these strings, none of which appears.
	Stop []string
	// Continue appends the prompt to the text that the session holds, rather than
	// beginning anew.
	Continue bool
	// Overflow is what happens when the context is full.
	Overflow Overflow
	// IgnoreEOG goes on after the model's own end.
	IgnoreEOG bool
	// PlainPrompt takes the names of special tokens in the prompt as text.
	PlainPrompt bool
	// Lookup guesses tokens from where the text, prompt included, was the same before,
	// and evaluates them together with the token before them: faster where an answer
	// quotes the prompt or itself, and most of all where weights are read from disk for
	// each evaluation. A guess counts only if it is the token that the sampler chooses,
	// so the text is the one that the same seed gives without, as far as the engine
	// computes the same for tokens together as for each alone: with weights of 4 bits
	// and flash attention it does to the last bit, otherwise it rounds differently on the
	// CPU, and two tokens that are all but equally likely may change places. Where
	// [Options].Generate has Lookup, [llama.FlashAuto] is with flash attention.
	//
	// Models whose memory cannot forget a part of a text, which recurrent ones are, go
	// without. The logits of the guesses take memory: 4 bytes for each and each token
	// of the vocabulary. Where there is none, the generation goes on without guessing.
	Lookup bool
	// LookupTokens is how many tokens are guessed at once at most; 0: 15. There are
	// fewer while guesses fail.
	LookupTokens int
	// Sampling chooses the tokens.
	Sampling Sampling
}

// Off in a number of [Sampling] leaves out what the number is for.
const Off = math.MinInt32

// Sampling is how tokens are chosen. Names, defaults and what numbers mean are llama.cpp's,
// and one rule holds for all fields: the zero value is the default, as [DefaultSampling]
// lists them, and [Off] leaves out the step that the field belongs to, whether the field is
// its strength or another of its numbers. So Temperature Off leaves no chance, as Greedy
// does; TopP Off cuts nothing off; DRYBase Off is no DRY. A zero that is meant as a number
// is given as a tiny one, such as 1e-9. Numbers out of range are refused with [ErrOption].
type Sampling struct {
	// Greedy takes the most likely token always; Temperature and what follows it
	// up to MirostatEta do not apply.
	Greedy bool
	// Seed makes the choice repeatable; nil: another one each time.
	Seed *uint32

	Temperature      float32 // default 0.8
	DynatempRange    float32 // default Off
	DynatempExponent float32 // default 1
	TopK             int     // tokens; default 40
	TopP             float32 // share of the probability; default 0.95; from 1: nothing is cut off
	MinP             float32 // share of the best token's probability, to 1; default 0.05
	TypicalP         float32 // share of the probability; default 1, which is Off
	TopNSigma        float32 // standard deviations; default Off
	XTCProbability   float32 // to 1; default Off
	XTCThreshold     float32 // to 1; default 0.1
	Mirostat         int     // version 1 or 2, in place of TopNSigma to XTCThreshold; default Off
	MirostatTau      float32 // bits; default 5
	MirostatEta      float32 // default 0.1

	PenaltyLastN     int     // tokens that the penalties look back at; default 64; -1: the whole context
	RepeatPenalty    float32 // factor; default 1, which is Off
	FrequencyPenalty float32 // below 0: makes repetitions likelier; default Off
	PresencePenalty  float32 // below 0: makes repetitions likelier; default Off
	DRYMultiplier    float32 // default Off
	DRYBase          float32 // default 1.75
	DRYAllowedLength int     // tokens; default 2
	DRYPenaltyLastN  int     // tokens that DRY looks back at; default -1: the whole context
	// DRYBreakers are texts that a repetition does not reach across; nil: newline, colon,
	// quote and asterisk; empty: none.
	DRYBreakers []string

	// LogitBias is added to the logits of tokens; -Inf bans one.
	LogitBias map[int32]float32
	// Grammar is a GBNF grammar that the text obeys, from its rule "root".
	Grammar string
}

// FinishReason is why a generation ended.
type FinishReason string

// Reasons why a generation ended; none while it goes on.
const (
	FinishEOG     FinishReason = "eog"     // the model ended it
	FinishLength  FinishReason = "length"  // MaxTokens
	FinishStop    FinishReason = "stop"    // a stop string
	FinishContext FinishReason = "context" // the context is full
)

// Token is a step of a generation.
type Token struct {
	ID int32 // in the model's vocabulary; -1 where no token belongs to the text
	// Text is what is certain with this token: whole UTF-8 characters, and nothing
	// that may turn out to begin a stop string. It is often, not always, the
	// token's own text; the texts of all tokens make up the whole.
	Text string
	// Finish is set in the last token.
	Finish FinishReason
}
