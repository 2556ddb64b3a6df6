// Package gbnf parses grammars in GBNF, llama.cpp's notation, like the engine's parser. It refuses
// grammars on which the engine's matcher, or this module's, would fail: left recursion, and
// grammars that take gigabytes of memory or overflow the stack. It needs no engine.
package gbnf

import (
	"fmt"
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
	Named    []string // <name>
}

// Problem is what is wrong with a grammar.
type Problem string

// The problems, as in package llama.
const (
	Syntax    Problem = "syntax"
	Missing   Problem = "missing rule"
	Recursion Problem = "left recursion"
	Limit     Problem = "limit"
)

// Error is the error of an invalid grammar.
type Error struct {
	Problem      Problem
	Line, Column int    // from 1 on, in characters; 0: a rule or the whole text
	Rule         string // that is missing or can't be used; "" if it is none
	Limit        int    // the bound that is exceeded; 0: none
	Reason       string
}

func (e *Error) Error() string { return e.Reason }

// Parse parses a grammar with the start rule root. Errors are an [*Error].
func Parse(text, root string) (*Grammar, error) {
	if len(text) > maxBytes {
		return nil, &Error{Problem: Limit, Limit: maxBytes, Reason: fmt.Sprintf("%d bytes are too long (at most %d)", len(text), maxBytes)}
	}
	p := parser{Grammar: Grammar{ids: map[string]int{}}, text: text}
	for i, r := range text {
		if _, n := utf8.DecodeRuneInString(text[i:]); r == 0 || r == utf8.RuneError && n == 1 {
			p.pos = i
			return nil, p.fail("not valid UTF-8")
		}
	}
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

// Names returns the name of each rule; for a group or a repetition, that of the rule that it is a part of.
func (g *Grammar) Names() []string {
	names := make([]string, len(g.rules))
	for name, id := range g.ids {
		names[id] = name
	}
	for id, owner := range g.owners {
		names[id] = names[owner]
	}
	return names
}

// ID returns the index of a rule, which must exist.
func (g *Grammar) ID(rule string) int { return g.ids[rule] }

// Flat concatenates the rules, with token ids in place of names: named has the ids of Named. Rule i
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
