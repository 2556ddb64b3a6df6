//go:build cgo

package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed7adf6694/infer/internal/grammartest"
)

// likelier makes numbers, and what ends values, likelier with time.
func likelier(_ []byte, tokens int, character func(byte, float64), end func(float64)) {
	for _, c := range []byte(`"}],:{[0123456789`) {
		character(c, 2*math.Sqrt(float64(tokens)/8))
	}
	end(float64(tokens) / 8)
}

// validator is the independent one.
func validator(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return s
}

func valid(t testing.TB, s *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// maker makes random schemas. Objects are written as lists, to keep the order of keys.
type maker struct {
	r     *rand.Rand
	depth int
}

func (m *maker) one(list ...string) string { return list[m.r.IntN(len(list))] }

func (m *maker) some(p float64) bool { return m.r.Float64() < p }

func (m *maker) object(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			parts = append(parts, fmt.Sprintf("%q: %s", pairs[i], pairs[i+1]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// maybe returns one of the texts, or none.
func (m *maker) maybe(p float64, list ...string) string {
	if !m.some(p) {
		return ""
	}
	return m.one(list...)
}

var values = []string{
	"null", "true", "false", "0", "-1", "3", "10", "1.5", "1e2", "100", `""`, `"a"`, `"abc"`, `"a\"b\\c\nd"`, `"\u0001é😀"`, `"2024-02-29"`, `[]`, `[1, "a"]`, `{}`, `{"a": 1}`, `{"b": "x", "a": null}`,
}

func (m *maker) schema() string {
	m.depth++
	defer func() { m.depth-- }()
	n := 10
	if m.depth > 3 {
		n = 6
	}
	switch m.r.IntN(n) {
	case 0:
		return m.string()
	case 1:
		return m.number()
	case 2:
		return m.one("true", "{}", `{"type": "null"}`, `{"type": "boolean"}`, `{"title": "x", "description": "y"}`, `{"type": ["null", "string"]}`, `{"$ref": "#/$defs/a"}`)
	case 3:
		list := slices.Clone(values)
		m.r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
		enum := `"enum": [` + strings.Join(list[:1+m.r.IntN(6)], ", ") + "]"
		return m.one(`{"const": `+list[0]+`}`, "{"+enum+"}", `{"type": "string", `+enum+"}", `{"minLength": 2, `+enum+"}", `{"type": "integer", "maximum": 20, `+enum+"}")
	case 4, 5:
		return m.one(m.string(), m.number())
	case 6:
		return m.array()
	case 7:
		return m.allSorts()
	}
	return m.objects()
}

func (m *maker) string() string {
	return m.object("type", `"string"`,
		"minLength", m.maybe(0.3, "0", "1", "2", "5"), "maxLength", m.maybe(0.3, "0", "5", "8", "300", "1000"),
		"pattern", m.maybe(0.3, `"^[a-z]+$"`, `"b"`, `"^a|z$"`, `"[^\\s\"]{2,4}"`, `"^\\d{3}-\\w*$"`, `"^(ab|cd)*$"`, `"\\.$"`, `"^.{0,6}$"`, `"^[à-ÿ]+$"`, `"^$"`, `"^\\p{Lu}"`, `"\\\\|\\n"`),
		"format", m.maybe(0.1, `"date"`, `"time"`, `"date-time"`, `"uuid"`, `"email"`, `"ipv4"`, `"ipv6"`, `"uri"`, `"hostname"`, `"duration"`, `"uri-reference"`, `"json-pointer"`))
}

func (m *maker) number() string {
	bounds := []string{"-20", "-1", "0", "1", "7", "99", "100", "12345", "-0.5", "0.25", "1e3", "3.14159"}
	of := m.one(`"integer"`, `"number"`, `["integer", "null"]`)
	if of != `"number"` {
		bounds = append(bounds, "9007199254740993", "-123456789012345678901234567890")
	}
	return m.object("type", of,
		"minimum", m.maybe(0.4, bounds...), "maximum", m.maybe(0.4, bounds...),
		"exclusiveMinimum", m.maybe(0.15, bounds...), "exclusiveMaximum", m.maybe(0.15, bounds...),
		"multipleOf", m.maybe(0.2, "1", "2", "5", "7", "0.5", "0.01", "2.5", "60"))
}

func (m *maker) array() string {
	items := m.schema()
	var prefix []string
	for range m.r.IntN(3) {
		prefix = append(prefix, m.schema())
	}
	p := ""
	if len(prefix) > 0 && m.some(0.5) {
		p = "[" + strings.Join(prefix, ", ") + "]"
	}
	return m.object("type", m.maybe(0.9, `"array"`), "prefixItems", p, "items", m.maybe(0.8, items, items, "false"),
		"minItems", m.maybe(0.3, "0", "1", "2", "3"), "maxItems", m.maybe(0.4, "0", "1", "2", "4"), "uniqueItems", m.maybe(0.05, "true", "false"))
}

func (m *maker) objects() string {
	names := []string{"a", "b", "ab", "c d", `q"\\`, "é"}
	m.r.Shuffle(len(names), func(i, k int) { names[i], names[k] = names[k], names[i] })
	var properties, required []string
	for _, name := range names[:m.r.IntN(4)] {
		properties = append(properties, fmt.Sprintf("%q: %s", name, m.schema()))
		if m.some(0.5) {
			required = append(required, fmt.Sprintf("%q", name))
		}
	}
	if m.some(0.1) {
		required = append(required, `"z"`)
	}
	req, pat := "", ""
	if len(required) > 0 {
		m.r.Shuffle(len(required), func(i, k int) { required[i], required[k] = required[k], required[i] })
		req = "[" + strings.Join(required, ", ") + "]"
	}
	if m.some(0.15) {
		pat = m.object(m.one("^a", "b$", "^[a-c]"), m.schema())
		if m.some(0.3) {
			pat = m.object("^a", m.schema(), "b$", m.schema())
		}
	}
	return m.object("type", m.maybe(0.9, `"object"`), "properties", m.maybe(0.9, "{"+strings.Join(properties, ", ")+"}"), "required", req,
		"patternProperties", pat, "additionalProperties", m.maybe(0.4, "true", "false", m.schema()),
		"propertyNames", m.maybe(0.1, `{"maxLength": 2}`, `{"pattern": "^[a-z]"}`, `{"enum": ["a", "b", "x"]}`),
		"minProperties", m.maybe(0.15, "0", "1", "2"), "maxProperties", m.maybe(0.15, "0", "1", "2", "3"))
}

func (m *maker) allSorts() string {
	a, b := m.schema(), m.schema()
	return m.one(
		`{"anyOf": [`+a+", "+b+"]}", `{"anyOf": [`+a+", "+b+`], "type": ["string", "number", "object"]}`, `{"allOf": [`+a+", "+b+"]}",
		`{"oneOf": [`+a+", "+b+"]}", `{"oneOf": [{"type": "object", "properties": {"k": {"const": 1}, "v": `+a+`}, "required": ["k"]}, {"type": "object", "properties": {"k": {"const": 2}, "w": `+b+`}, "required": ["k"]}]}`,
		`{"not": {"type": "null"}}`, `{"type": "string", "not": {"enum": ["a", "b"]}}`, `{"type": "object", "properties": {"a": `+a+`, "b": `+b+`}, "not": {"required": ["a"]}}`,
		`{"$ref": "#/$defs/b"}`, `{"$ref": "#/$defs/a", "description": "x"}`, `{"$ref": "#/$defs/b", "type": "object"}`)
}

func (m *maker) document() string {
	s := m.schema()
	if s[0] != '{' {
		return s
	}
	defs := `"$defs": {"a": ` + (&maker{r: m.r, depth: 4}).schema() + `, "b": {"type": "object", "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/b"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/b"}, "maxItems": 2}}, "required": ["n"]}}`
	return "{" + defs + strings.TrimSuffix(", "+s[1:], "}") + "}"
}

func TestTextsOfRandomSchemasAreValid(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 12))
	schemas, texts, accepted, instances, refusals := 0, 0, 0, 0, map[string]int{}
	for range 600 {
		text := strings.Replace((&maker{r: r}).document(), ", }", "}", 1)
		v := validator(t, text)
		grammar, err := Grammar([]byte(text), Options{})
		if err != nil {
			var of *Error
			if !errors.As(err, &of) {
				t.Fatal(err)
			}
			refusals[of.Keyword]++
			if v := instanceOf(r, text); of.Reason == "no value is valid for it" && v != "" && valid(t, validator(t, text), v) == nil {
				t.Errorf("%s: %v, but %s is", text, err, v)
			}
			continue
		}
		schemas++
		s := grammartest.Sampler(t, grammar, Root)
		var found []string
		for range 4 {
			out, ended, err := grammartest.Write(t, s, r, 250, likelier)
			if err != nil || !ended {
				continue
			}
			texts++
			if err := valid(t, v, out); err != nil {
				t.Errorf("%s\nwrites %s\n%v\n%s", text, out, err, grammar)
			}
			found = append(found, out)
		}
		// What the grammar writes and what is valid without white space is the same to it.
		for _, out := range append(found, values...) {
			compact := reordered(t, out)
			if slices.Contains(found, out) && compact != "" {
				if ok, at := grammartest.Allows(t, s, compact); !ok {
					t.Errorf("%s\nrefuses %s at %d\n%s", text, compact, at, grammar)
				}
				accepted++
			}
			if ok, _ := grammartest.Allows(t, s, compact); ok && valid(t, v, compact) != nil {
				t.Errorf("%s\nallows %s", text, compact)
			}
		}
		for range 12 {
			out := instanceOf(r, text)
			if out == "" || valid(t, v, out) != nil {
				continue
			}
			instances++
			if ok, at := grammartest.Allows(t, s, out); !ok {
				t.Errorf("%s\nrefuses %s at %d\n%s", text, out, at, grammar)
			}
		}
		s.Close()
	}
	t.Logf("%d schemas, %d texts, %d accepted, %d instances; refused by keyword: %v", schemas, texts, accepted, instances, refusals)
	if schemas < 400 || texts < 1000 || instances < 1000 {
		t.Errorf("only %d schemas, %d texts and %d instances", schemas, texts, instances)
	}
}

// reordered returns JSON without white space, with the order of keys as it is.
func reordered(t testing.TB, text string) string {
	var b strings.Builder
	inside, escaped := false, false
	for _, c := range text {
		if !inside && strings.ContainsRune(" \n\t\r", c) {
			continue
		}
		if c == '"' && !escaped {
			inside = !inside
		}
		escaped = c == '\\' && !escaped
		b.WriteRune(c)
	}
	if !json.Valid([]byte(text)) {
		t.Errorf("no JSON: %s", text)
	}
	return b.String()
}
