package answer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/runtime/schema"
)

// arguments returns what matches the arguments of a tool.
func (g *gbnf) arguments(s *shape, t Tool, prefix string) (string, error) {
	switch s.body {
	case argumentsXML:
		return g.tags(s, t, prefix)
	case argumentsGemma:
		return g.gemma(t, prefix)
	case argumentsPython:
		return g.python(t, prefix)
	}
	return g.json(ofObject(t.Parameters), prefix)
}

// parameter is a property of a tool's parameters.
type parameter struct {
	name     string
	schema   json.RawMessage // without the definitions of the whole
	types    types
	fixed    []string // values of enum and const, as JSON
	required bool
}

// Bounds on parameters that are not written as one JSON object.
const (
	maxParameters = 256     // properties of a tool
	maxSchema     = 1 << 20 // bytes of a tool's schema
	maxSchemas    = 8 << 20 // bytes of all properties' schemas, with the definitions that each refers to
	maxGrammar    = 8 << 20 // bytes of rules
)

// definitions are what references in a schema point to, by keyword.
type definitions map[string]json.RawMessage

// parameters returns the properties of a tool: required ones first, else as the schema lists them.
func (t Tool) parameters() ([]parameter, definitions, error) {
	var root struct {
		Properties  json.RawMessage
		Required    []string
		Defs        json.RawMessage `json:"$defs"`
		Definitions json.RawMessage
	}
	if len(bytes.TrimSpace(t.Parameters)) == 0 {
		return nil, nil, nil
	}
	if len(t.Parameters) > maxSchema {
		return nil, nil, &schema.Error{Reason: fmt.Sprintf("%d bytes are more than the %d that are supported", len(t.Parameters), maxSchema)}
	}
	r := reading{}
	if err := json.Unmarshal(t.Parameters, &root); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(t.Parameters, &r.root); err != nil {
		return nil, nil, err
	}
	shared := definitions{}
	for key, value := range map[string]json.RawMessage{"$defs": root.Defs, "definitions": root.Definitions} {
		if len(value) > 0 {
			shared[key] = value
		}
	}
	required := map[string]bool{}
	for _, name := range root.Required {
		required[name] = true
	}
	var out []parameter
	err := members(root.Properties, func(name string, value json.RawMessage) error {
		if len(out) == maxParameters {
			return &schema.Error{Keyword: "properties", Reason: fmt.Sprintf("there are more than the %d that calls of this family may have", maxParameters)}
		}
		p := parameter{name: name, schema: value, required: required[name]}
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) == nil {
			var enum []json.RawMessage
			_ = json.Unmarshal(object["enum"], &enum) // schema refuses what is no list
			for _, v := range enum {
				p.fixed = append(p.fixed, string(v))
			}
			if v := object["const"]; v != nil {
				p.fixed = []string{string(v)}
			}
		}
		r.steps = maxReading
		p.types = r.parameterTypes(r.root, name, 0)
		out = append(out, p)
		return nil
	})
	slices.SortStableFunc(out, func(a, b parameter) int {
		switch {
		case a.required == b.required:
			return 0
		case a.required:
			return -1
		}
		return 1
	})
	return out, shared, err
}

