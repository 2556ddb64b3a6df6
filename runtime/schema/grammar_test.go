package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime/schema"
)

func TestRefusedByName(t *testing.T) {
	for _, tt := range []struct{ schema, path, keyword, reason string }{
		{`{"type": "object", "properties": {"a/b": {"type": "array", "contains": {}}}}`, "/properties/a~1b", "contains", "use prefixItems"},
		{`{"if": {}}`, "", "if", "use anyOf"},
		{`{"anyOf": [{"type": "null"}, {"dependentRequired": {}}]}`, "/anyOf/1", "dependentRequired", "use anyOf"},
		{`{"type": "object", "unevaluatedProperties": false}`, "", "unevaluatedProperties", "use additionalProperties"},
		{`{"type": "string", "nullable": true}`, "", "nullable", "null"},
		{`{"type": "string", "minlength": 3}`, "", "minlength", "unknown keyword"},
		{`{"type": "string", "format": "phone"}`, "", "format", "is unknown: use"},
		{`{"type": "string", "pattern": "(?=a)b"}`, "", "pattern", "ahead"},
		{`{"type": "string", "pattern": "(a)\\1"}`, "", "pattern", `\\1`},
		{`{"type": "string", "pattern": "\\bword"}`, "", "pattern", `\\b`},
		{`{"type": "string", "pattern": "a{1,900}b{900}[ab]{900}.{900}"}`, "", "pattern", "states"},
		{`{"type": "string", "pattern": "["}`, "", "pattern", "]"},
		{`{"type": "string", "pattern": 1}`, "", "pattern", "want a string"},
		{`{"type": "strin"}`, "", "type", "want null, boolean"},
		{`{"enum": []}`, "", "enum", "want a list"},
		{`{"type": "integer", "minimum": "1"}`, "", "minimum", "want a number"},
		{`{"type": "number", "multipleOf": 0}`, "", "multipleOf", "above 0"},
		{`{"type": "number", "multipleOf": 0.12345}`, "", "multipleOf", "too many to count"},
		{`{"type": "string", "minLength": -1}`, "", "minLength", "at least 0"},
		{`{"type": "string", "minLength": 1.5}`, "", "minLength", "whole number"},
		{`{"type": "string", "minLength": 1e9}`, "", "minLength", "at most"},
		{`{"type": "array", "items": {"type": "string"}, "uniqueItems": true}`, "", "uniqueItems", "enum"},
		{`{"type": "object", "minProperties": 3}`, "", "minProperties", "additionalProperties"},
		{`{"oneOf": [{"type": "integer"}, {"type": "number"}]}`, "", "oneOf", "use anyOf"},
		{`{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}`, "", "oneOf", "0 and 1"},
		{`{"not": {"type": "integer"}}`, "", "not", "types"},
		{`{"$ref": "other.json"}`, "", "$ref", "another document"},
		{`{"$ref": "#/$defs/a"}`, "", "$ref", "leads nowhere"},
		{`{"$ref": "#a"}`, "", "$ref", "$anchor"},
		{`{"properties": {"a": {"$id": "x", "type": "null"}}}`, "/properties/a", "$id", "whole schema"},
		{`{"$ref": "#"}`, "", "", "refers to itself"},
		{`{"anyOf": [{"type": "null"}, {"$ref": "#"}]}`, "", "", "refers to itself"},
		{`false`, "", "", "no value"},
		{`{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}`, "", "", "no value"},
		{`{"type": "integer", "minimum": 5, "maximum": 4}`, "", "", "no value"},
		{`{"allOf": [{"type": "string"}, {"type": "null"}]}`, "", "", "no value"},
		{`{"properties": {"a": 1}}`, "/properties/a", "", "want a schema"},
		{`{"properties": []}`, "", "properties", "want an object"},
		{`{"required": [1]}`, "", "required", "names"},
		{`{"type": "null", "type": "string"}`, "", "type", "twice"},
		{`{"type": "null"`, "", "", "ends too early"},
		{`{"type": "null"} 1`, "", "", "follows"},
		{`{"type": nul}`, "", "", "no JSON"},
		{"\"\xff\"", "", "", "UTF-8"},
		{``, "", "", "no JSON"},
		{strings.Repeat("[", 1000), "", "", "deeper"},
		{strings.Repeat(" ", 2<<20), "", "", "too long"},
		{strings.Repeat(`{"items":`, 99) + "true" + strings.Repeat("}", 99), "", "", ""},
	} {
		_, err := schema.Grammar([]byte(tt.schema), schema.Options{})
		if tt.reason == "" {
			if err != nil {
				t.Errorf("%.80s: %v", tt.schema, err)
			}
			continue
		}
		var e *schema.Error
		if !errors.As(err, &e) || !errors.Is(err, schema.ErrSchema) {
			t.Errorf("%.80s: %v", tt.schema, err)
			continue
		}
		if e.Keyword != tt.keyword || !strings.Contains(e.Reason, tt.reason) || strings.Contains(err.Error(), "\n") || !strings.HasSuffix(e.Path, tt.path) && tt.keyword != "" {
			t.Errorf("%.80s: at %q, %q: %v", tt.schema, e.Path, e.Keyword, err)
		}
	}
}

