package llama

import "unsafe"

// Token is an entry of a model's vocabulary. NullToken stands for none.
type Token int32

// NullToken is returned if a vocabulary lacks a token.
const NullToken Token = -1

// Pos is a position in a sequence, counted from 0.
type Pos int32

// SeqID names one of the sequences of a context, from 0 to [ContextParams].SeqMax-1.
type SeqID int32

// Blocks allocates the engine's host memory, except weights.
//
// It must be safe for concurrent use. The engine may call it on any thread until the model or
// context that it was given to has been freed.
type Blocks interface {
	// AllocBlock returns a zeroed block of size bytes, aligned to at least 64 bytes.
	// The purpose is PurposeCompute until TagBlock corrects it.
	AllocBlock(p Purpose, size uintptr) (unsafe.Pointer, error)
	// TagBlock sets the purpose of a block as soon as it is known.
	TagBlock(block unsafe.Pointer, p Purpose)
	// FreeBlock frees a block.
	FreeBlock(block unsafe.Pointer)
	// BlockSize returns the maximum size of blocks, in bytes, where the engine can split; a single
	// larger tensor still gets a larger block.
	BlockSize() uintptr
}

// DeviceBlocks may be implemented by a [Blocks]. It is asked before memory of a device is allocated, by
// the device's driver, and told what it is used for and when it is freed. It must be safe for
// concurrent use.
type DeviceBlocks interface {
	// AdmitDevice is called before size bytes are allocated. The purpose is PurposeCompute or
	// PurposeWeights until TagDevice corrects it. An error refuses the allocation.
	AdmitDevice(device string, size uintptr, p Purpose) error
	TagDevice(device string, size uintptr, from, to Purpose)
	// FreeDevice is called when the memory has been freed, or when the device has refused it.
	FreeDevice(device string, size uintptr, p Purpose)
}

// Override puts the tensors whose names match a pattern on a device.
type Override struct {
	// Pattern is a regular expression as llama.cpp's --override-tensor has it (ECMAScript), which may
	// match a part of the name. The engine's C++ library compiles it for each tensor, and does not
	// bound its recursion: give only patterns of your own making.
	Pattern string
	Device  string // as in [Device].Name; "CPU" for host memory
}

