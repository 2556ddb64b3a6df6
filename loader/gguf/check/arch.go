package check

// An archRule says what the engine reads of an architecture's metadata and what
// its graph takes for granted.
type archRule struct {
	// refused is the reason where the engine knows the name but can't run it.
	refused string
	// keys are those that the engine reads beside the ones of every architecture
	// (see commonKeys), separated by spaces, without the architecture's prefix
	// unless they begin with "/"; optional ones end in "?".
	keys string
	attention
	// needs names tensors that the engine's loader calls optional and its graph
	// does not: "blk.*.x" in every layer, "blk.0.x" in the first; "!x" must be absent.
	needs []string
	// pairs: where a layer has the first tensor it must have the second.
	pairs [][2]string
	// window is the number of layers after which the pattern of sliding-window and
	// full layers repeats, 0 if the graph knows no such pattern. Where it is in force,
	// one of its full layers must exist, as the graph prepares both kinds of mask.
	window    int
	windows   windowRule
	gating    gatingRule
	experts   bool // must be a mixture of experts
	minLayers int
	check     func(*hyperparameters) error
}

// attention says how the graph of an architecture splits rows into heads.
type attention uint16

const (
	// noAttention: a recurrent model, whose numbers of heads are not used.
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

// gatingRule says what expert_gating_func may be: 1 softmax, 2 sigmoid, 3 softmax
// of the weights; any other value aborts.
type gatingRule uint8

const (
	gatingFixed   gatingRule = iota // not read
	gatingDefault                   // 0 or missing means the architecture's own
	gatingNeeded
)

// windowRule says when a pattern of sliding windows is in force.
type windowRule uint8

const (
	windowIfSet      windowRule = iota // a window is given, and not 0
	windowUnlessZero                   // none is given, or it is not 0
	windowAlways                       // whatever is given
	windowNeeded                       // as windowAlways, and the window must not be 0
)
