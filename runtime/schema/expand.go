package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds on the work for a schema.
const (
	maxBranches = 512    // of a schema
	maxExpanded = 20_000 // schemas that are intersected, all in all
)

// converter converts a schema.
type converter struct {
	root     *value
	options  Options
	known    map[*value][]branch // of schemas
	open     []*value            // schemas that are being expanded
	expanded int
	memo     map[string][]branch // of intersections, by the ids of their schemas
	rules    map[string]string   // names of rules, by the same
	depth    int                 // of rules that are being made
	grammar  grammar
	patterns map[string]*automaton // of regular expressions
	effort   effort
}

// anyText is [anyText], whose combinations count.
func (c *converter) anyText() *automaton {
	a := anyText()
	a.effort = &c.effort
	return a
}

// key identifies a set of schemas.
func key(schemas []*value) string {
	ids := make([]string, len(schemas))
	for i, v := range schemas {
		ids[i] = fmt.Sprint(v.id)
	}
	return strings.Join(ids, ",")
}

func isObeyed(keyword string) bool { return slices.Contains(obeyed, keyword) }

// normal returns schemas in the order of their ids, each once, with references that say nothing else
// replaced by what they refer to.
func (c *converter) normal(schemas []*value) ([]*value, error) {
	var out []*value
	for _, v := range schemas {
		for range maxDepth {
			if v.kind != object || v.get("$ref") == nil || v.checkKeywords() != nil ||
				slices.ContainsFunc(v.keys, func(k string) bool { return k != "$ref" && isObeyed(k) }) {
				break
			}
			to, err := c.target(v)
			if err != nil {
				return nil, err
			}
			v = to
		}
		if v.kind == boolean && v.text == "true" || v.kind == object && v.checkKeywords() == nil && !slices.ContainsFunc(v.keys, isObeyed) {
			continue // it says nothing
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *value) int { return a.id - b.id })
	return slices.Compact(out), nil
}

// branches returns the branches of the intersection of schemas.
func (c *converter) branches(schemas []*value) ([]branch, error) {
	schemas, err := c.normal(schemas)
	if err != nil {
		return nil, err
	}
	k := key(schemas)
	if known, ok := c.memo[k]; ok {
		return known, nil
	}
	result := []branch{anything()}
	for _, v := range schemas {
		more, err := c.expand(v)
		if err != nil {
			return nil, err
		}
		if result, err = c.intersect(v, result, more); err != nil {
			return nil, err
		}
	}
	c.memo[k] = result
	return result, nil
}

// intersect intersects two unions of branches.
func (c *converter) intersect(at *value, a, b []branch) (result []branch, err error) {
	for _, x := range a {
		for _, y := range b {
			if c.expanded++; c.expanded > maxExpanded {
				return nil, at.fail("", "the schema has more than %d combinations of its parts: make it simpler", maxExpanded)
			}
			r, ok, err := c.and(x, y)
			if err != nil {
				return nil, err
			}
			if ok {
				result = append(result, r)
			}
			if len(result) > maxBranches {
				return nil, at.fail("", "its parts can be combined in more than %d ways: use fewer of anyOf, oneOf and allOf", maxBranches)
			}
		}
	}
	return result, nil
}

// expand returns the branches of a schema.
func (c *converter) expand(v *value) ([]branch, error) {
	if known, ok := c.known[v]; ok {
		return known, nil
	}
	if slices.Contains(c.open, v) {
		return nil, v.fail("", "the schema refers to itself without anything between")
	}
	if len(c.open) > maxDepth {
		return nil, v.fail("", "references are nested deeper than %d levels", maxDepth)
	}
	c.open = append(c.open, v)
	defer func() { c.open = c.open[:len(c.open)-1] }()
	var result []branch
	switch {
	case v.kind == boolean && v.text == "true":
		result = []branch{anything()}
	case v.kind == boolean:
	case v.kind != object:
		return nil, v.fail("", "want a schema: an object, true or false, not %s", v.kind)
	default:
		own, err := c.own(v)
		if err != nil {
			return nil, err
		}
		if result, err = c.applicators(v, []branch{own}); err != nil {
			return nil, err
		}
	}
	c.known[v] = result
	return result, nil
}

