//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/seed7adf6694/infer/llama/internal/pretoken"
)

// maxText bounds texts in bytes and their parts in tokens: the engine counts both, and
// up to three times as many, in 32 bits.
const maxText = 1 << 29

// vocab runs f on the vocabulary.
func (m *Model) vocab(f func(*C.struct_llama_vocab) error) error {
	var err error
	if e := m.use(func(p *C.struct_llama_model) { err = f(C.infer_llama_model_get_vocab(p)) }); e != nil {
		return e
	}
	return err
}

// textVocab is like vocab, but refuses models without a vocabulary, which would fail an assertion
// of the engine.
func (m *Model) textVocab(f func(*C.struct_llama_vocab) error) error {
	return m.vocab(func(v *C.struct_llama_vocab) error {
		if C.infer_llama_vocab_type(v) == C.LLAMA_VOCAB_TYPE_NONE {
			return argument("the model has no vocabulary")
		}
		return f(v)
	})
}

// VocabSize is the number of tokens: llama_vocab_n_tokens.
func (m *Model) VocabSize() (n int, err error) {
	err = m.vocab(func(v *C.struct_llama_vocab) error { n = int(C.infer_llama_vocab_n_tokens(v)); return nil })
	return n, err
}

// VocabType names the kind of vocabulary, "spm", "bpe", "wpm", "ugm", "rwkv", "plamo2",
// or "none" for models that have none: llama_vocab_type.
func (m *Model) VocabType() (name string, err error) {
	names := map[C.enum_llama_vocab_type]string{C.LLAMA_VOCAB_TYPE_NONE: "none", C.LLAMA_VOCAB_TYPE_SPM: "spm", C.LLAMA_VOCAB_TYPE_BPE: "bpe",
		C.LLAMA_VOCAB_TYPE_WPM: "wpm", C.LLAMA_VOCAB_TYPE_UGM: "ugm", C.LLAMA_VOCAB_TYPE_RWKV: "rwkv", C.LLAMA_VOCAB_TYPE_PLAMO2: "plamo2"}
	err = m.vocab(func(v *C.struct_llama_vocab) error { name = names[C.infer_llama_vocab_type(v)]; return nil })
	return name, err
}

// SpecialTokens returns the tokens with a meaning of their own: llama_vocab_bos and its
// siblings.
func (m *Model) SpecialTokens() (s SpecialTokens, err error) {
	err = m.vocab(func(v *C.struct_llama_vocab) error {
		s = SpecialTokens{
			BOS: Token(C.infer_llama_vocab_bos(v)), EOS: Token(C.infer_llama_vocab_eos(v)), EOT: Token(C.infer_llama_vocab_eot(v)), SEP: Token(C.infer_llama_vocab_sep(v)),
			NL: Token(C.infer_llama_vocab_nl(v)), PAD: Token(C.infer_llama_vocab_pad(v)), Mask: Token(C.infer_llama_vocab_mask(v)),
			FIMPre: Token(C.infer_llama_vocab_fim_pre(v)), FIMSuf: Token(C.infer_llama_vocab_fim_suf(v)), FIMMid: Token(C.infer_llama_vocab_fim_mid(v)),
			FIMPad: Token(C.infer_llama_vocab_fim_pad(v)), FIMRep: Token(C.infer_llama_vocab_fim_rep(v)), FIMSep: Token(C.infer_llama_vocab_fim_sep(v)),
			AddBOS: bool(C.infer_llama_vocab_get_add_bos(v)), AddEOS: bool(C.infer_llama_vocab_get_add_eos(v)), AddSEP: bool(C.infer_llama_vocab_get_add_sep(v)),
		}
		return nil
	})
	return s, err
}

// EOGs returns the tokens that end a generation, in ascending order:
// llama_vocab_is_eog.
func (m *Model) EOGs() (tokens []Token, err error) {
	err = m.vocab(func(v *C.struct_llama_vocab) error {
		for t := range C.infer_llama_vocab_n_tokens(v) {
			if C.infer_llama_vocab_is_eog(v, t) {
				tokens = append(tokens, Token(t))
			}
		}
		return nil
	})
	return tokens, err
}

// ControlTokens returns the tokens whose names [Model.Tokenize] recognises with parseSpecial alone,
// in ascending order: control and unknown tokens by llama_vocab_get_attr.
func (m *Model) ControlTokens() (tokens []Token, err error) {
	err = m.textVocab(func(v *C.struct_llama_vocab) error {
		for t := range C.infer_llama_vocab_n_tokens(v) {
			if TokenAttr(C.infer_llama_vocab_get_attr(v, t))&(AttrControl|AttrUnknown) != 0 {
				tokens = append(tokens, Token(t))
			}
		}
		return nil
	})
	return tokens, err
}

