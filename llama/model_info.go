package llama

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
	Positions    int // that a table has, beyond which the model cannot compute; 0: no table
	Classes      int // outputs of a classifier
	Encoder      bool
	Decoder      bool
	Recurrent    bool
	Hybrid       bool
	Diffusion    bool
	DecoderStart Token // of encoder-decoder models, else NullToken
}
