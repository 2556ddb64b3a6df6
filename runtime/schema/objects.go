package schema

import (
	"fmt"
	"slices"
)

// entry is a property of an object that has a name.
type entry struct {
	name     string
	required bool
	pair     string // rule of name and value
}

// objectBuilder builds the rules of an object.
type objectBuilder struct {
	*converter
	set     *objectSet
	hint    string
	at      *value
	entries []entry
	others  string // rule of a pair with another name; "" if there are none
	counts  bool   // the number of properties matters
	known   map[objectState]string
}

// objectState is what matters of the properties before an entry.
type objectState struct {
	entry, count int
	some         bool // there was a property
}

// objectSymbols returns what matches the objects of a set; nil if there are none.
func (c *converter) objectSymbols(s *objectSet, hint string, at *value) ([]symbol, error) {
	g := &c.grammar
	b := &objectBuilder{converter: c, set: s, hint: hint, at: at, known: map[objectState]string{}}
	if s.max >= 0 && s.min > s.max {
		return nil, nil
	}
	if err := b.named(); err != nil {
		return nil, err
	}
	if err := b.unnamed(); err != nil {
		return nil, err
	}
	required := 0
	for _, e := range b.entries {
		if e.required {
			required++
		}
	}
	b.counts = s.max >= 0 || s.min > required
	if b.others != "" && s.min > len(b.entries)+1 {
		return nil, s.at.fail("minProperties", "a grammar can't tell whether names that no schema has are different: name at least %d properties, or set additionalProperties to false", s.min-1)
	}
	rest, err := b.from(objectState{})
	if err != nil {
		return nil, err
	}
	return slices.Concat([]symbol{lit("{")}, g.space(), []symbol{ref(rest), lit("}")}), nil
}

// named finds the properties that have names, required ones first.
func (b *objectBuilder) named() error {
	var required, optional []string
	add := func(name string) {
		if slices.Contains(required, name) || slices.Contains(optional, name) || slices.Contains(b.set.without, name) && !slices.Contains(b.set.required, name) {
			return
		}
		if slices.Contains(b.set.required, name) {
			required = append(required, name)
		} else {
			optional = append(optional, name)
		}
	}
	for _, p := range b.set.parts {
		if p.properties != nil {
			for _, name := range p.properties.keys {
				add(name)
			}
		}
	}
	for _, name := range b.set.required {
		add(name)
	}
	for i, name := range slices.Concat(required, optional) {
		e := entry{name: name, required: i < len(required)}
		ok, err := b.accepts(b.set.names, &value{kind: text, text: name})
		if err != nil {
			return err
		}
		schemas := b.set.of(name)
		if !ok {
			schemas = []*value{never}
		}
		if e.pair, err = b.pairRule(lit(quote(name)), schemas, name); err != nil {
			return err
		}
		b.entries = append(b.entries, e)
	}
	return nil
}

// pairRule adds a rule for a name and a value.
func (b *objectBuilder) pairRule(name symbol, schemas []*value, hint string) (string, error) {
	g := &b.grammar
	v, err := b.rule(schemas, b.hint+"-"+hint, b.at)
	if err != nil {
		return "", err
	}
	r := g.define(g.unique(b.hint + "-" + hint + "-pair"))
	g.add(r, slices.Concat([]symbol{name, lit(":")}, g.space(), []symbol{ref(v)}, g.space())...)
	return r.name, nil
}

// unnamed finds what other properties there may be.
func (b *objectBuilder) unnamed() error {
	s, g := b.set, &b.grammar
	patterns := s.patterns()
	closed := s.closed()
	if closed && len(patterns) == 0 {
		return nil
	}
	if len(patterns) > maxPatterns {
		return s.at.fail("patternProperties", "%d patterns are too many (at most %d)", len(patterns), maxPatterns)
	}
	rest, err := b.otherNames()
	if err != nil {
		return err
	}
	others := g.define(g.unique(b.hint + "-other-pair"))
	b.others = others.name
	// The names that match some of the patterns, and no other.
	for set := range 1 << len(patterns) {
		if set == 0 && closed {
			continue
		}
		schemas := s.property("", true, func(p propertyPattern) bool {
			i := slices.Index(patterns, p.source)
			return set>>i&1 != 0
		})
		names, err := b.matching(rest, patterns, set)
		if err != nil {
			return s.at.fail("patternProperties", "%s", err)
		}
		if names != nil && names.empty() {
			continue
		}
		name := []symbol{ref(g.stringRule())}
		if names != nil {
			name = []symbol{lit(`"`), ref(g.automatonRules(names, b.hint+"-name", stringMoves)), lit(`"`)}
		}
		v, err := b.rule(schemas, b.hint+"-other", b.at)
		if err != nil {
			return err
		}
		g.add(others, slices.Concat(name, []symbol{lit(":")}, g.space(), []symbol{ref(v)}, g.space())...)
	}
	if len(others.alts) == 0 {
		b.others = ""
	}
	return nil
}

