package schema

import (
	"math/big"
	"slices"
)

// types is a set of types. The booleans are types of their own, so that one of them can be left out.
type types uint8

const (
	isNull types = 1 << iota
	isFalse
	isTrue
	isString
	isNumber
	isArray
	isObject

	anyType = isNull | isFalse | isTrue | isString | isNumber | isArray | isObject
)

// typeOf returns the type of a value.
func typeOf(v *value) types {
	switch v.kind {
	case null:
		return isNull
	case boolean:
		if v.text == "true" {
			return isTrue
		}
		return isFalse
	case number:
		return isNumber
	case text:
		return isString
	case array:
		return isArray
	}
	return isObject
}

// A branch is a set of values: of each type, those that keep to what is said of the type. A schema
// is the union of some branches.
type branch struct {
	types    types
	explicit bool     // a keyword says of which types values are
	listed   bool     // values are only those in only, which keep to the rest
	only     []*value // see listed
	str      stringSet
	num      numberSet
	arr      arraySet
	obj      objectSet
}

// stringSet is a set of strings.
type stringSet struct {
	min, max int // characters; -1: no bound
	langs    []lang
}

// lang is an automaton that accepts strings, and where it is from.
type lang struct {
	*automaton
	at      *value
	keyword string
}

// numberSet is a set of numbers.
type numberSet struct {
	whole      bool
	low, high  *big.Rat // nil: no bound
	aboveLow   bool     // low is not in the set
	belowHigh  bool     // high is not in the set
	multipleOf *big.Rat // nil: of nothing
	at         *value   // a schema that says so
}

// arraySet is a set of arrays.
type arraySet struct {
	min, max int // elements; -1: no bound
	parts    []arrayPart
	unique   *value // a schema that says so
}

// arrayPart has what one schema says of elements.
type arrayPart struct {
	prefix []*value
	rest   *value // nil: nothing is said
}

// objectSet is a set of objects.
type objectSet struct {
	min, max int // properties; -1: no bound
	parts    []objectPart
	required []string
	without  []string // properties that are not there
	names    []*value // schemas of propertyNames
	at       *value   // a schema that has one of the bounds
}

// objectPart has what one schema says of properties.
type objectPart struct {
	properties *value // an object of schemas, or nil
	patterns   []propertyPattern
	additional *value // nil: nothing is said
}

type propertyPattern struct {
	source string
	*automaton
	schema *value
}

// anything is the branch of all values.
func anything() branch {
	return branch{
		types: anyType,
		str:   stringSet{min: -1, max: -1}, arr: arraySet{min: -1, max: -1}, obj: objectSet{min: -1, max: -1},
	}
}

func (s *stringSet) limited() bool { return s.min > 0 || s.max >= 0 || len(s.langs) > 0 }

func (s *numberSet) limited() bool {
	return s.whole || s.low != nil || s.high != nil || s.multipleOf != nil
}

func (s *arraySet) limited() bool {
	return s.min > 0 || s.max >= 0 || len(s.parts) > 0 || s.unique != nil
}

func (s *objectSet) limited() bool {
	return s.min > 0 || s.max >= 0 || len(s.parts) > 0 || len(s.required)+len(s.names)+len(s.without) > 0
}

// limited returns the types of which something is said.
func (b *branch) limited() types {
	var t types
	if b.str.limited() {
		t |= isString
	}
	if b.num.limited() {
		t |= isNumber
	}
	if b.arr.limited() {
		t |= isArray
	}
	if b.obj.limited() {
		t |= isObject
	}
	return t & b.types
}

// meant returns the types for which there is text in the grammar: where no keyword gives the types, those
// of which something is said.
func (b *branch) meant() types {
	if t := b.limited(); t != 0 && !b.explicit && !b.listed {
		return t
	}
	return b.types
}

// never is the schema of nothing.
var never = &value{kind: boolean, text: "false", id: -1}

