package check

// An archRule describes which metadata the engine reads for an architecture, and what its graph
// requires.
type archRule struct {
	// refused is why the engine cannot run an architecture that it knows; "" if it can.
	refused string
	gone    bool // known to the compiled-in engine, not to this one
	// keys are the keys that the engine reads in addition to commonKeys, separated by spaces,
	// without the architecture's prefix unless they begin with "/"; optional ones end in "?".
	keys string
	attention
	// needs are tensors that are optional for the engine's loader but required by its graph:
	// "blk.*.x" in every layer, "blk.0.x" in the first; "!x" must be absent.
	needs []string
	// recurrent are optional tensors that the graph requires in recurrent layers.
	recurrent []string
	// pairs: a layer with the first tensor must have the second.
	pairs [][2]string
	// window is the period, in layers, of the pattern of sliding-window and full layers, 0 if the
	// graph has no such pattern. If it applies, a full layer must exist, as the graph prepares
	// both kinds of mask.
	window     int
	windows    windowRule
	denseFirst bool // each period begins with its full layer
	// patternGiven: the file must have a list of the layers with windows.
	patternGiven bool
	gating       gatingRule
	experts      bool // must be a mixture of experts
	minLayers    int
	nextN        bool // the last layers may be ones that predict further tokens, which the engine leaves out
	keepsNextN   bool // the engine loads tensors of such layers, though it does not use them
	check        func(*hyperparameters) error
}

// attention describes how the graph of an architecture divides rows into heads.
type attention uint16

const (
	// noAttention: a recurrent model; its numbers of heads are not used.
	noAttention attention = 1 << iota
	// sameKV: keys and values have heads of the same size.
	sameKV
	// rope: rotary embeddings on an even part of the head.
	rope
	// rotFull: rotary embeddings on the whole head.
	rotFull
	// square: the heads together are as wide as the model.
	square
	// mha: as many heads for keys and values as for queries.
	mha
	// perLayerHeads: the numbers of heads may differ between layers.
	perLayerHeads
	// hybrid: layers without heads for keys and values are recurrent, and there
	// must be layers of both kinds.
	hybrid
	// feedLayers: layers with a feed-forward length have neither attention nor state.
	feedLayers
)

// gatingRule is which values of expert_gating_func are valid: 1 softmax, 2 sigmoid, 3 softmax of the
// weights; any other value aborts.
type gatingRule uint8

const (
	gatingFixed   gatingRule = iota // not read
	gatingDefault                   // 0 or missing means the architecture's own
	gatingNeeded
)

// windowRule is when a pattern of sliding windows applies.
type windowRule uint8

const (
	windowIfSet         windowRule = iota // a window is given and not 0
	windowUnlessZero                      // no window is given, or it is not 0
	windowAlways                          // always
	windowNeeded                          // always, and the window must not be 0
	windowNeededIfGiven                   // always, and must not be 0 if it is given
)
