// Package gbnf reads grammars in GBNF, llama.cpp's notation, as the engine's parser does, and
// refuses what its matcher, or this module's, would not survive: recursion that grows without
// taking a character, and grammars that take gigabytes or the stack. It needs no engine.
package gbnf

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of grammars. What is repeated is copied, and the parser recurses: within these a
// grammar takes neither gigabytes nor the stack.
const (
	maxBytes    = 1 << 20 // bytes
	maxDepth    = 200     // parentheses in parentheses
	maxRepeat   = 2000    // times, the engine's own limit
	maxRules    = 1 << 16 // one for every group and every optional repetition
	maxElements = 1 << 20 // characters, sets and references of all rules
)

// Element is a part of a rule: the end of an alternative, what takes a character or token,
// or another rule.
type Element struct {
	Kind  Kind
	Value uint32 // a character, a token, the number of a rule or name
}

// Kind is a kind of element.
type Kind uint32

// Kinds of elements, those of infer_grammar_kind and two for tokens whose numbers are not
// known yet.
const (
	End      Kind = iota // of an alternative
	Rule                 // by its number
	Char                 // or the first of a set
	Not                  // the first of a set of those that it is not
	Upper                // makes the one before a range
	Or                   // one more of a set
	Any                  // character
	Token                // by its number
	TokenNot             // any other
	Name                 // a token by its name
	NameNot
)

// Grammar is a GBNF grammar: the rules that the engine's parser would make of it.
type Grammar struct {
	ids      map[string]int
	rules    [][]Element // nil: referred to, not defined
	owners   []int       // of each rule: the one with a name that it is a part of
	elements int
	Tokens   []int32  // <[123]>
	Names    []string // <name>
}

// Parse reads a grammar whose texts begin with the rule root. Its errors name the line or the
// rule.
func Parse(text, root string) (*Grammar, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("grammar of %d bytes, at most %d are possible", len(text), maxBytes)
	}
	if i := strings.IndexByte(text, 0); i >= 0 || !utf8.ValidString(text) {
		return nil, errors.New("grammar: not text in UTF-8")
	}
	p := parser{Grammar: Grammar{ids: map[string]int{}}, text: text}
	p.space(true)
	for p.pos < len(text) {
		if err := p.rule(); err != nil {
			return nil, err
		}
	}
	if err := p.check(root); err != nil {
		return nil, err
	}
	return &p.Grammar, nil
}

// Rules is the number of rules.
func (g *Grammar) Rules() int { return len(g.rules) }

// ID is the number of a rule that the grammar has.
func (g *Grammar) ID(rule string) int { return g.ids[rule] }

// Flat puts the rules side by side, with the numbers of tokens in place of their names: named
// are those of Names. A rule begins at its start, and ends at that of the next.
func (g *Grammar) Flat(named []int32) (elements []Element, starts []uint32) {
	elements = make([]Element, 0, g.elements)
	for _, rule := range g.rules {
		starts = append(starts, uint32(len(elements)))
		elements = append(elements, rule...)
	}
	for i, e := range elements {
		switch e.Kind {
		case Name:
			elements[i] = Element{Token, uint32(named[e.Value])}
		case NameNot:
			elements[i] = Element{TokenNot, uint32(named[e.Value])}
		}
	}
	return elements, append(starts, uint32(len(elements)))
}
