package schema

import (
	"slices"
	"strings"
)

// checkDisjoint refuses oneOf unless no value that the grammar has for one of its schemas is valid for
// another.
func (c *converter) checkDisjoint(v *value, list []*value) error {
	for i, a := range list {
		for k, b := range list {
			if i == k {
				continue
			}
			apart, err := c.apart([]*value{a}, []*value{b}, 0)
			if err != nil {
				return err
			}
			if !apart {
				return v.fail("oneOf", "a value may be valid for both %d and %d: make them differ by type, or by a required property with const or enum, or use anyOf", min(i, k), max(i, k))
			}
		}
	}
	return nil
}

// maxApart is how deep properties and elements are compared.
const maxApart = 6

// apart reports whether it is certain that no value that the grammar has for all schemas of a is valid
// for all schemas of b.
func (c *converter) apart(a, b []*value, depth int) (bool, error) {
	if depth > maxApart {
		return false, nil
	}
	if c.expanded++; c.expanded > maxExpanded {
		return false, nil
	}
	x, err := c.branches(a)
	if err != nil {
		return false, err
	}
	y, err := c.branches(b)
	if err != nil {
		return false, err
	}
	for i := range x {
		for k := range y {
			if ok, err := c.branchesApart(&x[i], &y[k], depth); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (c *converter) branchesApart(a, b *branch, depth int) (bool, error) {
	if b.listed && !a.listed {
		a, b = b, a
	}
	if a.listed {
		for _, v := range a.only {
			if in, err := c.has(b, v); in || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	t := a.meant() & b.types
	if t&(isNull|isFalse|isTrue) != 0 {
		return false, nil
	}
	if t&isString != 0 && !a.str.apart(&b.str) || t&isNumber != 0 && !a.num.apart(&b.num) {
		return false, nil
	}
	if t&isArray != 0 {
		if ok, err := c.arraysApart(&a.arr, &b.arr, depth); !ok || err != nil {
			return false, err
		}
	}
	if t&isObject != 0 {
		return c.objectsApart(&a.obj, &b.obj, depth)
	}
	return true, nil
}

func (s *stringSet) apart(o *stringSet) bool {
	if s.max >= 0 && o.min > s.max || o.max >= 0 && s.min > o.max {
		return true
	}
	if len(s.langs) == 0 || len(o.langs) == 0 {
		return false
	}
	x, err := s.automaton()
	if err != nil {
		return false
	}
	y, err := o.automaton()
	if err != nil {
		return false
	}
	common, err := both(x, y)
	return err == nil && common.empty()
}

func (s *numberSet) apart(o *numberSet) bool {
	below := func(a, b *numberSet) bool { // all of a are smaller than all of b
		if a.high == nil || b.low == nil {
			return false
		}
		order := a.high.Cmp(b.low)
		return order < 0 || order == 0 && (a.belowHigh || b.aboveLow)
	}
	return below(s, o) || below(o, s)
}

func (c *converter) arraysApart(a, b *arraySet, depth int) (bool, error) {
	most := a.max
	if a.closed() {
		most = smaller(most, a.prefix())
	}
	if most >= 0 && b.min > most || b.max >= 0 && a.min > b.max {
		return true, nil
	}
	for i := 0; i < min(a.min, 8) || i < min(b.min, 8); i++ {
		if ok, err := c.apart(a.element(i), b.element(i), depth+1); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (c *converter) objectsApart(a, b *objectSet, depth int) (bool, error) {
	// The order of names is that of the schema, so that errors are always the same.
	for _, name := range slices.Concat(a.required, b.required) {
		inA, inB := slices.Contains(a.required, name), slices.Contains(b.required, name)
		of := a.of(name)
		if !inA && a.closed() && !a.mentions(name) {
			return true, nil // the grammar has no object of a with this property
		}
		if inA || inB {
			if ok, err := c.apart(of, b.of(name), depth+1); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

// mentions reports whether a schema has a property, by name or by a pattern.
func (s *objectSet) mentions(name string) bool {
	return slices.ContainsFunc(s.parts, func(p objectPart) bool {
		return p.properties.getOrNil(name) != nil || slices.ContainsFunc(p.patterns, func(q propertyPattern) bool { return q.accepts(name) })
	})
}

// literalSymbol matches one value.
func literalSymbol(v *value) symbol {
	var text strings.Builder
	v.write(&text)
	return lit(text.String())
}
