//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// declarations is what a header declares, by a parser that refuses what it does not
// understand: whatever it leaves out would not be compared.
type declarations struct {
	macros    []string // with a value
	enums     []compound
	structs   []compound // with a body
	typedefs  []string
	functions []string
	opaque    []string // structs without a body
}

// compound is a struct with its fields or an enum with its constants.
type compound struct {
	name    string
	members []string
}

var (
	commentText = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/`)
	cppOnly     = regexp.MustCompile(`(?s)#ifdef __cplusplus\n.*?#endif\n`)
	directive   = regexp.MustCompile(`(?m)^\s*#\s*(\w+)[ \t]*(.*)$`)
	macroValue  = regexp.MustCompile(`^(\w+)\s+\S`)
	enumText    = regexp.MustCompile(`^enum (\w+) \{(.*)\}$`)
	structText  = regexp.MustCompile(`^(?:typedef )?struct (\w+) \{(.*)\}(?: (\w+))?$`)
	forwardText = regexp.MustCompile(`^struct (\w+)$`)
	pointerText = regexp.MustCompile(`\(\s?\*\s?(\w+)\)\s?\(`)
	lastName    = regexp.MustCompile(`(\w+)$`)
	arraySize   = regexp.MustCompile(`\s?\[[^\[\]]*\]$`)
	functions   = regexp.MustCompile(`^[\w\s*]+?[\s*](\w+)\([^()]*\)$`)
)

func parseHeader(src string) (d declarations, err error) {
	src = cppOnly.ReplaceAllString(commentText.ReplaceAllString(src, ""), "")
	for _, m := range directive.FindAllStringSubmatch(src, -1) {
		switch m[1] {
		case "define":
			if v := macroValue.FindStringSubmatch(m[2]); v != nil {
				d.macros = append(d.macros, v[1])
			}
		case "ifndef", "endif", "include":
		default:
			return d, fmt.Errorf("directive %q", m[0])
		}
	}
	src = directive.ReplaceAllString(src, "")
	statements, err := split(src, ';')
	for _, s := range statements {
		err = errors.Join(err, d.statement(s))
	}
	return d, err
}

func (d *declarations) statement(s string) error {
	if m := enumText.FindStringSubmatch(s); m != nil {
		list, err := split(m[2]+",", ',')
		e := compound{name: m[1]}
		for _, c := range list {
			name, _, _ := strings.Cut(c, " ")
			e.members = append(e.members, name)
		}
		d.enums = append(d.enums, e)
		return err
	}
	if m := structText.FindStringSubmatch(s); m != nil {
		if strings.HasPrefix(s, "typedef ") != (m[3] != "") || m[3] != "" && m[3] != m[1] {
			return fmt.Errorf("struct with another name: %q", s)
		}
		fields, err := fieldNames(m[2])
		d.structs = append(d.structs, compound{m[1], fields})
		return err
	}
	if m := forwardText.FindStringSubmatch(s); m != nil {
		d.opaque = append(d.opaque, m[1])
		return nil
	}
	if strings.HasPrefix(s, "typedef ") {
		name, err := declarator(s)
		d.typedefs = append(d.typedefs, name)
		return err
	}
	if m := functions.FindStringSubmatch(s); m != nil {
		d.functions = append(d.functions, m[1])
		return nil
	}
	return fmt.Errorf("declaration not understood: %q", s)
}

func fieldNames(body string) (names []string, err error) {
	list, err := split(body, ';')
	for _, f := range list {
		name, e := declarator(f)
		names, err = append(names, name), errors.Join(err, e)
	}
	return names, err
}

// declarator returns the name that a typedef or a field declares.
func declarator(s string) (string, error) {
	if m := pointerText.FindStringSubmatch(s); m != nil {
		return m[1], nil
	}
	s = arraySize.ReplaceAllString(s, "")
	m := lastName.FindStringSubmatch(s)
	if m == nil || strings.ContainsAny(s, ",{}():") {
		return "", fmt.Errorf("declaration of something else than one name: %q", s)
	}
	return m[1], nil
}

var spaces = regexp.MustCompile(`\s+`)

// split cuts a text after each separator that is in no braces or parentheses, and makes
// spaces single ones. What is behind the last separator must be empty.
func split(s string, sep byte) (parts []string, err error) {
	depth, from := 0, 0
	add := func(to int) {
		if p := strings.TrimSpace(spaces.ReplaceAllString(s[from:to], " ")); p != "" {
			parts = append(parts, p)
		}
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '{' || c == '(':
			depth++
		case c == '}' || c == ')':
			depth--
		case c == sep && depth == 0:
			add(i)
			from = i + 1
		}
	}
	if rest := strings.TrimSpace(s[from:]); rest != "" || depth != 0 {
		return parts, fmt.Errorf("unfinished: %q", rest)
	}
	return parts, nil
}

// structFields finds a struct in preprocessed text and returns its fields.
func structFields(src, name string) ([]string, error) {
	at := regexp.MustCompile(`\bstruct ` + name + `\s*\{`).FindStringIndex(src)
	if at == nil {
		return nil, fmt.Errorf("struct %s not found", name)
	}
	depth := 1
	for i := at[1]; i < len(src); i++ {
		switch src[i] {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			return fieldNames(src[at[1]:i])
		}
	}
	return nil, fmt.Errorf("struct %s does not end", name)
}