// patterns lists the patterns of all parts.
func (s *objectSet) patterns() (list []string) {
	for _, p := range s.parts {
		for _, pattern := range p.patterns {
			if !slices.Contains(list, pattern.source) {
				list = append(list, pattern.source)
			}
		}
	}
	return list
}

// otherNames returns what accepts the names that no schema has; nil for all names.
func (b *objectBuilder) otherNames() (*automaton, error) {
	names := slices.Clone(b.set.without)
	for _, e := range b.entries {
		names = append(names, e.name)
	}
	if len(names) == 0 && len(b.set.names) == 0 && len(b.set.patterns()) == 0 {
		return nil, nil
	}
	rest := b.anyText()
	if len(b.set.names) > 0 {
		var err error
		if rest, err = b.language(b.set.names, b.set.at, "propertyNames"); err != nil {
			return nil, err
		}
	}
	known := trie(names)
	rest, err := without(rest, known)
	if err != nil {
		return nil, b.set.at.fail("properties", "the names: %s", err)
	}
	return rest, nil
}

// trie accepts some texts.
func trie(texts []string) *automaton {
	a := &automaton{states: []state{{}}}
	for _, t := range texts {
		at := 0
	next:
		for _, r := range t {
			for _, m := range a.states[at].moves {
				if m.from == r {
					at = m.state
					continue next
				}
			}
			to := a.fresh()
			a.states[at].moves = append(a.states[at].moves, move{r, r, to})
			at = to
		}
		a.states[at].accept = true
	}
	for i := range a.states {
		slices.SortFunc(a.states[i].moves, func(x, y move) int { return int(x.from - y.from) })
	}
	return a
}

// matching returns what accepts those names that match a set of patterns and none of the others.
func (b *objectBuilder) matching(names *automaton, patterns []string, set int) (*automaton, error) {
	for i, source := range patterns {
		p, err := b.pattern(source)
		if err != nil {
			return nil, err
		}
		if set>>i&1 != 0 {
			names, err = both(names, p)
		} else {
			names, err = without(names, p)
		}
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

// from returns the rule for the properties from an entry on.
func (b *objectBuilder) from(s objectState) (string, error) {
	g := &b.grammar
	if name, ok := b.known[s]; ok {
		return name, nil
	}
	if g.tooLarge() {
		return "", b.root.fail("", "its grammar has more than %d rules, or %d symbols: make it simpler", maxRules, maxElements)
	}
	r := g.define(g.unique(fmt.Sprintf("%s-from-%d", b.hint, s.entry)))
	b.known[s] = r.name
	if s.entry == len(b.entries) {
		b.end(r, s)
		return r.name, nil
	}
	e := b.entries[s.entry]
	next := objectState{entry: s.entry + 1, some: true}
	if b.counts {
		next.count = s.count + 1
	}
	if b.set.max < 0 || next.count <= b.set.max {
		rest, err := b.from(next)
		if err != nil {
			return "", err
		}
		alt := []symbol{ref(e.pair), ref(rest)}
		if s.some {
			alt = append(b.comma(), alt...)
		}
		g.add(r, alt...)
	}
	if !e.required {
		rest, err := b.from(objectState{entry: s.entry + 1, some: s.some, count: s.count})
		if err != nil {
			return "", err
		}
		g.add(r, ref(rest))
	}
	return r.name, nil
}

// end adds what follows the last entry. A name may be repeated among the others: they count as one where
// some are missing, and each where there may be too many.
func (b *objectBuilder) end(r *rule, s objectState) {
	g := &b.grammar
	missing, room := 0, -1
	if b.counts {
		missing = max(b.set.min-s.count, 0)
		if b.set.max >= 0 {
			room = b.set.max - s.count
		}
	}
	if missing == 0 {
		g.add(r)
	}
	if b.others == "" || missing > 1 || room == 0 {
		return
	}
	more := g.shared(g.moreOf(b.others), func(m *rule) { g.add(m, append(b.comma(), ref(b.others))...) })
	if s.some {
		g.add(r, g.repeat(more, 1, room)...)
		return
	}
	if room > 0 {
		room--
	}
	g.add(r, append([]symbol{ref(b.others)}, g.repeat(more, 0, room)...)...)
}

// moreOf is the name of the rule for a comma and another pair.
func (g *grammar) moreOf(rule string) string { return rule + "-more" }
