//go:build cgo

package llama

// #include "shim_more.h"
import "C"

import (
	"math"
	"runtime"
	"unsafe"
)

// maxText bounds texts: the engine counts bytes and tokens in 32 bits.
const maxText = math.MaxInt32 / 2

func (m *Model) vocab(f func(*C.struct_llama_vocab) error) error {
	var err error
	if e := m.use(func(p *C.struct_llama_model) { err = f(C.llama_model_get_vocab(p)) }); e != nil {
		return e
	}
	return err
}

// VocabSize is the number of tokens: llama_vocab_n_tokens.
func (m *Model) VocabSize() (n int, err error) {
	err = m.vocab(func(v *C.struct_llama_vocab) error { n = int(C.llama_vocab_n_tokens(v)); return nil })
	return n, err
}

// VocabType names the kind of vocabulary: "spm", "bpe", "wpm", "ugm", "rwkv",
// "plamo2", or "none" for models that have none.
func (m *Model) VocabType() (name string, err error) {
	names := map[C.enum_llama_vocab_type]string{C.LLAMA_VOCAB_TYPE_NONE: "none", C.LLAMA_VOCAB_TYPE_SPM: "spm", C.LLAMA_VOCAB_TYPE_BPE: "bpe",
		C.LLAMA_VOCAB_TYPE_WPM: "wpm", C.LLAMA_VOCAB_TYPE_UGM: "ugm", C.LLAMA_VOCAB_TYPE_RWKV: "rwkv", C.LLAMA_VOCAB_TYPE_PLAMO2: "plamo2"}
	err = m.vocab(func(v *C.struct_llama_vocab) error { name = names[C.llama_vocab_type(v)]; return nil })
	return name, err
}

// Tokenize splits a text into tokens: llama_tokenize. addSpecial adds the tokens that
// begin and end a text where the model wants them; parseSpecial takes the names of
// special tokens in the text as those tokens. Any bytes are a text.
func (m *Model) Tokenize(text string, addSpecial, parseSpecial bool) ([]Token, error) {
	if len(text) > maxText {
		return nil, argument("text of %d bytes, at most %d are possible", len(text), maxText)
	}
	var tokens []Token
	err := m.textVocab(func(v *C.struct_llama_vocab) error {
		p := (*C.char)(unsafe.Pointer(unsafe.StringData(text)))
		if text == "" {
			p = (*C.char)(unsafe.Pointer(&[1]byte{}))
		}
		tokens = make([]Token, len(text)/3+8)
		for {
			var e C.infer_error
			n := int(C.infer_tokenize(v, p, C.int32_t(len(text)), (*C.llama_token)(unsafe.Pointer(&tokens[0])), C.int32_t(len(tokens)), C.bool(addSpecial), C.bool(parseSpecial), &e))
			if e.kind != C.INFER_OK {
				return failure("llama_tokenize", &e, nil)
			}
			if n >= 0 {
				tokens = tokens[:n]
				return nil
			}
			if n == math.MinInt32 {
				return argument("text of %d bytes has too many tokens", len(text))
			}
			tokens = make([]Token, -n)
		}
	})
	runtime.KeepAlive(text)
	return tokens, err
}

// textVocab refuses models without a vocabulary, on which the engine has asserts.
func (m *Model) textVocab(f func(*C.struct_llama_vocab) error) error {
	return m.vocab(func(v *C.struct_llama_vocab) error {
		if C.llama_vocab_type(v) == C.LLAMA_VOCAB_TYPE_NONE {
			return argument("the model has no vocabulary")
		}
		return f(v)
	})
}

// tokenVocab refuses tokens outside the vocabulary as well.
func (m *Model) tokenVocab(f func(*C.struct_llama_vocab) error, tokens ...Token) error {
	return m.textVocab(func(v *C.struct_llama_vocab) error {
		n := Token(C.llama_vocab_n_tokens(v))
		for _, t := range tokens {
			if t < 0 || t >= n {
				return argument("token %d, the vocabulary has %d", t, n)
			}
		}
		return f(v)
	})
}

// AppendPiece appends a token's bytes to dst, which need not be whole characters:
// llama_token_to_piece. special writes the names of special tokens, which are left out
// otherwise.
func (m *Model) AppendPiece(dst []byte, t Token, special bool) ([]byte, error) {
	err := m.tokenVocab(func(v *C.struct_llama_vocab) error {
		for room := 64; ; {
			at := len(dst)
			dst = append(dst, make([]byte, room)...)
			var e C.infer_error
			n := int(C.infer_piece(v, C.llama_token(t), (*C.char)(unsafe.Pointer(&dst[at])), C.int32_t(room), C.bool(special), &e))
			dst = dst[:at+max(n, 0)]
			if e.kind != C.INFER_OK {
				return failure("llama_token_to_piece", &e, nil)
			}
			if n >= 0 {
				return nil
			}
			room = -n
		}
	}, t)
	return dst, err
}

