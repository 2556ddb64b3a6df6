package schema

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// automaton returns what accepts the strings of a set.
func (s *stringSet) automaton() (a *automaton, err error) {
	a = anyText()
	for i, l := range s.langs {
		if i == 0 {
			a = l.automaton
		} else if a, err = both(a, l.automaton); err != nil {
			return nil, err
		}
	}
	if s.min > 0 || s.max >= 0 {
		if max(s.min, s.max) >= maxStates {
			return nil, errStates
		}
		if a, err = both(a, lengths(max(s.min, 0), s.max)); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// where returns the schema and the keyword to blame if the strings need too large an automaton.
func (s *stringSet) where(at *value) (*value, string) {
	if len(s.langs) > 0 {
		return s.langs[0].at, s.langs[0].keyword
	}
	return at, ""
}

// stringSymbols returns what matches the strings of a set, in quotes.
func (c *converter) stringSymbols(s *stringSet, at *value, hint string) ([]symbol, error) {
	g := &c.grammar
	if len(s.langs) == 0 {
		if s.min <= 0 && s.max < 0 {
			return []symbol{ref(g.stringRule())}, nil
		}
		if s.max >= 0 && s.min > s.max {
			return nil, nil
		}
		body := g.repeat(g.charRule(), max(s.min, 0), s.max)
		return slices.Concat([]symbol{lit(`"`)}, body, []symbol{lit(`"`)}), nil
	}
	a, err := s.automaton()
	if err != nil {
		v, keyword := s.where(at)
		return nil, v.fail(keyword, "%s: use a simpler pattern, or smaller lengths", err)
	}
	if a.empty() {
		return nil, nil
	}
	return []symbol{lit(`"`), ref(g.automatonRules(a, hint, stringMoves)), lit(`"`)}, nil
}

// language returns what accepts the strings among the values of some schemas.
func (c *converter) language(schemas []*value, at *value, keyword string) (*automaton, error) {
	branches, err := c.branches(schemas)
	if err != nil {
		return nil, err
	}
	all := &automaton{states: []state{{}}, effort: &c.effort}
	add := func(a *automaton, err error) error {
		if err == nil {
			all, err = either(all, a)
		}
		if err != nil {
			return at.fail(keyword, "%s", err)
		}
		return nil
	}
	for i := range branches {
		b := &branches[i]
		if b.listed {
			for _, v := range b.only {
				if v.kind == text {
					if err := add(literal(v.text), nil); err != nil {
						return nil, err
					}
				}
			}
			continue
		}
		if b.types&isString != 0 {
			if err := add(b.str.automaton()); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// automatonRules adds a rule for each state of an automaton, and returns the rule of the start. write
// makes the alternatives of the moves to one state.
func (g *grammar) automatonRules(a *automaton, hint string, write func([]move) []string) string {
	var bytes []byte
	for _, s := range a.states {
		bytes = fmt.Append(bytes, s.accept)
		for _, m := range s.moves {
			bytes = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(bytes, uint64(m.from)), uint64(m.to)), uint64(m.state))
		}
	}
	key := string(bytes)
	if known, ok := g.automata[key]; ok {
		return known
	}
	names := make([]string, len(a.states))
	for i := range names {
		names[i] = g.unique(hint)
	}
	g.automata[key] = names[0]
	for i, s := range a.states {
		r := g.define(names[i])
		var order []int
		moves := map[int][]move{}
		for _, m := range s.moves {
			if moves[m.state] == nil {
				order = append(order, m.state)
			}
			moves[m.state] = append(moves[m.state], m)
		}
		for _, to := range order {
			end := a.states[to].accept && len(a.states[to].moves) == 0
			for _, text := range write(moves[to]) {
				alt := []symbol{raw(text)}
				if len(text) > maxInline {
					alt[0] = ref(g.classRule(text))
				}
				if !end {
					alt = append(alt, ref(names[to]))
				}
				g.add(r, alt...)
			}
		}
		if s.accept {
			g.add(r)
		}
	}
	return names[0]
}

// maxInline is the length of a set of characters that has no rule of its own.
const maxInline = 100

// classRule is the rule of a set of characters.
func (g *grammar) classRule(text string) string {
	name, ok := g.classes[text]
	if !ok {
		name = g.unique("class")
		g.classes[text] = name
		g.add(g.define(name), raw(text))
	}
	return name
}

// textMoves writes moves as they are.
func textMoves(moves []move) []string { return []string{class(moves)} }

// stringMoves writes moves as what a JSON string has for the characters.
func stringMoves(moves []move) (out []string) {
	var plain []move
	var escapes []string
	var digits [2]string // of controls without a short escape, by the digit before
	for _, m := range moves {
		for r := m.from; r <= m.to; {
			switch {
			case r < 0x20:
				if short := shortEscapes[r]; short != "" {
					escapes = append(escapes, quoteGBNF(short))
				}
				digits[r>>4] += fmt.Sprintf("%x", r&15)
				if r&15 >= 10 {
					digits[r>>4] += fmt.Sprintf("%X", r&15)
				}
				r++
			case r == '"' || r == '\\':
				escapes = append(escapes, quoteGBNF(shortEscapes[r]))
				r++
			default:
				end := m.to
				for _, stop := range []rune{'"', '\\'} {
					if r < stop && stop <= end {
						end = stop - 1
					}
				}
				plain = append(plain, move{from: r, to: end})
				r = end + 1
			}
		}
	}
	if len(plain) > 0 {
		out = append(out, class(plain))
	}
	for i, d := range digits {
		if d != "" {
			escapes = append(escapes, fmt.Sprintf(`"\\u00%d" [%s]`, i, d))
		}
	}
	return append(out, escapes...)
}

// class writes a set of characters.
func class(moves []move) string {
	if len(moves) == 1 && moves[0].from == moves[0].to {
		return quoteGBNF(string(moves[0].from))
	}
	var b strings.Builder
	b.WriteByte('[')
	for _, m := range moves {
		b.WriteString(classRune(m.from))
		if m.to > m.from {
			b.WriteString("-" + classRune(m.to))
		}
	}
	b.WriteByte(']')
	return b.String()
}

func classRune(r rune) string {
	switch {
	case r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return string(r)
	case r < 0x80:
		return fmt.Sprintf(`\x%02X`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}

// quoteGBNF writes a literal.
func quoteGBNF(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r >= ' ' && r < 0x7F:
			b.WriteRune(r)
		default:
			b.WriteString(classRune(r))
		}
	}
	b.WriteByte('"')
	return b.String()
}