// property adds the rules of a property's schema with a prefix, and returns the name of their root.
func (g *gbnf) property(p *parameter, shared definitions, prefix string) (string, error) {
	whole := p.schema
	var object map[string]json.RawMessage
	if bytes.ContainsAny(whole, `$\`) && json.Unmarshal(whole, &object) == nil && object != nil { // it may refer to them
		n := len(whole)
		for key, value := range shared {
			n += len(value)
			object[key] = value
		}
		if g.schemas+n > maxSchemas {
			return "", tooLarge(p)
		}
		var err error
		if whole, err = json.Marshal(object); err != nil {
			return "", err
		}
	}
	if g.schemas += len(whole); g.schemas > maxSchemas || g.b.Len() > maxGrammar {
		return "", tooLarge(p)
	}
	return g.json(whole, prefix)
}

// tooLarge is the error of schemas whose rules take too much memory.
func tooLarge(p *parameter) error {
	return &schema.Error{Path: "/properties/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p.name), Reason: fmt.Sprintf("the schemas of all parameters, each with the definitions that it refers to, "+
		"or their rules, are more than %d MiB: write smaller definitions", maxSchemas>>20)}
}

// members calls f with the members of an object, in their order.
func members(object json.RawMessage, f func(name string, value json.RawMessage) error) error {
	if len(object) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := f(name.(string), value); err != nil {
			return err
		}
	}
	return nil
}

// words returns the values of an enum as literals; text says how a string is written.
func (p *parameter) words(text func(string) string) string {
	var all []string
	for _, v := range p.fixed {
		if v[0] == '"' {
			v = text(unquote(v))
		}
		all = append(all, literals(v))
	}
	if len(all) == 0 {
		return ""
	}
	return "(" + strings.Join(all, " | ") + ")"
}

// optional returns a part that may be left out, unless it is required.
func (p *parameter) optional(part string) string {
	if p.required {
		return part
	}
	return "(" + part + ")?"
}

// tags returns what matches parameters in tags.
func (g *gbnf) tags(s *shape, t Tool, prefix string) (string, error) {
	list, shared, err := t.parameters()
	if err != nil {
		return "", err
	}
	text := prefix + "-text"
	g.until(text, s.until)
	var all []string
	for i := range list {
		p := &list[i]
		value, before := text, s.value
		if words := p.words(func(s string) string { return s }); words != "" {
			value = words
		} else if p.types&stringType == 0 {
			if value, err = g.property(p, shared, fmt.Sprintf("%s-%d", prefix, i)); err != nil {
				return "", err
			}
		}
		if p.types&stringType == 0 && s.typed != "" {
			before = s.typed
		}
		all = append(all, p.optional(joined(literals(s.key, p.name, before), value, literals(s.next))))
	}
	return joined(all...), nil
}

// gemma returns what matches an object as Gemma 4 writes it.
func (g *gbnf) gemma(t Tool, prefix string) (string, error) {
	list, shared, err := t.parameters()
	if err != nil {
		return "", err
	}
	name := func(part string) string { return prefix + "-" + part }
	quote := literals(gemmaQuote)
	g.until(name("text"), gemmaQuote)
	g.rule(name("string"), quote, name("text"), quote)
	g.rule(name("number"), `"-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,15})?`)
	g.rule(name("pair"), `[^:{}\x5B\x5D,<>"\n]{1,64} ":"`, name("value"))
	g.rule(name("object"), `"{" (`+joined(name("pair"), `("," `+name("pair")+`)*`)+`)? "}"`)
	g.rule(name("array"), `"[" (`+joined(name("value"), `("," `+name("value")+`)*`)+`)? "]"`)
	g.rule(name("value"), strings.Join([]string{name("string"), name("number"), name("object"), name("array"), `"true"`, `"false"`, `"null"`}, " | "))
	if list == nil {
		return name("object"), nil
	}
	return "\"{\" " + g.separated(list, prefix, ",", func(p *parameter, i int) (string, error) {
		value := p.words(func(s string) string { return gemmaQuote + s + gemmaQuote })
		if value == "" && p.types&^(numberType|boolType|nullType) == 0 { // as in JSON
			var err error
			if value, err = g.property(p, shared, fmt.Sprintf("%s-%d", prefix, i)); err != nil {
				return "", err
			}
		}
		if value == "" {
			var kinds []string
			for _, k := range []struct {
				t    types
				part string
			}{
				{stringType, name("string")}, {numberType, name("number")}, {boolType, `"true" | "false"`}, {nullType, `"null"`},
				{objectType, name("object")}, {arrayType, name("array")},
			} {
				if p.types&k.t != 0 {
					kinds = append(kinds, k.part)
				}
			}
			value = "(" + strings.Join(kinds, " | ") + ")"
		}
		return joined(literals(p.name, ":"), value), nil
	}, &err) + " \"}\"", err
}

// python returns what matches arguments as Python has them, with values in JSON.
func (g *gbnf) python(t Tool, prefix string) (string, error) {
	list, shared, err := t.parameters()
	if err != nil {
		return "", err
	}
	out := g.separated(list, prefix, ", ", func(p *parameter, i int) (string, error) {
		value, err := g.property(p, shared, fmt.Sprintf("%s-%d", prefix, i))
		return joined(literals(p.name, "="), value), err
	}, &err)
	return out, err
}

// separated returns what matches parameters with something between them, of which those that are not
// required may be left out. Rules have what follows a parameter: with and without one before it.
func (g *gbnf) separated(list []parameter, prefix, between string, part func(p *parameter, i int) (string, error), failed *error) string {
	name := func(i int, some bool) string {
		if some {
			return fmt.Sprintf("%s-more-%d", prefix, i)
		}
		return fmt.Sprintf("%s-from-%d", prefix, i)
	}
	for i := range list {
		p := &list[i]
		match, err := part(p, i)
		if err != nil {
			*failed = err
			return ""
		}
		own := fmt.Sprintf("%s-parameter-%d", prefix, i)
		g.rule(own, match)
		for _, some := range []bool{false, true} {
			with := joined(own, name(i+1, true))
			if some {
				with = joined(literals(between), with)
			}
			if p.required {
				g.rule(name(i, some), with)
				continue
			}
			g.rule(name(i, some), with, "|", name(i+1, some))
		}
	}
	g.rule(name(len(list), false), `""`)
	g.rule(name(len(list), true), `""`)
	return name(0, false)
}