// Detokenize is the inverse of Tokenize: llama_detokenize. removeSpecial leaves out
// what addSpecial added; unparseSpecial writes the names of special tokens.
func (m *Model) Detokenize(tokens []Token, removeSpecial, unparseSpecial bool) (string, error) {
	if len(tokens) == 0 {
		return "", nil
	}
	if len(tokens) > maxText {
		return "", argument("%d tokens, at most %d are possible", len(tokens), maxText)
	}
	var text string
	err := m.tokenVocab(func(v *C.struct_llama_vocab) error {
		buf := make([]byte, 8*len(tokens)+64)
		for {
			var e C.infer_error
			n := int(C.infer_detokenize(v, (*C.llama_token)(unsafe.Pointer(&tokens[0])), C.int32_t(len(tokens)), (*C.char)(unsafe.Pointer(&buf[0])), C.int32_t(len(buf)), C.bool(removeSpecial), C.bool(unparseSpecial), &e))
			if e.kind != C.INFER_OK {
				return failure("llama_detokenize", &e, nil)
			}
			if n >= 0 {
				text = string(buf[:n])
				return nil
			}
			buf = make([]byte, -n)
		}
	}, tokens...)
	return text, err
}

// TokenAttr are attributes of a token: enum llama_token_attr.
type TokenAttr uint32

// Attributes of tokens.
const (
	AttrUnknown     TokenAttr = C.LLAMA_TOKEN_ATTR_UNKNOWN
	AttrUnused      TokenAttr = C.LLAMA_TOKEN_ATTR_UNUSED
	AttrNormal      TokenAttr = C.LLAMA_TOKEN_ATTR_NORMAL
	AttrControl     TokenAttr = C.LLAMA_TOKEN_ATTR_CONTROL
	AttrUserDefined TokenAttr = C.LLAMA_TOKEN_ATTR_USER_DEFINED
	AttrByte        TokenAttr = C.LLAMA_TOKEN_ATTR_BYTE
	AttrNormalized  TokenAttr = C.LLAMA_TOKEN_ATTR_NORMALIZED
	AttrLStrip      TokenAttr = C.LLAMA_TOKEN_ATTR_LSTRIP
	AttrRStrip      TokenAttr = C.LLAMA_TOKEN_ATTR_RSTRIP
	AttrSingleWord  TokenAttr = C.LLAMA_TOKEN_ATTR_SINGLE_WORD
)

// TokenInfo describes a token.
type TokenInfo struct {
	Text    string // as in the vocabulary, not what it stands for in a text
	Score   float32
	Attr    TokenAttr
	EOG     bool // ends a generation
	Control bool
}

// TokenInfo returns what the vocabulary says of a token.
func (m *Model) TokenInfo(t Token) (i TokenInfo, err error) {
	err = m.tokenVocab(func(v *C.struct_llama_vocab) error {
		c := C.llama_token(t)
		i = TokenInfo{Text: C.GoString(C.llama_vocab_get_text(v, c)), Score: float32(C.llama_vocab_get_score(v, c)), Attr: TokenAttr(C.llama_vocab_get_attr(v, c)),
			EOG: bool(C.llama_vocab_is_eog(v, c)), Control: bool(C.llama_vocab_is_control(v, c))}
		return nil
	}, t)
	return i, err
}

// SpecialTokens are the tokens with a meaning of their own, NullToken where there is
// none.
type SpecialTokens struct {
	BOS, EOS, EOT, SEP, NL, PAD, Mask              Token
	FIMPre, FIMSuf, FIMMid, FIMPad, FIMRep, FIMSep Token
	AddBOS, AddEOS, AddSEP                         bool // whether Tokenize adds them
}

// SpecialTokens returns the vocabulary's special tokens.
func (m *Model) SpecialTokens() (s SpecialTokens, err error) {
	err = m.vocab(func(v *C.struct_llama_vocab) error {
		s = SpecialTokens{
			BOS: Token(C.llama_vocab_bos(v)), EOS: Token(C.llama_vocab_eos(v)), EOT: Token(C.llama_vocab_eot(v)), SEP: Token(C.llama_vocab_sep(v)),
			NL: Token(C.llama_vocab_nl(v)), PAD: Token(C.llama_vocab_pad(v)), Mask: Token(C.llama_vocab_mask(v)),
			FIMPre: Token(C.llama_vocab_fim_pre(v)), FIMSuf: Token(C.llama_vocab_fim_suf(v)), FIMMid: Token(C.llama_vocab_fim_mid(v)),
			FIMPad: Token(C.llama_vocab_fim_pad(v)), FIMRep: Token(C.llama_vocab_fim_rep(v)), FIMSep: Token(C.llama_vocab_fim_sep(v)),
			AddBOS: bool(C.llama_vocab_get_add_bos(v)), AddEOS: bool(C.llama_vocab_get_add_eos(v)), AddSEP: bool(C.llama_vocab_get_add_sep(v)),
		}
		return nil
	})
	return s, err
}

// EOGs returns the tokens that end a generation.
func (m *Model) EOGs() (tokens []Token, err error) {
	err = m.vocab(func(v *C.struct_llama_vocab) error {
		if C.llama_vocab_type(v) == C.LLAMA_VOCAB_TYPE_NONE {
			return nil
		}
		for t := range C.llama_vocab_n_tokens(v) {
			if C.llama_vocab_is_eog(v, t) {
				tokens = append(tokens, Token(t))
			}
		}
		return nil
	})
	return tokens, err
}
