package llama

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
	Text    string // as in the vocabulary, not what it stands for in a text
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