// ModelParams are the parameters of [LoadModel]. The zero value reads the whole model into memory
// that the engine allocates, without any device.
type ModelParams struct {
	// MMap maps the whole file, as llama.cpp does by default.
	MMap bool
	// VocabOnly loads only the vocabulary and the metadata.
	VocabOnly bool
	// CheckTensors validates the values of weights while they are read.
	CheckTensors bool
	// Repack lets ggml convert weights to the layout that is fastest on this CPU.
	Repack bool
	// GPULayers is the number of layers to put on devices; a larger number than the model's means
	// all.
	GPULayers int
	// MainGPU, Split and TensorSplit distribute over several devices, as llama.cpp's
	// --main-gpu, --split-mode (SplitLayer by default) and --tensor-split do.
	MainGPU     int
	Split       SplitMode
	TensorSplit []float32
	// Overrides put single tensors elsewhere, before all other rules; the first match counts.
	Overrides []Override
	// Shards are the files of a sharded model in order. If set, the path argument is ignored.
	Shards []string
	// Progress, if not nil, is called with the fraction done, from 0 to 1, on the calling thread.
	Progress func(fraction float32)
	// Blocks gives the host memory. nil: the engine allocates for itself.
	Blocks Blocks
	// Unbound loads everything except the weights: see [Model.Weights]. Scratch is an address range
	// of ScratchSize bytes, at least the size of the largest tensor, at which the engine places all
	// tensors during the load. It may be backed by less memory than its size, and is not used after
	// LoadModel has returned. On 64-bit Linux and Windows nothing is read into it, elsewhere the
	// file's bytes are. CheckTensors cannot be used together with Unbound.
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

// WeightKind is the way in which a tensor of an unbound model must be bound.
type WeightKind int

// Kinds of weights.
const (
	WeightHost   WeightKind = iota // [Model.Bind]
	WeightRepack                   // [Model.Repack], or [Model.BindPacked]
	WeightDevice                   // [Model.Upload], after [Model.Place]
)

// Weight is a tensor of an unbound model. The same name can occur twice, for
// instance where input and output embeddings are tied.
type Weight struct {
	Name string
	Size uint64 // bytes in the model's file
	// Stored is the size in bytes of the layout, if the kind is to be repacked; that of AMX may be larger
	// than Size. Otherwise it is Size.
	Stored uint64
	Kind   WeightKind
	// Device is the device whose memory a WeightDevice is in, and DeviceSize its bytes there.
	Device     string
	DeviceSize uint64
	Whole      bool // Upload takes it in one piece only
}

// Layout is the layout into which the engine repacks a matrix on this CPU.
type Layout struct {
	// Name has the type, the rows of a group and a fingerprint of the engine's repacking of a fixed
	// pattern, as in "q4_0x8-54a1c09be77d". Equal names mean equal layouts.
	Name string
	// Group is the number of rows that are interleaved. Groups are in the order of the rows, so that a
	// matrix can be repacked group by group.
	Group int
	// RowSize is the size in bytes of a row of the tensor in this layout. Most layouts take the bytes of
	// the original.
	RowSize uint64
}

// FlashAttention chooses the attention kernels.
type FlashAttention int32

// Values of FlashAttention.
const (
	FlashAuto FlashAttention = iota // where the devices support it
	FlashOff
	FlashOn
)

// Pooling is the way in which the embeddings of a sequence's tokens are combined into one.
type Pooling int32

// Values of Pooling.
const (
	PoolingDefault Pooling = iota // as the model says
	PoolingNone                   // one embedding per token
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
	Threads      int    // for single tokens; 0: number of CPUs that Go uses
	BatchThreads int    // for batches; 0: Threads
	CacheTypeK   string // ggml type of the K cache: "f16" (default), "q8_0", "q4_0", ...
	CacheTypeV   string // of the V cache; quantised types need flash attention
	FlashAttn    FlashAttention
	Pooling      Pooling
	Attention    Attention
	Embeddings   bool // compute embeddings
	NoOffloadKQV bool // keep the KV cache in host memory
	SWAFull      bool // full-size cache for sliding-window attention
	KVUnified    bool // one buffer for all sequences
	Outputs      int  // tokens of a Decode call with an output, for [Model.MeasureContext] alone; 0: 1

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
	// Layers is called during the computation, for models with Unbound weights that are streamed.
	// nil, the default, has no cost.
	Layers Layers
	// OnExperts is called, by the goroutine of Decode, which waits, when a layer's router has
	// chosen experts, for each micro-batch: with the ids of each token's experts, token by token.
	// ids is valid during the call. Architectures whose graphs do not mark the choice do not
	// tell. nil, the default, costs nothing.
	OnExperts func(layer int, ids []int32)
}

// Layers is called before and after the engine computes a layer with streamed weights (see
// [Model.Stream]), on the goroutine of Decode, which waits for its return. For most models the
// layers come in ascending order, again for each micro-batch.
type Layers interface {
	// BeforeLayer is called before anything is computed with a layer's streamed weights. It returns
	// true if the weights are in their slots; they must stay there until AfterLayer or the end of
	// Decode. With false, the bytes to which they are bound are used.
	BeforeLayer(layer int) bool
	// AfterLayer is called when a layer has been computed. It is not called for models whose graphs
	// do not mark the ends of layers, nor when a pass is aborted.
	AfterLayer(layer int)
}

// Experts may be implemented by a [Layers]. It is called when the router of a layer has chosen
// experts that are streamed (see [Model.StreamExperts]), for each micro-batch, on the goroutine of
// Decode, which waits for its return.
type Experts interface {
	// BeforeExperts gets the ids of the experts chosen by all tokens of the micro-batch and writes
	// the slot of each choice. It returns true if the experts are in those slots or are being read;
	// they must stay there until AfterExperts. With false, the bytes to which the tensors are bound
	// are used. Both slices are valid only during the call.
	BeforeExperts(layer int, ids, slots []int32) bool
	// AwaitExperts is called before anything is computed with a tensor of the layer, and waits until
	// the experts of that tensor are in their slots. With more, other tensors of the layer are still
	// being read; the engine then computes with this one before it asks for the next. With false,
	// the bytes to which the tensor is bound are used.
	AwaitExperts(tensor string) (more, ok bool)
	// AfterExperts is called when the layer's experts have been used or the pass was aborted.
	AfterExperts(layer int)
}