// closed reports whether objects have only properties that are named, as nothing is said of others.
func (s *objectSet) closed() bool {
	some := false
	for _, p := range s.parts {
		if p.additional != nil {
			return false
		}
		some = true
	}
	return some
}

// property returns the schemas of a property. other: of one that no schema names.
func (s *objectSet) property(name string, other bool, matches func(propertyPattern) bool) (schemas []*value) {
	if !other && slices.Contains(s.without, name) {
		schemas = append(schemas, never)
	}
	for _, p := range s.parts {
		hit := false
		if v := p.properties.getOrNil(name); v != nil && !other {
			schemas, hit = append(schemas, v), true
		}
		for _, pattern := range p.patterns {
			if matches(pattern) {
				schemas, hit = append(schemas, pattern.schema), true
			}
		}
		if !hit && p.additional != nil {
			schemas = append(schemas, p.additional)
		}
	}
	return schemas
}

// of returns the schemas of the property of a name.
func (s *objectSet) of(name string) []*value {
	return s.property(name, false, func(p propertyPattern) bool { return p.accepts(name) })
}

func (v *value) getOrNil(key string) *value {
	if v == nil {
		return nil
	}
	return v.get(key)
}

// element returns the schemas of an element of an array.
func (s *arraySet) element(i int) (schemas []*value) {
	for _, p := range s.parts {
		if i < len(p.prefix) {
			schemas = append(schemas, p.prefix[i])
		} else if p.rest != nil {
			schemas = append(schemas, p.rest)
		}
	}
	return schemas
}

// prefix returns the number of elements that have schemas of their own.
func (s *arraySet) prefix() (n int) {
	for _, p := range s.parts {
		n = max(n, len(p.prefix))
	}
	return n
}

// closed reports whether arrays end with their prefix, as nothing is said of what follows it.
func (s *arraySet) closed() bool {
	n := s.prefix()
	return n > 0 && s.min <= n && !slices.ContainsFunc(s.parts, func(p arrayPart) bool { return p.rest != nil })
}

// and intersects two branches; ok is false if nothing is left for sure.
func (c *converter) and(a, b branch) (r branch, ok bool, err error) {
	if b.listed && !a.listed {
		a, b = b, a
	}
	r = a
	r.explicit = a.explicit || b.explicit
	if a.listed {
		r.only = nil
		for _, v := range a.only {
			in, err := c.has(&b, v)
			if err != nil {
				return r, false, err
			}
			if in {
				r.only = append(r.only, v)
			}
		}
		return r, len(r.only) > 0, nil
	}
	r.types &= b.types
	r.str = stringSet{larger(a.str.min, b.str.min), smaller(a.str.max, b.str.max), slices.Concat(a.str.langs, b.str.langs)}
	r.num = a.num.and(b.num)
	r.arr = arraySet{larger(a.arr.min, b.arr.min), smaller(a.arr.max, b.arr.max), slices.Concat(a.arr.parts, b.arr.parts), firstOf(a.arr.unique, b.arr.unique)}
	r.obj = objectSet{
		larger(a.obj.min, b.obj.min), smaller(a.obj.max, b.obj.max), slices.Concat(a.obj.parts, b.obj.parts),
		slices.Concat(a.obj.required, b.obj.required), slices.Concat(a.obj.without, b.obj.without), slices.Concat(a.obj.names, b.obj.names), firstOf(a.obj.at, b.obj.at),
	}
	return r, r.types != 0, nil
}

// firstOf returns a, or b if there is no a.
func firstOf(a, b *value) *value {
	if a != nil {
		return a
	}
	return b
}

func larger(a, b int) int { return max(a, b) }

