package schema

import (
	"fmt"
	"slices"
)

// maxUnique is the largest number of values whose arrays have each at most once.
const maxUnique = 8

// arraySymbols returns what matches the arrays of a set; nil if there are none.
func (c *converter) arraySymbols(s *arraySet, hint string, at *value) ([]symbol, error) {
	g := &c.grammar
	least, most := max(s.min, 0), s.max
	if most >= 0 && least > most {
		return nil, nil
	}
	prefix := s.prefix()
	if s.closed() {
		most = smaller(most, prefix)
	}
	var body []symbol
	var err error
	switch {
	case s.unique != nil && (most < 0 || most > 1):
		body, err = c.uniqueElements(s, least, most, hint)
	case most == 0:
	default:
		body, err = c.elements(s, 0, least, most, hint, at)
	}
	if err != nil {
		return nil, err
	}
	return slices.Concat([]symbol{lit("[")}, g.space(), body, []symbol{lit("]")}), nil
}

// elementRule is the rule of an element and the space behind it.
func (c *converter) elementRule(schemas []*value, hint string, at *value) ([]symbol, error) {
	name, err := c.rule(schemas, hint, at)
	if err != nil {
		return nil, err
	}
	return append([]symbol{ref(name)}, c.grammar.space()...), nil
}

func (c *converter) comma() []symbol { return append([]symbol{lit(",")}, c.grammar.space()...) }

// elements returns what matches the elements from one on.
func (c *converter) elements(s *arraySet, from, least, most int, hint string, at *value) ([]symbol, error) {
	g := &c.grammar
	if from >= s.prefix() {
		return c.moreElements(s, from, least, most, hint, at)
	}
	element, err := c.elementRule(s.element(from), fmt.Sprintf("%s-%d", hint, from), at)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		element = append(c.comma(), element...)
	}
	if most < 0 || from+1 < most {
		rest, err := c.elements(s, from+1, least, most, hint, at)
		if err != nil {
			return nil, err
		}
		element = append(element, rest...)
	}
	if from < least {
		return element, nil
	}
	r := g.define(g.unique(fmt.Sprintf("%s-from-%d", hint, from)))
	g.add(r, element...)
	g.add(r)
	return []symbol{ref(r.name)}, nil
}

// moreElements returns what matches the elements behind the prefix.
func (c *converter) moreElements(s *arraySet, from, least, most int, hint string, at *value) ([]symbol, error) {
	g := &c.grammar
	element, err := c.elementRule(s.element(from), hint+"-item", at)
	if err != nil {
		return nil, err
	}
	more := g.define(g.unique(hint + "-more"))
	g.add(more, append(c.comma(), element...)...)
	least = max(least-from, 0)
	if most >= 0 {
		most -= from
	}
	if from > 0 {
		return g.repeat(more.name, least, most), nil
	}
	if most >= 0 {
		most--
	}
	body := append(element, g.repeat(more.name, max(least-1, 0), most)...)
	if least > 0 {
		return body, nil
	}
	r := g.define(g.unique(hint + "-items"))
	g.add(r, body...)
	g.add(r)
	return []symbol{ref(r.name)}, nil
}

// uniqueElements returns what matches elements that are all different, if they are of a short list.
func (c *converter) uniqueElements(s *arraySet, least, most int, hint string) ([]symbol, error) {
	g := &c.grammar
	unable := s.unique.fail("uniqueItems", "a grammar can't compare elements, unless they are of an enum of at most %d values: leave it out, or set maxItems to 1", maxUnique)
	if s.prefix() > 0 {
		return nil, unable
	}
	branches, err := c.branches(s.element(0))
	if err != nil {
		return nil, err
	}
	var values []*value
	for i := range branches {
		if !branches[i].listed {
			return nil, unable
		}
		for _, v := range branches[i].only {
			if !slices.ContainsFunc(values, func(o *value) bool { return equal(o, v) }) {
				values = append(values, v)
			}
		}
	}
	if len(values) > maxUnique {
		return nil, unable
	}
	names := map[uint]string{} // by the set of values that were there
	var from func(used uint, count int) string
	from = func(used uint, count int) string {
		if name, ok := names[used]; ok {
			return name
		}
		r := g.define(g.unique(hint + "-other"))
		names[used] = r.name
		if count >= least {
			g.add(r)
		}
		for i, v := range values {
			if used>>i&1 != 0 || most >= 0 && count >= most {
				continue
			}
			var alt []symbol
			if count > 0 {
				alt = c.comma()
			}
			alt = append(append(alt, literalSymbol(v)), g.space()...)
			g.add(r, append(alt, ref(from(used|1<<i, count+1)))...)
		}
		return r.name
	}
	return []symbol{ref(from(0, 0))}, nil
}