// TokenInfo returns what the vocabulary says of a token: llama_vocab_get_text,
// _get_score, _get_attr, _is_eog and _is_control.
func (m *Model) TokenInfo(t Token) (i TokenInfo, err error) {
	err = m.textVocab(func(v *C.struct_llama_vocab) error {
		if err := inVocab(v, t); err != nil {
			return err
		}
		c := C.llama_token(t)
		i = TokenInfo{Text: C.GoString(C.infer_llama_vocab_get_text(v, c)), Score: float32(C.infer_llama_vocab_get_score(v, c)), Attr: TokenAttr(C.infer_llama_vocab_get_attr(v, c)),
			EOG: bool(C.infer_llama_vocab_is_eog(v, c)), Control: bool(C.infer_llama_vocab_is_control(v, c))}
		return nil
	})
	return i, err
}

func inVocab(v *C.struct_llama_vocab, tokens ...Token) error {
	n := Token(C.infer_llama_vocab_n_tokens(v))
	for _, t := range tokens {
		if t < 0 || t >= n {
			return noToken(t, int(n))
		}
	}
	return nil
}

// Tokenize splits a text into tokens: llama_tokenize. addSpecial adds the tokens that
// begin and end a text, where the vocabulary wants them; parseSpecial takes the names of
// control tokens in the text for those tokens.
//
// A text may contain any bytes; invalid UTF-8 becomes byte tokens or replacement characters,
// depending on the vocabulary. A vocabulary without byte tokens cannot represent all texts and
// returns [ErrArgument] for others. A text has at most 512 MiB. If the vocabulary splits texts by
// regular expressions, words have at most 131072 characters; long words are split on a thread with
// a stack of 1 KiB per character.
func (m *Model) Tokenize(text string, addSpecial, parseSpecial bool) ([]Token, error) {
	if len(text) > maxText {
		return nil, argument("text of %d bytes is too long (at most %d)", len(text), maxText)
	}
	var tokens []Token
	err := m.textVocab(func(v *C.struct_llama_vocab) (err error) {
		kind := C.infer_llama_vocab_type(v)
		if addSpecial {
			if err := canAddSpecial(v); err != nil {
				return err
			}
		}
		if kind == C.LLAMA_VOCAB_TYPE_BPE || kind == C.LLAMA_VOCAB_TYPE_WPM || kind == C.LLAMA_VOCAB_TYPE_PLAMO2 {
			text = pretoken.Decodable(text)
		}
		stack := 0
		if kind == C.LLAMA_VOCAB_TYPE_BPE && m.s.recurses() {
			if stack, err = pretoken.Stack(text); err != nil {
				return argument("%v", err)
			}
		}
		if kind == C.LLAMA_VOCAB_TYPE_SPM && pretoken.Long(text) {
			if parts := m.s.charactersOf(v).Parts(text); len(parts) > 1 {
				tokens, err = tokenizeParts(v, parts, addSpecial, parseSpecial)
				return err
			}
		}
		tokens, err = tokenize(v, text, addSpecial, parseSpecial, stack)
		return err
	})
	return tokens, err
}

// charactersOf returns the characters of a vocabulary's tokens, which are collected for the first long text.
func (s *modelState) charactersOf(v *C.struct_llama_vocab) pretoken.Characters {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.characters == nil {
		s.characters = pretoken.Characters{}
		for t := range C.infer_llama_vocab_n_tokens(v) {
			s.characters.Add(C.GoString(C.infer_llama_vocab_get_text(v, t)))
		}
	}
	return s.characters
}

// tokenizeParts tokenizes a text of which all parts but the first begin with a character that no token has.
func tokenizeParts(v *C.struct_llama_vocab, parts []string, addSpecial, parseSpecial bool) (tokens []Token, err error) {
	// Of a part alone, the engine's tokens may begin with those of a space that the text does not have.
	_, size := utf8.DecodeRuneInString(parts[1])
	alone, err := tokenize(v, parts[1][:size], false, parseSpecial, 0)
	if err != nil {
		return nil, err
	}
	space := len(alone) - size // the character itself has a token for each byte
	if addSpecial && bool(C.infer_llama_vocab_get_add_bos(v)) {
		tokens = append(tokens, Token(C.infer_llama_vocab_bos(v)))
	}
	for i, part := range parts {
		of, err := tokenize(v, part, false, parseSpecial, 0)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			of = of[space:]
		}
		tokens = append(tokens, of...)
	}
	if addSpecial && bool(C.infer_llama_vocab_get_add_eos(v)) {
		tokens = append(tokens, Token(C.infer_llama_vocab_eos(v)))
	}
	if len(tokens) > math.MaxInt32 {
		return nil, argument("a text of %d tokens is too long: use a shorter one", len(tokens))
	}
	return tokens, nil
}

func tokenize(v *C.struct_llama_vocab, text string, addSpecial, parseSpecial bool, stack int) ([]Token, error) {
	p := (*C.char)(unsafe.Pointer(unsafe.StringData(text)))
	if text == "" {
		p = (*C.char)(unsafe.Pointer(&[1]byte{}))
	}
	tokens := make([]Token, len(text)/3+8)
	for {
		var e C.infer_error
		n := int(C.infer_tokenize(v, p, C.int32_t(len(text)), (*C.llama_token)(unsafe.Pointer(&tokens[0])), C.int32_t(len(tokens)),
			C.bool(addSpecial), C.bool(parseSpecial), C.size_t(stack), &e))
		runtime.KeepAlive(text)
		switch {
		case e.kind == C.INFER_EXCEPTION && strings.HasSuffix(C.GoString(&e.what[0]), "::at"): // a look-up of a byte
			return nil, &Error{Call: "llama_tokenize", Kind: ErrArgument, Reason: "the text has a character for which the vocabulary has neither a token nor byte tokens"}
		case e.kind != C.INFER_OK:
			return nil, failure("llama_tokenize", &e, nil)
		case n >= 0:
			return slices.Clip(tokens[:n]), nil
		case n == math.MinInt32:
			return nil, argument("text of %d bytes has more than 2147483647 tokens: use a shorter one", len(text))
		}
		tokens = make([]Token, -n)
	}
}