// own returns what a schema says by itself.
func (c *converter) own(v *value) (branch, error) {
	b := anything()
	if err := v.checkKeywords(); err != nil {
		return b, err
	}
	for _, read := range []func(*value, *branch) error{ownTypes, ownNumbers, c.ownStrings, ownElements, c.ownProperties} {
		if err := read(v, &b); err != nil {
			return b, err
		}
	}
	list := v.get("enum")
	if list != nil && (list.kind != array || len(list.list) == 0) {
		return b, v.fail("enum", "want a list of values")
	}
	for _, only := range []*value{list, v.get("const")} {
		if only == nil {
			continue
		}
		o := branch{listed: true, explicit: true, only: []*value{only}}
		if only == list {
			o.only = only.list
		}
		r, _, err := c.and(o, b)
		if err != nil {
			return b, err
		}
		b = r
	}
	return b, nil
}

// ownTypes reads the keyword type.
func ownTypes(v *value, b *branch) error {
	t := v.get("type")
	if t == nil {
		return nil
	}
	names := []*value{t}
	if t.kind == array {
		names = t.list
	}
	b.explicit, b.types = true, 0
	whole := true
	for _, name := range names {
		of := map[string]types{
			"null": isNull, "boolean": isFalse | isTrue, "string": isString, "number": isNumber, "integer": isNumber, "array": isArray, "object": isObject,
		}[name.text]
		if name.kind != text || of == 0 {
			return v.fail("type", "want null, boolean, string, number, integer, array or object, or a list of them")
		}
		b.types |= of
		whole = whole && name.text != "number"
	}
	b.num.whole = whole && b.types&isNumber != 0
	return nil
}

// applicators intersects branches with the schemas that a schema applies to the same value.
func (c *converter) applicators(v *value, result []branch) ([]branch, error) {
	var all []*value
	if v.get("$ref") != nil {
		to, err := c.target(v)
		if err != nil {
			return nil, err
		}
		all = append(all, to)
	}
	list, err := v.schemas("allOf")
	if err != nil {
		return nil, err
	}
	for _, s := range append(all, list...) {
		more, err := c.expand(s)
		if err == nil {
			result, err = c.intersect(v, result, more)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		list, err := v.schemas(keyword)
		if err != nil {
			return nil, err
		}
		if list == nil {
			continue
		}
		var union []branch
		for _, s := range list {
			more, err := c.expand(s)
			if err != nil {
				return nil, err
			}
			union = append(union, more...)
		}
		if keyword == "oneOf" {
			if err := c.checkDisjoint(v, list); err != nil {
				return nil, err
			}
		}
		if result, err = c.intersect(v, result, union); err != nil {
			return nil, err
		}
	}
	return c.negate(v, result)
}

// negate applies the keyword not.
func (c *converter) negate(v *value, result []branch) ([]branch, error) {
	not := v.get("not")
	if not == nil {
		return result, nil
	}
	excluded, err := c.expand(not)
	if err != nil {
		return nil, err
	}
	for i := range excluded {
		other, err := c.complement(v, &excluded[i])
		if err != nil {
			return nil, err
		}
		if result, err = c.intersect(v, result, other); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// complement returns all values that are not in a branch, for branches where a grammar can say that.
func (c *converter) complement(v *value, b *branch) ([]branch, error) {
	r := anything()
	unable := v.fail("not", "a grammar can leave out types, strings, null, true, false, and objects that have one property; use other keywords for the rest")
	outside := func(l lang) error {
		rest, err := without(c.anyText(), l.automaton)
		if err != nil {
			return v.fail("not", "%s", err)
		}
		r.str.langs = append(r.str.langs, lang{rest, v, "not"})
		return nil
	}
	if b.listed {
		for _, value := range b.only {
			switch value.kind {
			case text:
				if err := outside(lang{automaton: literal(value.text)}); err != nil {
					return nil, err
				}
			case null, boolean:
				r.types &^= typeOf(value)
			default:
				return nil, unable
			}
		}
		return []branch{r}, nil
	}
	limited := b.limited()
	r.types &^= b.types &^ limited
	if limited&(isNumber|isArray) != 0 {
		return nil, unable
	}
	if limited&isString != 0 {
		a, err := b.str.automaton()
		if err != nil {
			return nil, v.fail("not", "%s", err)
		}
		if err := outside(lang{automaton: a}); err != nil {
			return nil, err
		}
	}
	if limited&isObject != 0 {
		o := b.obj
		if o.min > 0 || o.max >= 0 || len(o.parts)+len(o.names)+len(o.without) > 0 || len(o.required) != 1 {
			return nil, unable
		}
		r.obj.without = o.required
	}
	return []branch{r}, nil
}
