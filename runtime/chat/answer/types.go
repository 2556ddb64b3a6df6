package answer

import (
	"encoding/json"
	"strings"
)

// types is a set of types of JSON.
type types int

const (
	stringType types = 1 << iota
	numberType
	boolType
	nullType
	objectType
	arrayType
	anyType types = 1<<6 - 1
)

var typeNames = map[string]types{
	"string": stringType, "number": numberType, "integer": numberType, "boolean": boolType,
	"null": nullType, "object": objectType, "array": arrayType,
}

// typeOf returns the type that a JSON text has by its first byte.
func typeOf(s string) types {
	switch s[0] {
	case '"':
		return stringType
	case '{':
		return objectType
	case '[':
		return arrayType
	case 't', 'f':
		return boolType
	case 'n':
		return nullType
	}
	return numberType
}

// typesOf returns the types that a parameter of the call's tool may have.
func (p *Parser) typesOf(name string) types {
	root, ok := p.schemas[p.tool]
	if !ok {
		for _, t := range p.options.Tools {
			if t.Name == p.tool {
				_ = json.Unmarshal(t.Parameters, &root) // what is no JSON says nothing
			}
		}
		p.schemas[p.tool] = root
	}
	r := reading{root: root, steps: maxReading}
	return r.parameterTypes(root, name, 0)
}

const (
	maxFollow  = 16     // references and combinations, one in another, that are followed in a schema
	maxReading = 10_000 // steps of reading a property's types
)

// reading reads types from a schema in a bounded number of steps.
type reading struct {
	root  any
	steps int // that are left
}

// step takes n steps, and reports whether there are as many.
func (r *reading) step(n int) bool {
	r.steps -= n
	return r.steps >= 0
}

// parameterTypes returns the types of a property of an object's schema: any where the steps have run out.
func (r *reading) parameterTypes(schema any, name string, depth int) types {
	m, _ := schema.(map[string]any)
	if m == nil || depth > maxFollow || !r.step(1) {
		return anyType
	}
	if properties, _ := m["properties"].(map[string]any); properties != nil {
		if s, ok := properties[name]; ok {
			return r.schemaTypes(s, depth+1)
		}
	}
	if target, ok := m["$ref"].(string); ok {
		return r.parameterTypes(r.resolve(target), name, depth+1)
	}
	all := anyType
	for _, part := range list(m["allOf"]) {
		all &= r.parameterTypes(part, name, depth+1)
	}
	if s, ok := m["additionalProperties"].(map[string]any); ok {
		all &= r.schemaTypes(s, depth+1)
	}
	return all
}

// schemaTypes returns the types that a schema allows.
func (r *reading) schemaTypes(schema any, depth int) types {
	m, _ := schema.(map[string]any)
	if m == nil || depth > maxFollow || !r.step(1) {
		return anyType
	}
	t := anyType
	narrow := func(by types) {
		if by != 0 {
			t &= by
		}
	}
	switch v := m["type"].(type) {
	case string:
		narrow(typeNames[v])
	case []any:
		var some types
		for _, n := range list(v) {
			word, _ := n.(string)
			some |= typeNames[word]
		}
		narrow(some)
	}
	var values types
	enum := list(m["enum"])
	r.steps -= len(enum) / 16
	for _, v := range enum {
		values |= valueType(v)
	}
	narrow(values)
	if v, ok := m["const"]; ok {
		narrow(valueType(v))
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		var some types
		for _, part := range list(m[word]) {
			some |= r.schemaTypes(part, depth+1)
		}
		narrow(some)
	}
	for _, part := range list(m["allOf"]) {
		narrow(r.schemaTypes(part, depth+1))
	}
	if target, ok := m["$ref"].(string); ok {
		narrow(r.schemaTypes(r.resolve(target), depth+1))
	}
	if t == 0 {
		return anyType
	}
	return t
}

func list(v any) []any {
	l, _ := v.([]any)
	return l[:min(len(l), 256)]
}

// valueType returns the type of a decoded value.
func valueType(v any) types {
	switch v.(type) {
	case nil:
		return nullType
	case string:
		return stringType
	case bool:
		return boolType
	case map[string]any:
		return objectType
	case []any:
		return arrayType
	}
	return numberType
}

// resolve returns what a reference inside of a schema points to; nil if there is nothing.
func (r *reading) resolve(target string) any {
	path, ok := strings.CutPrefix(target, "#")
	if !ok || !r.step(len(target)/16) {
		return nil
	}
	at := r.root
	for _, key := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		if key == "" {
			continue
		}
		m, _ := at.(map[string]any)
		at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(key)]
	}
	return at
}
