package schema

import (
	"slices"
	"strconv"
	"strings"
)

// Keywords that say nothing about which values are valid.
var annotations = []string{
	"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
	"$comment", "$schema", "$id", "id", "$anchor", "$defs", "definitions", "$vocabulary",
	"contentMediaType", "contentEncoding", "contentSchema", // of a string, which no validator looks into
	"discriminator", "externalDocs", "xml", // of OpenAPI; which schema of oneOf applies follows from the schemas
}

// Keywords that are obeyed. Others are refused.
var obeyed = []string{
	"type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf", "not", "format", "pattern", "minLength", "maxLength",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
	"properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties",
	"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems",
}

// Reasons why keywords of JSON schema are refused, with what helps.
var refused = map[string]string{
	"nullable":              `it is of OpenAPI 3.0: use "type": ["…", "null"]`,
	"if":                    "a grammar can't choose a schema by a value: use anyOf",
	"then":                  "a grammar can't choose a schema by a value: use anyOf",
	"else":                  "a grammar can't choose a schema by a value: use anyOf",
	"contains":              "a grammar can't ask for an element somewhere: use prefixItems or items",
	"minContains":           "a grammar can't count elements that match: use minItems",
	"maxContains":           "a grammar can't count elements that match: use maxItems",
	"dependentRequired":     "a grammar can't require a property where another is: use anyOf",
	"dependentSchemas":      "a grammar can't choose a schema by a property: use anyOf",
	"dependencies":          "a grammar can't choose a schema by a property: use anyOf",
	"unevaluatedProperties": "use additionalProperties",
	"unevaluatedItems":      "use items",
	"$dynamicRef":           "use $ref",
	"$dynamicAnchor":        "use $defs and $ref",
	"$recursiveRef":         "use $ref",
	"$recursiveAnchor":      "use $defs and $ref",
}

// checkKeywords refuses keywords that are not obeyed.
func (v *value) checkKeywords() error {
	for _, k := range v.keys {
		if slices.Contains(obeyed, k) || slices.Contains(annotations, k) || strings.HasPrefix(k, "x-") {
			continue
		}
		if why, known := refused[k]; known {
			return v.fail(k, "not supported: %s", why)
		}
		return v.fail(k, "unknown keyword: names of annotations of one's own begin with x-")
	}
	if v.parent != nil && v.get("$id") != nil {
		return v.fail("$id", "only the whole schema may have one: refer to parts by #/$defs/NAME")
	}
	return nil
}

// count returns the value of a keyword that is a number of things, and -1 if it is not there.
func (v *value) count(keyword string) (int, error) {
	n := v.get(keyword)
	if n == nil {
		return -1, nil
	}
	r, err := n.number(keyword)
	if err != nil {
		return 0, err
	}
	if !r.IsInt() || r.Sign() < 0 {
		return 0, v.fail(keyword, "want a whole number of at least 0, not %s", n.text)
	}
	if !r.Num().IsInt64() || r.Num().Int64() > maxCount {
		if strings.HasPrefix(keyword, "max") {
			return -1, nil // no text is so long
		}
		return 0, v.fail(keyword, "%s are too many (at most %d)", n.text, maxCount)
	}
	return int(r.Num().Int64()), nil
}

// maxCount is the largest number of characters or elements that a grammar counts.
const maxCount = 100_000

// schemas returns the schemas that a keyword lists.
func (v *value) schemas(keyword string) ([]*value, error) {
	list := v.get(keyword)
	if list == nil {
		return nil, nil
	}
	if list.kind != array || len(list.list) == 0 {
		return nil, v.fail(keyword, "want a list of schemas")
	}
	return list.list, nil
}

// named returns the schemas of a keyword that is an object of schemas.
func (v *value) named(keyword string) (*value, error) {
	o := v.get(keyword)
	if o != nil && o.kind != object {
		return nil, v.fail(keyword, "want an object of schemas, not %s", o.kind)
	}
	return o, nil
}

// truth returns the value of a keyword that is a boolean.
func (v *value) truth(keyword string) (bool, error) {
	b := v.get(keyword)
	if b == nil {
		return false, nil
	}
	if b.kind != boolean {
		return false, v.fail(keyword, "want true or false, not %s", b.kind)
	}
	return b.text == "true", nil
}

// target returns the schema that a $ref leads to.
func (c *converter) target(v *value) (*value, error) {
	ref := v.get("$ref")
	if ref.kind != text {
		return nil, v.fail("$ref", "want a string, not %s", ref.kind)
	}
	to := ref.text
	for _, key := range []string{"$id", "id"} {
		if id := c.root.get(key); id != nil && id.kind == text {
			to = strings.TrimPrefix(to, strings.TrimSuffix(id.text, "#"))
		}
	}
	fragment, ok := strings.CutPrefix(to, "#")
	if !ok && to != "" {
		return nil, v.fail("$ref", "%q is in another document: copy it to $defs, and refer to #/$defs/NAME", ref.text)
	}
	if fragment != "" && fragment[0] != '/' {
		if at := c.root.anchor(fragment); at != nil {
			return at, nil
		}
		return nil, v.fail("$ref", "%q leads nowhere: no schema has this $anchor", ref.text)
	}
	at := c.root
	for _, part := range strings.Split(fragment, "/")[1:] {
		at = at.child(unescapePointer(part))
		if at == nil {
			return nil, v.fail("$ref", "%q leads nowhere: there is no %q", ref.text, part)
		}
	}
	return at, nil
}

func (v *value) child(name string) *value {
	if v.kind != array {
		return v.get(name)
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(v.list) {
		return v.list[n]
	}
	return nil
}

// anchor finds the schema with an $anchor.
func (v *value) anchor(name string) *value {
	if a := v.get("$anchor"); a != nil && a.kind == text && a.text == name {
		return v
	}
	for _, e := range v.list {
		if at := e.anchor(name); at != nil {
			return at
		}
	}
	return nil
}

// unescapePointer decodes a part of a JSON pointer in a URL's fragment.
func unescapePointer(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(b.String())
}