// wide is a schema of nested objects, whose text grows by the power.
func wide(levels, width int) string {
	s := `{"type": "null"}`
	for range levels {
		var properties []string
		for i := range width {
			properties = append(properties, fmt.Sprintf(`"p%d": %s`, i, s))
		}
		s = `{"type": "object", "properties": {` + strings.Join(properties, ", ") + "}}"
	}
	return s
}

// What takes long is refused before it does: these would take from half a minute to hours.
func TestTheWorkForASchemaIsBounded(t *testing.T) {
	list := func(n int, format string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = strings.ReplaceAll(format, "#", fmt.Sprint(i))
		}
		return strings.Join(all, ",")
	}
	for name, s := range map[string]string{
		"patterns":        `{"type":"object","properties":{` + list(2000, `"p#":{"type":"string","pattern":"^.{0,200}#$"}`) + `}}`,
		"unique elements": `{"uniqueItems":true,"enum":[[` + list(90000, "#") + `]]}`,
		"oneOf":           `{"oneOf":[` + list(300, `{"type":"string","pattern":"^x#.{0,500}$"}`) + `]}`,
	} {
		var e *schema.Error
		if _, err := schema.Grammar([]byte(s), schema.Options{}); !errors.As(err, &e) || !strings.Contains(e.Reason, "too much work") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	// Several schemas may share what one may take.
	o := schema.Options{Work: &schema.Work{}}
	for i := range 1000 {
		if _, err := schema.Grammar([]byte(`{"type":"string","pattern":"^.{0,1000}$"}`), o); err != nil {
			if i == 0 || !strings.Contains(err.Error(), "too much work") {
				t.Error(err)
			}
			return
		}
	}
	t.Error("shared work has no bound")
}

func TestLargeSchemasAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"many combinations":         `{"allOf": [` + strings.TrimSuffix(strings.Repeat(`{"anyOf": [{"minLength": 1}, {"maxLength": 5}, {"pattern": "a"}]}, `, 12), ", ") + "]}",
		"many objects":              wide(5, 8),
		"many counts":               `{"type": "object", "minProperties": 150, "properties": {` + strings.TrimSuffix(strings.Repeat(`"%d": {}, `, 300), ", ") + "}}",
		"counts of counts":          strings.Repeat(`{"type": "array", "minItems": 100000, "items": `, 20) + "true" + strings.Repeat("}", 20),
		"patterns of patterns":      `{"type": "string", "allOf": [{"pattern": "a.{9}b"}, {"pattern": "b.{9}a"}]}`,
		"exponential determinism":   `{"type": "string", "pattern": "a.{20}$"}`,
		"long numbers":              `{"type": "number", "minimum": 1e-1000, "maximum": 1e1000}`,
		"numbers that are too long": `{"type": "number", "minimum": 1e999999999}`,
		"a number of digits":        `{"type": "number", "maximum": ` + strings.Repeat("9", 5000) + "}",
		"an enum of such":           `{"type": "number", "enum": [1e999999999, 1e-999999999]}`,
	} {
		if name == "many counts" {
			n := 0
			for strings.Contains(text, "%d") {
				text = strings.Replace(text, "%d", fmt.Sprint(n), 1)
				n++
			}
		}
		g, err := schema.Grammar([]byte(text), schema.Options{})
		if var_ := (*schema.Error)(nil); err != nil && !errors.As(err, &var_) {
			t.Errorf("%s: %v", name, err)
		}
		if len(g) > 512<<10 {
			t.Errorf("%s: %d bytes", name, len(g))
		}
		t.Logf("%s: %d bytes, %v", name, len(g), err)
	}
	_, err := schema.Grammar([]byte(wide(2, 4)), schema.Options{MaxBytes: 100})
	if !errors.Is(err, schema.ErrSchema) || !strings.Contains(err.Error(), "at most 100") {
		t.Error(err)
	}
}

func FuzzGrammar(f *testing.F) {
	for _, s := range []string{
		`{"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"], "additionalProperties": false}`,
		`{"$defs": {"n": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]}}, "$ref": "#/$defs/n"}`,
		`{"type": ["integer", "null"], "minimum": -1.5e3, "exclusiveMaximum": 7, "multipleOf": 0.5}`,
		`{"pattern": "^(a|[^b-d\\s])*\\u00e9{2,3}$", "maxLength": 9, "not": {"enum": ["x"]}}`,
		`{"oneOf": [{"const": 1}, {"enum": ["a", {"b": []}]}], "allOf": [true, {}]}`,
		`{"prefixItems": [{"format": "date-time"}], "items": false, "minItems": 1, "uniqueItems": true}`,
		`{"patternProperties": {"^x": {}}, "propertyNames": {"maxLength": 3}, "minProperties": 1, "maxProperties": 2}`,
		`false`, `[`, `{"`, "\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 2<<10 {
			t.Skip("longer than any finding is")
		}
		g, err := schema.Grammar(text, schema.Options{})
		var e *schema.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if err == nil && !strings.HasPrefix(g, "root ::= ") {
			t.Errorf("%q", g)
		}
	})
}
