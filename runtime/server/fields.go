package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// Limits of what a request is made of, which are checked before it takes more memory than its text.
const (
	mostFields = 1000    // of an object
	mostValues = 100_000 // of an object that is handed on, with those inside of others
	mostNested = 100     // arrays and objects within each other, of such an object
	mostParts  = 10_000  // of a message: texts, blocks, calls
)

// elements counts the elements of an array or object, all values in it with itself, and how many arrays and
// objects are within each other. The text is JSON; for a text that is none the figures mean nothing.
func elements(text []byte) (top, all, nested int) {
	depth, first := 0, false // first: of the innermost array or object
	all = 1
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			continue
		}
		if end := c == ']' || c == '}'; c == ',' || first && !end {
			all++
			if depth == 1 {
				top++
			}
			first = false
		}
		switch c {
		case '[', '{':
			depth++
			nested = max(nested, depth)
			first = true
		case ']', '}':
			depth--
			first = false
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return top, all, nested
}

// few refuses an array or object with more elements than most.
func (f *fields) few(name string, raw json.RawMessage, most int, what string) bool {
	n, _, _ := elements(raw)
	if n > most {
		f.fail(name, "%d %s: use at most %d", n, what, most)
	}
	return n <= most
}

// small refuses what has too many values to be handed on, or too many within each other.
func (f *fields) small(name string, raw json.RawMessage) bool {
	_, n, nested := elements(raw)
	switch {
	case n > mostValues:
		f.fail(name, "%d values: use at most %d", n, mostValues)
	case nested > mostNested:
		f.fail(name, "nested %d levels deep: use at most %d", nested, mostNested)
	default:
		return true
	}
	return false
}

// hasNull reports whether an array of texts, numbers or arrays has an element that is null, which
// [json.Unmarshal] takes for a zero. The text is JSON.
func hasNull(text []byte) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case 'n': // in neither true nor false
			return true
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}

// encode returns a value as JSON in one line, with characters such as < as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// fields are the fields of a request, which are taken one by one; what remains at the end is
// refused. A field that is null counts as absent. The first error is kept, and names its field.
type fields struct {
	raw  map[string]json.RawMessage
	path string // before the names, as "messages[2]."
	err  *apiError
}

// parseFields reads an object.
func parseFields(text []byte) (*fields, *apiError) {
	f := &fields{}
	if n, _, _ := elements(text); n > mostFields && json.Valid(text) {
		return nil, &apiError{status: 400, kind: kindRequest, code: "invalid_value", message: fmt.Sprintf("the body has %d fields: use at most %d", n, mostFields)}
	}
	if err := json.Unmarshal(text, &f.raw); err != nil {
		return nil, &apiError{status: 400, kind: kindRequest, code: "invalid_json", message: "the body is not a JSON object: " + jsonReason(err)}
	}
	if f.raw == nil {
		return nil, &apiError{status: 400, kind: kindRequest, code: "invalid_json", message: "the body is not a JSON object: it is null"}
	}
	return f, nil
}

// jsonReason says what is wrong with JSON in its own terms, not in Go's.
func jsonReason(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && strings.HasPrefix(kind.Value, "number "): // too large, or with a fraction
		return "it is" + strings.TrimPrefix(kind.Value, "number")
	case errors.As(err, &kind):
		return "it is " + withArticle(kind.Value)
	case errors.As(err, &syntax):
		return fmt.Sprintf("%s at byte %d", strings.TrimPrefix(syntax.Error(), "json: "), syntax.Offset)
	}
	return err.Error()
}

func withArticle(kind string) string {
	kind, _, _ = strings.Cut(kind, " ")
	if strings.ContainsAny(kind[:1], "aeiou") {
		return "an " + kind
	}
	if kind == "bool" {
		kind = "boolean"
	}
	return "a " + kind
}

// fail keeps the first error.
func (f *fields) fail(name, format string, args ...any) {
	f.failWith(badField(f.path+name, format, args...))
}

func (f *fields) failWith(e *apiError) {
	if f.err == nil {
		f.err = e
	}
}

// take removes a field and returns its value, nil if it is absent.
func (f *fields) take(name string) json.RawMessage {
	raw, ok := f.raw[name]
	delete(f.raw, name)
	if !ok || string(raw) == "null" {
		return nil
	}
	return raw
}

// into decodes a field, and reports whether it is there.
func (f *fields) into(name, want string, to any) bool {
	raw := f.take(name)
	if raw == nil {
		return false
	}
	if err := json.Unmarshal(raw, to); err != nil {
		f.fail(name, "want %s: %s", want, jsonReason(err))
		return false
	}
	return true
}

