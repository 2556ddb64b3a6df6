//go:build cgo

package schema

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// instances makes values that may be valid for a schema, as a grammar writes them: required properties
// first, no properties that are not named unless the schema says so, numbers without exponents.
type instances struct {
	r     *rand.Rand
	root  *value
	depth int
}

// instanceOf returns a value that may be valid for a schema; "" if it finds none.
func instanceOf(r *rand.Rand, schema string) string {
	root, err := parse([]byte(schema))
	if err != nil {
		return ""
	}
	return (&instances{r: r, root: root}).of(root)
}

func (x *instances) of(v *value) string {
	x.depth++
	defer func() { x.depth-- }()
	if x.depth > 8 {
		return ""
	}
	if v.get("format") != nil { // narrower than what validators accept
		return ""
	}
	if v.kind != object || len(v.keys) == 0 {
		return x.scalar()
	}
	for _, list := range []string{"anyOf", "oneOf", "allOf"} {
		if l := v.get(list); l != nil {
			// What is not quite right for one schema may be valid for another that names fewer properties.
			objects := 0
			for _, e := range l.list {
				if e.getOrNil("properties") != nil && (e.get("properties").getOrNil("k") == nil) {
					objects++
				}
			}
			if objects > 1 {
				return ""
			}
			return x.of(l.list[x.r.IntN(len(l.list))])
		}
	}
	if ref := v.get("$ref"); ref != nil {
		return x.of(x.root.get("$defs").get(strings.TrimPrefix(ref.text, "#/$defs/")))
	}
	if c := v.get("const"); c != nil {
		return compactOf(c)
	}
	if e := v.get("enum"); e != nil {
		return compactOf(e.list[x.r.IntN(len(e.list))])
	}
	t := v.get("type")
	name := ""
	if t != nil {
		name = t.text
		if t.kind == array {
			name = t.list[x.r.IntN(len(t.list))].text
		}
	}
	switch {
	case name == "array" || v.get("items") != nil || v.get("prefixItems") != nil:
		return x.array(v)
	case name == "object" || v.get("properties") != nil:
		return x.object(v)
	case name == "string" || v.get("pattern") != nil:
		return x.string()
	case name == "integer" || name == "number":
		return x.number()
	case t != nil || !slices.ContainsFunc(v.keys, isObeyed):
		return x.scalar()
	}
	return "" // the type follows from the other keywords
}

func compactOf(v *value) string {
	var b strings.Builder
	v.write(&b)
	return b.String()
}

func (x *instances) scalar() string {
	return []string{"null", "true", "false", x.number(), x.string()}[x.r.IntN(5)]
}

func (x *instances) string() string {
	alphabet := []string{"a", "b", "z", "é", "A", "0", "1", "-", ".", "😀", "\\", "\n", "\"", "\u0001", " "}
	if x.r.IntN(2) == 0 {
		alphabet = alphabet[:3]
	}
	s := ""
	for range x.r.IntN(8) {
		s += alphabet[x.r.IntN(len(alphabet))]
	}
	if x.r.IntN(20) == 0 {
		s = []string{"2024-02-29", "12:30:00Z", "2024-02-29T12:30:00.5+01:00", "123-a", "127.0.0.1", "::1", "https://example.org/a?b=c#d", "a@example.org", "P1DT2H", "cdab"}[x.r.IntN(10)]
	}
	return quote(s)
}

func (x *instances) number() string {
	s := strconv.Itoa(x.r.IntN([]int{2, 10, 130, 20000, 1e9}[x.r.IntN(5)]))
	if x.r.IntN(3) == 0 {
		s += "." + []string{"5", "25", "01", "141"}[x.r.IntN(4)]
	}
	if x.r.IntN(3) == 0 && strings.Trim(s, "0.") != "" {
		s = "-" + s
	}
	return s
}

func (x *instances) array(v *value) string {
	var parts []string
	prefix := v.get("prefixItems")
	for i := range x.r.IntN(5) {
		e := ""
		switch rest := v.get("items"); {
		case prefix != nil && i < len(prefix.list):
			e = x.of(prefix.list[i])
		case rest != nil:
			e = x.of(rest)
		case prefix == nil:
			e = x.scalar()
		}
		if e == "" || x.r.IntN(3) == 0 && i > 0 && len(parts) > 4 {
			break
		}
		parts = append(parts, e)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (x *instances) object(v *value) string {
	var required, optional, parts []string
	list := v.get("required")
	isRequired := func(name string) bool {
		return list != nil && slices.ContainsFunc(list.list, func(r *value) bool { return r.text == name })
	}
	properties := v.get("properties")
	if properties != nil {
		for i, name := range properties.keys {
			e := x.of(properties.list[i])
			if e == "" {
				continue
			}
			if e = quote(name) + ":" + e; isRequired(name) {
				required = append(required, e)
			} else if x.r.IntN(2) == 0 {
				optional = append(optional, e)
			}
		}
	}
	if list != nil {
		for _, name := range list.list {
			if properties.getOrNil(name.text) == nil && (v.get("additionalProperties") != nil || properties == nil) {
				e := x.scalar()
				if a := v.get("additionalProperties"); a != nil {
					e = x.of(a)
				}
				if e != "" {
					required = append(required, quote(name.text)+":"+e)
				}
			}
		}
	}
	if a := v.get("additionalProperties"); a != nil {
		for _, name := range []string{"x", "abc", "y z", "xb"}[:x.r.IntN(4)] {
			if e := x.of(a); e != "" && !isRequired(name) && properties.getOrNil(name) == nil {
				optional = append(optional, quote(name)+":"+e)
			}
		}
	}
	parts = append(required, optional...)
	return "{" + strings.Join(parts, ",") + "}"
}
