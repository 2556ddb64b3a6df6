package llama

import "unsafe"

// Token is an entry of a model's vocabulary. NullToken stands for none.
type Token int32

// NullToken is what is returned where a vocabulary lacks a token.
const NullToken Token = -1

// Pos is a position in a sequence, counted from 0.
type Pos int32

// SeqID names one of the sequences of a context, from 0 to [ContextParams].SeqMax-1.
type SeqID int32

// Blocks is where host memory of the engine comes from, other than weights.
//
// It must be safe for concurrent use. It may be called from inside the engine on
// any thread, and until the model or context that it was given to is freed.
type Blocks interface {
	// AllocBlock returns a zeroed block of size bytes, aligned to at least 64 bytes.
	// The purpose is PurposeCompute until TagBlock corrects it.
	AllocBlock(p Purpose, size uintptr) (unsafe.Pointer, error)
	// TagBlock says the purpose of a block once it is known what the engine uses it for.
	TagBlock(block unsafe.Pointer, p Purpose)
	// FreeBlock takes a block back.
	FreeBlock(block unsafe.Pointer)
	// BlockSize is the size in bytes that the engine keeps its blocks below
	// wherever it can split; a single larger tensor still needs a block of its own.
	BlockSize() uintptr
}

// ModelParams are the parameters of [LoadModel]. The zero value reads a whole model
// into memory of the engine's own, without any device.
type ModelParams struct {
	// MMap maps the whole file, as llama.cpp does by default.
	MMap bool
	// VocabOnly loads the vocabulary and metadata alone.
	VocabOnly bool
	// CheckTensors validates the weights' values while reading.
	CheckTensors bool
	// Repack lets ggml convert weights to the layout that is fastest on this CPU.
	Repack bool
	// GPULayers is how many layers go to devices; more than there are means all.
	GPULayers int
	// MainGPU, Split and TensorSplit distribute over several devices, as llama.cpp's
	// --main-gpu, --split-mode (SplitLayer by default) and --tensor-split do.
	MainGPU     int
	Split       SplitMode
	TensorSplit []float32
	// Shards are the files of a sharded model in order, when path is not followed
	// by the engine itself. The path argument is then ignored.
	Shards []string
	// Progress is called with the fraction done, from 0 to 1, on the calling thread.
	Progress func(fraction float32)
	// Blocks gives the host memory. nil: the engine allocates for itself.
	Blocks Blocks
	// Unbound loads everything but the weights: see [Model.Weights]. Scratch is an
	// address range of ScratchSize bytes, at least the size of the largest tensor,
	// where the engine has all tensors meanwhile; it may be backed by less memory than
	// its size and is not used after LoadModel has returned. On 64-bit Linux and
	// Windows nothing is read into it, elsewhere the file's bytes are. There is nothing
	// that CheckTensors could check.
	Unbound     bool
	Scratch     unsafe.Pointer
	ScratchSize uintptr
}

// SplitMode is how a model is split over several devices.
type SplitMode int32

// Split modes.
const (
	SplitLayer SplitMode = iota // layers and their KV cache to different devices
	SplitNone                   // one device
	SplitRow                    // rows of matrices, where the backend can
)

// WeightKind says what a tensor of an unbound model waits for.
type WeightKind int

// Kinds of weights.
const (
	WeightHost   WeightKind = iota // [Model.Bind]
	WeightRepack                   // [Model.Repack], or [Model.BindPacked]
	WeightDevice                   // [Model.Upload]
)

// Weight is a tensor of an unbound model. The same name can occur twice, for
// instance where input and output embeddings are tied.
type Weight struct {
	Name string
	Size uint64 // bytes
	Kind WeightKind
}

// Layout is how the engine lays out a matrix that it repacks, on this CPU.
type Layout struct {
	// Name has the type, the rows of a group and a fingerprint of what the engine makes
	// of a fixed pattern, as in "q4_0x8-54a1c09be77d": the same name is the same layout.
	Name string
	// Group is how many rows are laid out together. They lie where the same rows of the
	// original do, so that a matrix can be repacked one group after the other.
	Group int
}

// FlashAttention chooses the attention kernels.
type FlashAttention int32