// smaller returns the smaller of two bounds, of which -1 is none.
func smaller(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

func (s numberSet) and(o numberSet) numberSet {
	r := s
	r.whole = s.whole || o.whole
	if o.low != nil && (s.low == nil || o.low.Cmp(s.low) > 0 || o.low.Cmp(s.low) == 0 && o.aboveLow) {
		r.low, r.aboveLow = o.low, o.aboveLow
	}
	if o.high != nil && (s.high == nil || o.high.Cmp(s.high) < 0 || o.high.Cmp(s.high) == 0 && o.belowHigh) {
		r.high, r.belowHigh = o.high, o.belowHigh
	}
	r.multipleOf = commonMultiple(s.multipleOf, o.multipleOf)
	r.at = firstOf(s.at, o.at)
	return r
}

// commonMultiple returns the smallest number of which all multiples are multiples of both.
func commonMultiple(a, b *big.Rat) *big.Rat {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	// lcm(p/q, r/s) = lcm(p, r) / gcd(q, s), for fractions in lowest terms.
	lcm := func(x, y *big.Int) *big.Int {
		g := new(big.Int).GCD(nil, nil, x, y)
		return new(big.Int).Mul(x, new(big.Int).Div(y, g))
	}
	return new(big.Rat).SetFrac(lcm(a.Num(), b.Num()), new(big.Int).GCD(nil, nil, a.Denom(), b.Denom()))
}

// has reports whether a value is in a branch, as JSON schema has it.
func (c *converter) has(b *branch, v *value) (bool, error) {
	if b.listed {
		return c.contains(b.only, v)
	}
	if b.types&typeOf(v) == 0 {
		return false, nil
	}
	switch v.kind {
	case text:
		return b.str.has(v.text), nil
	case number:
		return b.num.has(v)
	case array:
		return c.hasElements(&b.arr, v)
	case object:
		return c.hasProperties(&b.obj, v)
	}
	return true, nil
}

// contains reports whether a value is in a list.
func (c *converter) contains(list []*value, v *value) (bool, error) {
	if err := c.effort.spend(len(list) * (2 + len(v.list))); err != nil {
		return false, v.fail("", "%s", err)
	}
	return slices.ContainsFunc(list, func(o *value) bool { return equal(o, v) }), nil
}

func (s *stringSet) has(t string) bool {
	n := len([]rune(t))
	return n >= s.min && (s.max < 0 || n <= s.max) && !slices.ContainsFunc(s.langs, func(l lang) bool { return !l.accepts(t) })
}

func (s *numberSet) has(v *value) (bool, error) {
	x, err := v.number("")
	if err != nil {
		return false, err
	}
	switch {
	case s.whole && !x.IsInt():
	case s.low != nil && (x.Cmp(s.low) < 0 || s.aboveLow && x.Cmp(s.low) == 0):
	case s.high != nil && (x.Cmp(s.high) > 0 || s.belowHigh && x.Cmp(s.high) == 0):
	case s.multipleOf != nil && !new(big.Rat).Quo(x, s.multipleOf).IsInt():
	default:
		return true, nil
	}
	return false, nil
}

func (c *converter) hasElements(s *arraySet, v *value) (bool, error) {
	if len(v.list) < s.min || s.max >= 0 && len(v.list) > s.max {
		return false, nil
	}
	for i, e := range v.list {
		if s.unique != nil {
			if twice, err := c.contains(v.list[:i], e); twice || err != nil {
				return false, err
			}
		}
		if ok, err := c.accepts(s.element(i), e); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c *converter) hasProperties(s *objectSet, v *value) (bool, error) {
	if len(v.list) < s.min || s.max >= 0 && len(v.list) > s.max {
		return false, nil
	}
	for _, name := range s.required {
		if v.get(name) == nil {
			return false, nil
		}
	}
	for i, name := range v.keys {
		if ok, err := c.accepts(s.names, &value{kind: text, text: name}); !ok || err != nil {
			return false, err
		}
		if ok, err := c.accepts(s.of(name), v.list[i]); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// accepts reports whether a value is valid for all of some schemas.
func (c *converter) accepts(schemas []*value, v *value) (bool, error) {
	if len(schemas) == 0 {
		return true, nil
	}
	branches, err := c.branches(schemas)
	if err != nil {
		return false, err
	}
	for i := range branches {
		if ok, err := c.has(&branches[i], v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}
