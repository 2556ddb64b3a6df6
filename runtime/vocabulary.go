package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
)

// TokenizeOptions are the options of [Model.Tokenize] and [Vocabulary.Tokenize].
type TokenizeOptions struct {
	// NoSpecial adds no tokens that begin and end a text.
	NoSpecial bool
	// Plain treats the names of special tokens in the text as plain text.
	Plain bool
}

// Tokenize returns the tokens of a text.
func (m *Model) Tokenize(text string, o TokenizeOptions) ([]int32, error) {
	if err := m.acquire(); err != nil {
		return nil, err
	}
	defer m.release(nil)
	return tokenizeIDs(m.weights.native, text, o)
}

// Detokenize returns the text of tokens, special ones included.
func (m *Model) Detokenize(ids []int32) (string, error) {
	if err := m.acquire(); err != nil {
		return "", err
	}
	defer m.release(nil)
	return detokenize(m.weights.native, ids)
}

// Piece returns the text of one token, which need not be whole characters.
func (m *Model) Piece(id int32) (string, error) {
	if err := m.acquire(); err != nil {
		return "", err
	}
	defer m.release(nil)
	return piece(m.weights.native, id)
}

// ChatTemplate returns a chat template of the model's metadata: the default one for name "", else
// tokenizer.chat_template.NAME; "" if there is none.
func (m *Model) ChatTemplate(name string) (string, error) {
	if err := m.acquire(); err != nil {
		return "", err
	}
	defer m.release(nil)
	return chatTemplate(m.weights.native, name)
}

// SpecialTokens returns the tokens with a meaning of their own.
func (m *Model) SpecialTokens() (SpecialTokens, error) {
	if err := m.acquire(); err != nil {
		return SpecialTokens{}, err
	}
	defer m.release(nil)
	return m.weights.specials.of(m.weights.native)
}

// LongestToken returns the most bytes of a text that one token can be, space aside: a text has at least as many
// tokens as its length divided by it. 0: there is no bound, as with vocabularies that have one token for any
// unknown word.
func (m *Model) LongestToken() (int, error) {
	if err := m.acquire(); err != nil {
		return 0, err
	}
	defer m.release(nil)
	return m.weights.longest.of(m.weights.native)
}

// SpecialTokens are the tokens of a vocabulary with a meaning of their own. They are not to be
// changed.
type SpecialTokens struct {
	BOS, EOS       int32  // begins and ends a text; -1: there is none
	BOSText        string // of BOS, "" if there is none
	EOSText        string
	AddBOS, AddEOS bool // Tokenize adds them
	// Control are those that stand in a text by their names, unless
	// [TokenizeOptions].Plain is set: the longest names first.
	Control []ControlToken
}

// ControlToken is a token that stands in a text by its name.
type ControlToken struct {
	ID                      int32
	Name                    string
	TakesBefore, TakesAfter bool // space before it, or after it, belongs to it
}

// specials keeps the special tokens of a vocabulary, which takes milliseconds to list.
type specials struct {
	once sync.Once
	list SpecialTokens
	err  error
}

func (s *specials) of(native *llama.Model) (SpecialTokens, error) {
	s.once.Do(func() { s.list, s.err = listSpecials(native) })
	return s.list, s.err
}

// longest keeps the length of the longest token, which takes milliseconds to find.
type longest struct {
	once  sync.Once
	bytes int
	err   error
}

func (l *longest) of(native *llama.Model) (int, error) {
	l.once.Do(func() { l.bytes, l.err = longestToken(native) })
	return l.bytes, l.err
}

func longestToken(native *llama.Model) (most int, err error) {
	kind, err := native.VocabType()
	if err != nil || kind != "spm" && kind != "bpe" { // the unknown token of others stands for whole words
		return 0, closed(err)
	}
	n, err := native.VocabSize()
	if err != nil {
		return 0, closed(err)
	}
	most = utf8.UTFMax // of an unknown character
	var b []byte
	for t := range n {
		if b, err = native.AppendPiece(b[:0], llama.Token(t), true); err != nil {
			return 0, closed(err)
		}
		most = max(most, len(b))
	}
	return most, nil
}

