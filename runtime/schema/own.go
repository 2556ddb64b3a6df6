package schema

import "math/big"

// ownNumbers reads the keywords for numbers.
func ownNumbers(v *value, b *branch) error {
	s := &b.num
	for _, keyword := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} {
		n := v.get(keyword)
		if n == nil {
			continue
		}
		s.at = v
		if n.kind == boolean && (keyword == "exclusiveMinimum" || keyword == "exclusiveMaximum") { // draft 4
			continue
		}
		x, err := n.number(keyword)
		if err != nil {
			return err
		}
		switch keyword {
		case "minimum":
			s.low, s.aboveLow = x, isTrueValue(v.get("exclusiveMinimum"))
		case "maximum":
			s.high, s.belowHigh = x, isTrueValue(v.get("exclusiveMaximum"))
		case "exclusiveMinimum":
			*s = s.and(numberSet{low: x, aboveLow: true})
		case "exclusiveMaximum":
			*s = s.and(numberSet{high: x, belowHigh: true})
		case "multipleOf":
			if x.Sign() <= 0 {
				return v.fail(keyword, "want a number above 0, not %s", n.text)
			}
			s.multipleOf = x
		}
	}
	format := v.get("format")
	if format == nil || format.kind != text {
		return nil
	}
	bits := map[string]uint{"int32": 31, "int64": 63}[format.text]
	if bits > 0 {
		end := new(big.Int).Lsh(big.NewInt(1), bits)
		*s = s.and(numberSet{
			whole: true, at: v, high: new(big.Rat).SetInt(end), belowHigh: true, low: new(big.Rat).SetInt(new(big.Int).Neg(end)),
		})
	}
	return nil
}

func isTrueValue(v *value) bool { return v != nil && v.kind == boolean && v.text == "true" }

// ownStrings reads the keywords for strings.
func (c *converter) ownStrings(v *value, b *branch) (err error) {
	s := &b.str
	if s.min, err = v.count("minLength"); err != nil {
		return err
	}
	if s.max, err = v.count("maxLength"); err != nil {
		return err
	}
	if p := v.get("pattern"); p != nil {
		if p.kind != text {
			return v.fail("pattern", "want a string, not %s", p.kind)
		}
		a, err := c.pattern(p.text)
		if err != nil {
			return v.fail("pattern", "%s", err)
		}
		s.langs = append(s.langs, lang{a, v, "pattern"})
	}
	f := v.get("format")
	if f == nil {
		return nil
	}
	if f.kind != text {
		return v.fail("format", "want a string, not %s", f.kind)
	}
	a, err := formatAutomaton(f.text, c.pattern)
	if err != nil {
		return v.fail("format", "%s", err)
	}
	if a != nil {
		s.langs = append(s.langs, lang{a, v, "format"})
	}
	return nil
}

// ownElements reads the keywords for arrays.
func ownElements(v *value, b *branch) (err error) {
	s := &b.arr
	if s.min, err = v.count("minItems"); err != nil {
		return err
	}
	if s.max, err = v.count("maxItems"); err != nil {
		return err
	}
	unique, err := v.truth("uniqueItems")
	if err != nil {
		return err
	}
	if unique {
		s.unique = v
	}
	var p arrayPart
	if p.prefix, err = v.schemas("prefixItems"); err != nil {
		return err
	}
	p.rest = v.get("items")
	if p.rest != nil && p.rest.kind == array { // until draft 2019-09
		if p.prefix != nil {
			return v.fail("items", "want a schema beside prefixItems")
		}
		p.prefix, p.rest = p.rest.list, v.get("additionalItems")
	}
	if len(p.prefix) > 0 || p.rest != nil {
		s.parts = []arrayPart{p}
	}
	return nil
}

// maxPatterns is the number of patterns of properties that a schema may have.
const maxPatterns = 4

// ownProperties reads the keywords for objects.
func (c *converter) ownProperties(v *value, b *branch) (err error) {
	s := &b.obj
	if s.min, err = v.count("minProperties"); err != nil {
		return err
	}
	if s.max, err = v.count("maxProperties"); err != nil {
		return err
	}
	s.at = v
	if r := v.get("required"); r != nil && r.kind != boolean { // a boolean: draft 3, inside of properties
		if r.kind != array {
			return v.fail("required", "want a list of names, not %s", r.kind)
		}
		for _, name := range r.list {
			if name.kind != text {
				return v.fail("required", "want a list of names, and %s is among them", name.kind)
			}
			s.required = append(s.required, name.text)
		}
	} else if r != nil {
		return v.fail("required", "want a list of names in the object's schema")
	}
	if names := v.get("propertyNames"); names != nil {
		s.names = []*value{names}
	}
	p := objectPart{additional: v.get("additionalProperties")}
	if p.properties, err = v.named("properties"); err != nil {
		return err
	}
	patterns, err := v.named("patternProperties")
	if err != nil {
		return err
	}
	if patterns != nil {
		if len(patterns.keys) > maxPatterns {
			return v.fail("patternProperties", "%d patterns are too many (at most %d)", len(patterns.keys), maxPatterns)
		}
		for i, source := range patterns.keys {
			a, err := c.pattern(source)
			if err != nil {
				return patterns.fail(source, "%s", err)
			}
			p.patterns = append(p.patterns, propertyPattern{source, a, patterns.list[i]})
		}
	}
	if p.properties != nil || p.patterns != nil || p.additional != nil {
		s.parts = []objectPart{p}
	}
	return nil
}
