// Package gbnf parses grammars in GBNF, llama.cpp's notation, like the engine's parser. It refuses
// grammars on which the engine's matcher, or this module's, would fail: left recursion, and
// grammars that take gigabytes of memory or overflow the stack. It needs no engine.
package gbnf

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of grammars. Repeated elements are copied, and the parser is recursive: within these
// limits a grammar neither takes gigabytes nor overflows the stack.
const (
	maxBytes    = 1 << 20 // bytes
	maxDepth    = 200     // nested parentheses
	maxRepeat   = 2000    // of a repetition; the engine's own limit
	maxRules    = 1 << 16 // one for every group and every optional repetition
	maxElements = 1 << 20 // characters, sets and references of all rules
)

// Element is an element of a rule: the end of an alternative, a character, a token or a reference
// to a rule.
type Element struct {
	Kind  Kind
	Value uint32 // code point, token, or index of a rule or name
}

// Kind is a kind of element.
type Kind uint32

// Kinds of elements: those of infer_grammar_kind, and two for tokens that are given by name.
const (
	End      Kind = iota // of an alternative
	Rule                 // by its number
	Char                 // or the first of a set
	Not                  // the first of a negated set
	Upper                // upper end of a range that begins with the previous element
	Or                   // further character of a set
	Any                  // character
	Token                // by its number
	TokenNot             // any other token
	Name                 // a token, by its name
	NameNot
)

// Grammar is a parsed GBNF grammar, with the same rules that the engine's parser makes.
type Grammar struct {
	ids      map[string]int
	rules    [][]Element // nil: referred to, not defined
	owners   []int       // for each rule: the named rule that it is a part of
	elements int
	Tokens   []int32  // <[123]>
	Names    []string // <name>
}

// Parse parses a grammar with the start rule root. Errors name the line or the rule.
func Parse(text, root string) (*Grammar, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("grammar of %d bytes is too long (at most %d)", len(text), maxBytes)
	}
	if i := strings.IndexByte(text, 0); i >= 0 || !utf8.ValidString(text) {
		return nil, errors.New("grammar: not valid UTF-8")
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

// Rules returns the number of rules.
func (g *Grammar) Rules() int { return len(g.rules) }

// ID returns the index of a rule, which must exist.
func (g *Grammar) ID(rule string) int { return g.ids[rule] }

// Flat concatenates the rules, with token ids in place of names: named has the ids of Names. Rule i
// is from starts[i] to starts[i+1].
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
