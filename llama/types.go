package llama

import "errors"

// Device is something that the engine can compute on.
type Device struct {
	Name        string
	Description string
	Kind        string // "cpu", "gpu", "igpu" or "accel"
	MemoryFree  uint64 // bytes
	MemoryTotal uint64
	// LargestBuffer is the largest buffer that the device allocates at once, in bytes;
	// [math.MaxUint64]: no bound is known.
	LargestBuffer uint64
}

// Offloads reports whether layers can be put on the device.
func (d Device) Offloads() bool { return d.Kind == "gpu" || d.Kind == "igpu" }

// ModelInfo describes a model; counts that its architecture does not have are 0.
type ModelInfo struct {
	Description  string // architecture, size and type, as llama.cpp prints them
	Architecture string
	Size         uint64 // bytes of all tensors
	Params       uint64 // number of parameters
	CtxTrain     int    // context length that it was trained with, tokens
	Embd         int    // width
	Layers       int
	Heads        int
	HeadsKV      int
	KeyLength    int // of a head's keys, elements
	ValueLength  int // of a head's values
	SWA          int // sliding window, tokens
	Positions    int // length of the position table, the model's hard limit; 0: no table
	Classes      int // outputs of a classifier
	Encoder      bool
	Decoder      bool
	Recurrent    bool
	Hybrid       bool
	Diffusion    bool
	DecoderStart Token // of encoder-decoder models, else NullToken
}

// SpecialTokens are the tokens of a vocabulary with a meaning of their own, NullToken
// where there is none.
type SpecialTokens struct {
	BOS  Token // begins a text
	EOS  Token // ends a text
	EOT  Token // ends a turn
	SEP  Token // separates sentences
	NL   Token // new line
	PAD  Token
	Mask Token

	// For filling in the middle: what comes before, after and between, padding, and
	// separators of repositories and files.
	FIMPre, FIMSuf, FIMMid, FIMPad, FIMRep, FIMSep Token

	AddBOS, AddEOS, AddSEP bool // whether Tokenize with addSpecial adds them
}

// TokenInfo is what a vocabulary says of a token.
type TokenInfo struct {
	Text    string // as in the vocabulary, not as in a text
	Score   float32
	Attr    TokenAttr
	EOG     bool // ends a generation
	Control bool // has no text
}

// TokenAttr is a set of attributes of a token: enum llama_token_attr.
type TokenAttr uint32

// Attributes of tokens.
const (
	AttrUnknown TokenAttr = 1 << iota
	AttrUnused
	AttrNormal
	AttrControl
	AttrUserDefined
	AttrByte
	AttrNormalized
	AttrLStrip // takes the space before it
	AttrRStrip // takes the space behind it
	AttrSingleWord
)

// ErrTemplate is returned for chat templates that the engine does not recognise.
var ErrTemplate = errors.New("llama: chat template not supported")

// ChatMessage is a message of a conversation.
type ChatMessage struct {
	Role    string // "system", "user" or "assistant"; some templates know others
	Content string
}

// maxTemplate bounds chat templates, in bytes.
const maxTemplate = 1 << 20

// ContextMemory is the memory that a context takes when it is made.
type ContextMemory struct {
	Ctx, Batch, UBatch int // tokens, as the engine rounded them
	Blocks             []MeasuredBlock
	// Work is the size, in bytes, of the threads' work buffer, which is allocated outside the
	// blocks at the first evaluation. It is computed for the largest number of threads in the
	// parameters. 0 on macOS.
	Work uint64 // bytes
	// Unused is the size, in bytes, of what an engine of v0.5 allocates and does not touch. Known on Linux.
	Unused uint64
}

// MeasuredBlock is a block that [Blocks], or [DeviceBlocks], would be asked for.
type MeasuredBlock struct {
	Device  string  // whose memory it is; "": host memory
	Purpose Purpose // PurposeKV, PurposeCompute or PurposeOutput
	Size    uint64  // bytes
	// Used is the number of bytes that are written: in a compute buffer, by a micro-batch at the
	// end of a full context, of which [ContextParams].Outputs tokens have an output. It is Size if
	// unknown, as on macOS.
	Used uint64 // bytes
	// First and Last are the engine's names of the first and the last tensor in the block, such as
	// cache_k_l0 or result_output; "" if unknown.
	First, Last string
}

// Purpose is what the engine uses a block of memory for. The zero value is none.
type Purpose uint8

// Purposes of blocks.
const (
	PurposeWeights Purpose = iota + 1 // of adapters, and in layouts of their own
	PurposeKV                         // KV cache and recurrent state
	PurposeCompute                    // intermediate results of the graph
	PurposeOutput                     // logits and embeddings
)
