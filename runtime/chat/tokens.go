package chat

import (
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/runtime"
)

// Tokenizer is a model's vocabulary: a [runtime.Model] or a [runtime.Vocabulary].
type Tokenizer interface {
	Tokenize(text string, o runtime.TokenizeOptions) ([]int32, error)
	SpecialTokens() (runtime.SpecialTokens, error)
}

// Tokens renders a conversation and returns its tokens.
func (t *Template) Tokens(m Tokenizer, messages []Message, o Options) ([]int32, error) {
	p, err := t.Render(messages, o)
	if err != nil {
		return nil, err
	}
	return p.Tokens(m)
}

// Tokens returns the tokens of a prompt. The names of special tokens that the template wrote become
// those tokens; in foreign text they stay text. The token that begins a text comes first, once, if the
// template wrote it or the vocabulary wants it.
func (p Prompt) Tokens(m Tokenizer) ([]int32, error) {
	special, err := m.SpecialTokens()
	if err != nil {
		return nil, err
	}
	var ids []int32
	if !p.foreignNames(special.Control) {
		ids, err = m.Tokenize(p.Text, runtime.TokenizeOptions{NoSpecial: true})
	} else {
		ids, err = p.partitioned(m, special.Control)
	}
	if err != nil {
		return nil, err
	}
	if special.BOS < 0 {
		return ids, nil
	}
	for len(ids) > 1 && ids[0] == special.BOS && ids[1] == special.BOS {
		ids = ids[1:]
	}
	if special.AddBOS && (len(ids) == 0 || ids[0] != special.BOS) {
		ids = slices.Insert(ids, 0, special.BOS)
	}
	return ids, nil
}

// foreignNames reports whether a name of a special token stands in the text with a part of it in
// foreign text.
func (p Prompt) foreignNames(control []runtime.ControlToken) bool {
	for _, c := range control {
		for _, r := range p.Foreign {
			from, to := max(0, r.From-len(c.Name)+1), min(len(p.Text), r.To+len(c.Name)-1)
			if strings.Contains(p.Text[from:to], c.Name) {
				return true
			}
		}
	}
	return false
}

// piece is a part of a prompt: a special token, or a text between them.
type piece struct {
	from, to int
	token    int32 // -1: text
}

// partitioned splits the text at the special tokens of the template, the longest names first as the
// engine does, and tokenizes what is between them as plain text.
func (p Prompt) partitioned(m Tokenizer, control []runtime.ControlToken) ([]int32, error) {
	parts := []piece{{0, len(p.Text), -1}}
	for _, c := range control {
		if !strings.Contains(p.Text, c.Name) {
			continue
		}
		var next []piece
		for _, part := range parts {
			if part.token >= 0 {
				next = append(next, part)
				continue
			}
			next = append(next, p.split(part, c)...)
		}
		parts = next
	}
	var ids []int32
	for _, part := range parts {
		switch {
		case part.token >= 0:
			ids = append(ids, part.token)
		case part.from < part.to:
			text, err := m.Tokenize(p.Text[part.from:part.to], runtime.TokenizeOptions{NoSpecial: true, Plain: true})
			if err != nil {
				return nil, err
			}
			ids = append(ids, text...)
		}
	}
	return ids, nil
}

// cSpace is isspace of C.
const cSpace = " \t\n\v\f\r"

// split splits a text at one special token.
func (p Prompt) split(part piece, c runtime.ControlToken) []piece {
	var list []piece
	at, search := part.from, part.from
	for {
		i := strings.Index(p.Text[search:part.to], c.Name)
		if i < 0 {
			return append(list, piece{at, part.to, -1})
		}
		i += search
		end := i + len(c.Name)
		search = end
		if p.foreign(i, end) {
			search = i + 1
			continue
		}
		before := i
		if c.TakesBefore {
			before = at + len(strings.TrimRight(p.Text[at:i], cSpace))
		}
		list = append(list, piece{at, before, -1}, piece{i, end, c.ID})
		at = end
		if c.TakesAfter {
			at = part.to - len(strings.TrimLeft(p.Text[end:part.to], cSpace))
			search = at
		}
	}
}

// foreign reports whether a range has foreign bytes.
func (p Prompt) foreign(from, to int) bool {
	i, _ := slices.BinarySearchFunc(p.Foreign, from, func(r Range, from int) int { return r.To - from - 1 })
	return i < len(p.Foreign) && p.Foreign[i].From < to
}