func (f *fields) text(name string, to *string) bool { return f.into(name, "a string", to) }

func (f *fields) boolean(name string, to *bool) bool { return f.into(name, "true or false", to) }

// number reads a number from least to most.
func (f *fields) number(name string, to *float32, least, most float64) bool {
	var x float64
	if !f.into(name, "a number", &x) {
		return false
	}
	if x < least || x > most {
		f.fail(name, "%v is out of range: use %s", x, rangeOf(least, most))
		return false
	}
	*to = float32(x)
	return true
}

// integer reads a whole number from least to most.
func (f *fields) integer(name string, to *int, least, most int) bool {
	var x float64
	if !f.into(name, "a whole number", &x) {
		return false
	}
	if x != math.Trunc(x) {
		f.fail(name, "%v is not a whole number", x)
		return false
	}
	if x < float64(least) || x > float64(most) {
		f.fail(name, "%v is out of range: use %s", x, rangeOf(float64(least), float64(most)))
		return false
	}
	*to = int(x)
	return true
}

func rangeOf(least, most float64) string {
	show := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	if most >= math.MaxInt32 {
		return show(least) + " or more"
	}
	return show(least) + " to " + show(most)
}

// choice reads one of several words.
func (f *fields) choice(name string, to *string, of ...string) bool {
	var s string
	if !f.text(name, &s) {
		return false
	}
	if !slices.Contains(of, s) {
		f.fail(name, "%s is unknown: use %s", words.Quoted(s), strings.Join(of, ", "))
		return false
	}
	*to = s
	return true
}

// object returns the fields of an object, nil if it is absent.
func (f *fields) object(name string) *fields {
	var raw map[string]json.RawMessage
	if !f.few(name, f.raw[name], mostFields, "fields") || !f.into(name, "an object", &raw) {
		return nil
	}
	return &fields{raw: raw, path: f.path + name + "."}
}

// list returns the elements of an array, nil if it is absent or has more than most.
func (f *fields) list(name string, most int) (list []json.RawMessage) {
	if f.few(name, f.raw[name], most, "elements") {
		f.into(name, "an array", &list)
	}
	return list
}

// words reads an array of strings.
func (f *fields) words(name string, to *[]string, most int) bool {
	if raw := f.raw[name]; len(raw) > 1 && raw[0] == '[' && hasNull(raw) {
		f.fail(name, "want an array of strings: one is null")
		return false
	}
	return f.few(name, f.raw[name], most, "texts") && f.into(name, "an array of strings", to)
}

// element returns the fields of an object in an array.
func (f *fields) element(name string, i int, raw json.RawMessage) *fields {
	e := &fields{path: fmt.Sprintf("%s%s[%d].", f.path, name, i)}
	if !f.few(strings.TrimSuffix(e.path[len(f.path):], "."), raw, mostFields, "fields") {
		e.raw = map[string]json.RawMessage{}
		e.err = f.err
	} else if err := json.Unmarshal(raw, &e.raw); err != nil || e.raw == nil {
		e.raw = map[string]json.RawMessage{}
		e.failWith(badField(strings.TrimSuffix(e.path, "."), "want an object"))
	}
	return e
}

// only takes a field that has one supported value, which is its default.
func (f *fields) only(name string, value any, reason string) {
	raw := f.take(name)
	if raw == nil {
		return
	}
	want, _ := json.Marshal(value)
	if !bytes.Equal(bytes.TrimSpace(raw), want) {
		f.failWith(unsupported(f.path+name, reason))
	}
}

// ignore takes fields that have no effect on the answer.
func (f *fields) ignore(names ...string) {
	for _, n := range names {
		delete(f.raw, n)
	}
}

// done returns the first error; fields that were not taken are one.
func (f *fields) done() *apiError {
	if f.err != nil {
		return f.err
	}
	var rest []string
	for name, raw := range f.raw {
		if string(raw) != "null" {
			rest = append(rest, name)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	slices.Sort(rest)
	e := badField(f.path+rest[0], "this field is unknown or not supported: leave it out")
	e.code = "unknown_parameter"
	return e
}

func itoa(n int) string { return strconv.Itoa(n) }

// mustEncode encodes what came from JSON.
func mustEncode(v any) string {
	text, err := encode(v)
	if err != nil {
		return "null"
	}
	return string(text)
}

func quoted(s string) string { return mustEncode(s) }
