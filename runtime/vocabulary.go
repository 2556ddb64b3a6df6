package runtime

import (
	"context"
	"errors"
	"fmt"

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

func (m *Model) tokenize(text string, addSpecial, parseSpecial bool) ([]llama.Token, error) {
	return m.weights.native.Tokenize(text, addSpecial, parseSpecial)
}

// Vocabulary is a model's vocabulary without its weights. It is safe for concurrent
// use.
type Vocabulary struct {
	native   *llama.Model
	warnings []string
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
	return &Vocabulary{native, index.Warnings()}, nil
}

// Warnings are as in [Report].
func (v *Vocabulary) Warnings() []string { return v.warnings }

// Close frees the vocabulary. Closing twice is safe.
func (v *Vocabulary) Close() error { return v.native.Close() }

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