func listSpecials(native *llama.Model) (s SpecialTokens, err error) {
	t, err := native.SpecialTokens()
	if err != nil {
		return s, closed(err)
	}
	s = SpecialTokens{BOS: int32(t.BOS), EOS: int32(t.EOS), AddBOS: t.AddBOS, AddEOS: t.AddEOS}
	if s.BOS >= 0 {
		if s.BOSText, err = piece(native, s.BOS); err != nil {
			return s, err
		}
	}
	if s.EOS >= 0 {
		if s.EOSText, err = piece(native, s.EOS); err != nil {
			return s, err
		}
	}
	control, err := native.ControlTokens()
	if err != nil {
		return s, closed(err)
	}
	for _, t := range control {
		info, err := native.TokenInfo(t)
		if err != nil {
			return s, closed(err)
		}
		if info.Text != "" {
			s.Control = append(s.Control, ControlToken{int32(t), info.Text, info.Attr&llama.AttrLStrip != 0, info.Attr&llama.AttrRStrip != 0})
		}
	}
	slices.SortStableFunc(s.Control, func(a, b ControlToken) int { return len(b.Name) - len(a.Name) })
	return s, nil
}

func chatTemplate(native *llama.Model, name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", nil
	}
	text, err := native.ChatTemplate(name)
	return text, closed(err)
}

func (m *Model) tokenize(text string, addSpecial, parseSpecial bool) ([]llama.Token, error) {
	return m.weights.native.Tokenize(text, addSpecial, parseSpecial)
}

// Vocabulary is a model's vocabulary without its weights. It is safe for concurrent
// use.
type Vocabulary struct {
	native   *llama.Model
	warnings []string
	specials specials
	longest  longest
	lent     bool // of a model
}

// OpenVocabulary opens the vocabulary of a model or of a vocabulary-only file; path is as for
// [Open]. Errors are those of Open.
func OpenVocabulary(ctx context.Context, path string) (*Vocabulary, error) {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return nil, &LoadError{Path: path, Err: err}
	}
	v, err := openVocabulary(ctx, file)
	if err != nil {
		return nil, &LoadError{Path: file, Err: err}
	}
	return v, nil
}

func openVocabulary(ctx context.Context, file string) (*Vocabulary, error) {
	index, err := openIndex(file)
	if err != nil {
		return nil, err
	}
	defer index.Close()
	skeleton, err := index.Skeleton()
	if err != nil {
		return nil, err
	}
	defer skeleton.Close()
	native, err := llama.LoadModel(ctx, skeleton.Path(), llama.ModelParams{VocabOnly: true})
	if err != nil {
		return nil, err
	}
	return &Vocabulary{native: native, warnings: index.Warnings()}, nil
}

// Warnings are as in [Report].
func (v *Vocabulary) Warnings() []string { return v.warnings }

// Close frees the vocabulary. Closing twice is safe.
func (v *Vocabulary) Close() error {
	if v.lent {
		return nil
	}
	return v.native.Close()
}

// ChatTemplate is as of [Model].
func (v *Vocabulary) ChatTemplate(name string) (string, error) { return chatTemplate(v.native, name) }

// SpecialTokens is as of [Model].
func (v *Vocabulary) SpecialTokens() (SpecialTokens, error) { return v.specials.of(v.native) }

// LongestToken is as of [Model].
func (v *Vocabulary) LongestToken() (int, error) { return v.longest.of(v.native) }

// Tokenize returns the tokens of a text.
func (v *Vocabulary) Tokenize(text string, o TokenizeOptions) ([]int32, error) {
	return tokenizeIDs(v.native, text, o)
}

// Detokenize returns the text of tokens, special ones included.
func (v *Vocabulary) Detokenize(ids []int32) (string, error) { return detokenize(v.native, ids) }

// Piece returns the text of one token, which need not be whole characters.
func (v *Vocabulary) Piece(id int32) (string, error) { return piece(v.native, id) }

func tokenizeIDs(m *llama.Model, text string, o TokenizeOptions) ([]int32, error) {
	tokens, err := m.Tokenize(text, !o.NoSpecial, !o.Plain)
	if err != nil {
		return nil, closed(err)
	}
	ids := make([]int32, len(tokens))
	for i, t := range tokens {
		ids[i] = int32(t)
	}
	return ids, nil
}

func detokenize(m *llama.Model, ids []int32) (string, error) {
	tokens := make([]llama.Token, len(ids))
	for i, id := range ids {
		tokens[i] = llama.Token(id)
	}
	text, err := m.Detokenize(tokens, false, true)
	return text, closed(err)
}

func piece(m *llama.Model, id int32) (string, error) {
	b, err := m.AppendPiece(nil, llama.Token(id), true)
	return string(b), closed(err)
}

// closed translates the engine's sentinel for a closed model into ErrClosed.
func closed(err error) error {
	if errors.Is(err, llama.ErrClosed) {
		return fmt.Errorf("model: %w", ErrClosed)
	}
	return err
}