// Values of FlashAttention.
const (
	FlashAuto FlashAttention = iota // where the devices support it
	FlashOff
	FlashOn
)

// Pooling is how the embeddings of a sequence's tokens become one.
type Pooling int32

// Values of Pooling.
const (
	PoolingDefault Pooling = iota // as the model says
	PoolingNone                   // one embedding a token
	PoolingMean
	PoolingCLS
	PoolingLast
	PoolingRank // the output of a reranker's classifier
)

// Attention is the attention mask of embedding models.
type Attention int32

// Values of Attention.
const (
	AttentionDefault Attention = iota // as the model says
	AttentionCausal
	AttentionNonCausal
)

// RopeScaling is the method by which a context is extended beyond its training.
type RopeScaling int32

// Values of RopeScaling.
const (
	RopeDefault RopeScaling = iota // as the model says
	RopeNone
	RopeLinear
	RopeYaRN
	RopeLongRoPE
)

// ContextParams are the parameters of [Model.NewContext]. The zero value is
// llama.cpp's default: 512 tokens, one sequence, f16 cache.
type ContextParams struct {
	Ctx          int    // tokens; 0: 512; -1: what the model was trained with
	Batch        int    // tokens of one Decode call at most; 0: 2048
	UBatch       int    // tokens computed at once; 0: 512
	SeqMax       int    // sequences; 0: 1
	Threads      int    // for one token at a time; 0: as many as Go uses CPUs
	BatchThreads int    // for several; 0: Threads
	CacheTypeK   string // ggml type of the K cache: "f16" (default), "q8_0", "q4_0", ...
	CacheTypeV   string // of the V cache; quantised types need flash attention
	FlashAttn    FlashAttention
	Pooling      Pooling
	Attention    Attention
	Embeddings   bool // compute embeddings
	NoOffloadKQV bool // keep the KV cache in host memory
	SWAFull      bool // full-size cache for sliding-window attention
	KVUnified    bool // one buffer for all sequences

	RopeScaling    RopeScaling
	RopeFreqBase   float32 // 0: from the model
	RopeFreqScale  float32 // 0: from the model
	YaRNOrigCtx    int     // 0: from the model
	YaRNExtFactor  float32 // 0: from the model
	YaRNAttnFactor float32 // 0: from the model
	YaRNBetaFast   float32 // 0: from the model
	YaRNBetaSlow   float32 // 0: from the model

	// Blocks gives the host memory. nil: the engine allocates for itself.
	Blocks Blocks
	// Layers is told where the computation is, for models with Unbound weights that are
	// streamed; nil, the default, costs nothing.
	Layers Layers
	// OnExperts is called, by the goroutine of Decode, which waits, when a layer's router has
	// chosen experts, for each micro-batch: with the ids of each token's experts, token by token.
	// ids is valid during the call. Architectures whose graphs do not mark the choice do not
	// tell. nil, the default, costs nothing.
	OnExperts func(layer int, ids []int32)
}

// Layers is told when the engine comes to a layer with streamed weights (see
// [Model.Stream]) and when it has left it, by the goroutine of Decode, which waits: for
// most models layer after layer in ascending order, for each micro-batch anew.
type Layers interface {
	// BeforeLayer is called before anything is computed with a layer's streamed weights.
	// True says that they are in their slots, and have to be until AfterLayer or the end of
	// Decode; otherwise what they are bound to is used.
	BeforeLayer(layer int) bool
	// AfterLayer is called when a layer has been computed. It is left out for models whose
	// graphs do not mark the ends of their layers, and when a pass is given up.
	AfterLayer(layer int)
}

// Experts is told, where a [Layers] is one too, when the router of a layer has chosen experts
// that are in slots (see [Model.StreamExperts]): by the goroutine of Decode, which waits, for
// each micro-batch.
type Experts interface {
	// BeforeExperts is called with the experts of all tokens of the micro-batch, an id for each
	// of their choices, and writes the slot of each choice. True says that they are in those
	// slots, and have to be until AfterExperts; otherwise what the tensors are bound to is used.
	// Both slices are valid during the call.
	BeforeExperts(layer int, ids, slots []int32) bool
	// AfterExperts is called when the layer's experts have been used, or will not be.
	AfterExperts(layer int)
}