// canAddSpecial refuses vocabularies that require special tokens which they lack: they would fail
// an assertion of the engine.
func canAddSpecial(v *C.struct_llama_vocab) error {
	words := C.infer_llama_vocab_type(v) == C.LLAMA_VOCAB_TYPE_WPM // which wants both always
	if (words || bool(C.infer_llama_vocab_get_add_bos(v))) && C.infer_llama_vocab_bos(v) < 0 {
		return argument("the vocabulary asks for a BOS token but has none: tokenize without special tokens")
	}
	if words && C.infer_llama_vocab_sep(v) < 0 || !words && bool(C.infer_llama_vocab_get_add_eos(v)) && C.infer_llama_vocab_eos(v) < 0 {
		return argument("the vocabulary asks for an EOS token but has none: tokenize without special tokens")
	}
	return nil
}

// recurses reports whether texts are split by a recursive matcher.
func (s *modelState) recurses() bool {
	key := C.CString("tokenizer.ggml.pre")
	defer C.free(unsafe.Pointer(key))
	return pretoken.Recurses(growString(func(buf *C.char, n C.size_t) C.int32_t { return C.infer_llama_model_meta_val_str(s.model, key, buf, n) }))
}

// AppendPiece appends the text of a token to dst, which need not be whole characters:
// llama_token_to_piece. With special the names of control tokens are written, which
// have no text otherwise. It does not allocate where dst has room.
func (m *Model) AppendPiece(dst []byte, t Token, special bool) ([]byte, error) {
	if err := m.s.life.acquire(); err != nil {
		return dst, err
	}
	defer runtime.KeepAlive(m)
	defer m.s.life.release()
	v := C.infer_llama_model_get_vocab(m.s.model)
	if C.infer_llama_vocab_type(v) == C.LLAMA_VOCAB_TYPE_NONE {
		return dst, argument("the model has no vocabulary")
	}
	if n := C.infer_llama_vocab_n_tokens(v); t < 0 || C.int32_t(t) >= n {
		return dst, noToken(t, int(n))
	}
	const enough = 32
	dst = slices.Grow(dst, enough)
	for {
		room := dst[len(dst):cap(dst)]
		e := errorPool.Get().(*C.infer_error)
		n := int(C.infer_piece(v, C.llama_token(t), (*C.char)(unsafe.Pointer(&room[0])), C.int32_t(min(len(room), math.MaxInt32)), C.bool(special), e))
		var err error
		if e.kind != C.INFER_OK {
			err = failure("llama_token_to_piece", e, nil)
		}
		errorPool.Put(e)
		if err != nil {
			return dst, err
		}
		if n >= 0 {
			return dst[:len(dst)+n], nil
		}
		dst = slices.Grow(dst, -n)
	}
}

// Detokenize is the inverse of [Model.Tokenize]: llama_detokenize. removeSpecial leaves
// out what addSpecial added; unparseSpecial writes the names of control tokens. For
// some vocabularies it tidies spaces before punctuation, so that it is not an inverse
// byte for byte.
func (m *Model) Detokenize(tokens []Token, removeSpecial, unparseSpecial bool) (string, error) {
	if len(tokens) == 0 {
		return "", nil
	}
	if len(tokens) > maxText {
		return "", argument("%d tokens are too many for one text (at most %d)", len(tokens), maxText)
	}
	var text string
	err := m.textVocab(func(v *C.struct_llama_vocab) error {
		if err := inVocab(v, tokens...); err != nil {
			return err
		}
		p := (*C.llama_token)(unsafe.Pointer(&tokens[0]))
		var e C.infer_error
		size := uint64(C.infer_detokenize_size(v, p, C.size_t(len(tokens)), C.bool(unparseSpecial), &e))
		if e.kind != C.INFER_OK {
			return failure("llama_token_to_piece", &e, nil)
		}
		if size >= math.MaxInt32 {
			return argument("%d tokens have a text of %d bytes, which is too long (at most %d)", len(tokens), size, math.MaxInt32-1)
		}
		buf := make([]byte, size+1)
		n := int(C.infer_detokenize(v, p, C.int32_t(len(tokens)), (*C.char)(unsafe.Pointer(&buf[0])), C.int32_t(len(buf)), C.bool(removeSpecial), C.bool(unparseSpecial), &e))
		if e.kind != C.INFER_OK || n < 0 {
			return failure("llama_detokenize", &e, nil)
		}
		text = string(buf[:n])
		return nil
	})
	return text, err
}
