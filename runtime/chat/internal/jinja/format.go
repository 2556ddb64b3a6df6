package jinja

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var printfPattern = regexp.MustCompile(`%(?:\((\w+)\))?([-+ #0]*)(\d{0,4})(?:\.(\d{1,3}))?([sdifgexXrc%])`)

// printf is Python's format % values.
func (ev *eval) printf(f Text, v Value) (Value, error) {
	list := []Value{v}
	if l, ok := v.(*List); ok && l.kind == kTuple {
		list = l.Items
	}
	w := writer{}
	at, used := 0, 0
	for _, m := range printfPattern.FindAllStringSubmatchIndex(f.S, -1) {
		w.text(f.cut(at, m[0]))
		at = m[1]
		verb := f.S[m[10]]
		if verb == '%' {
			w.plain("%")
			continue
		}
		var arg Value
		switch {
		case m[2] >= 0:
			d, ok := v.(*Dict)
			if !ok {
				return nil, failf("format requires a mapping")
			}
			arg, _ = d.Get(f.S[m[2]:m[3]])
			used = len(list)
		case used == len(list):
			return nil, failf("not enough arguments for format string")
		default:
			arg = list[used]
			used++
		}
		precision := ""
		if m[8] >= 0 {
			precision = "." + f.S[m[8]:m[9]]
		}
		t, err := ev.formatted(arg, f.S[m[4]:m[5]], f.S[m[6]:m[7]], precision, verb)
		if err != nil {
			return nil, err
		}
		w.text(t)
	}
	if _, ok := v.(*Dict); used < len(list) && !ok {
		return nil, failf("not all arguments converted during string formatting")
	}
	w.text(f.cut(at, len(f.S)))
	return w.done(), ev.bytes(w.len())
}

// formatted formats one value with a verb of C.
func (ev *eval) formatted(v Value, flags, width, precision string, verb byte) (Text, error) {
	switch verb {
	case 's', 'r', 'c':
		t, err := ev.str(v)
		if verb == 'r' {
			w := writer{}
			err = ev.repr(&w, v, 0)
			t = w.done()
		}
		if precision != "" && err == nil {
			n, _ := strconv.Atoi(precision[1:])
			if at := offsets(t.S); n < len(at)-1 {
				t = t.cut(0, at[n])
			}
		}
		n, _ := strconv.Atoi(width)
		pad := plain(strings.Repeat(" ", max(0, n-utf8.RuneCountInString(t.S))))
		if err != nil {
			return t, err
		}
		if strings.Contains(flags, "-") {
			return ev.join(Text{}, t, pad)
		}
		return ev.join(Text{}, pad, t)
	case 'd', 'i', 'x', 'X':
		n := integer(v)
		if f, ok := v.(float64); ok && verb == 'd' {
			n = integer(truncated(f))
		}
		if n == nil {
			return Text{}, failf("%%%c format: a real number is required, not %s", verb, typeName(v))
		}
		if verb == 'i' {
			verb = 'd'
		}
		return plain(fmt.Sprintf("%"+flags+width+string(verb), n)), nil
	}
	f, ok := float(v)
	if !ok {
		return Text{}, failf("must be real number, not %s", typeName(v))
	}
	if precision == "" {
		precision = ".6"
	}
	return plain(fmt.Sprintf("%"+flags+width+precision+string(verb), f)), nil
}

var (
	fieldPattern = regexp.MustCompile(`\{\{|\}\}|\{([^{}]*)\}|[{}]`)
	specPattern  = regexp.MustCompile(`^(?:(.)?([<>^]))?([-+ ]?)(0?)(\d{0,4})(,?)(?:\.(\d{1,3}))?([sdfgexX%]?)$`)
)

// formatMethod is str.format.
func formatMethod(ev *eval, f Text, a *args) (Value, error) {
	w := writer{}
	at, next := 0, 0
	for _, m := range fieldPattern.FindAllStringSubmatchIndex(f.S, -1) {
		w.text(f.cut(at, m[0]))
		at = m[1]
		if m[2] < 0 {
			if m[1]-m[0] == 1 {
				return nil, failf("single '%s' encountered in format string", f.S[m[0]:m[1]])
			}
			w.plain(f.S[m[0] : m[0]+1])
			continue
		}
		field, spec, _ := strings.Cut(f.S[m[2]:m[3]], ":")
		field, conversion, _ := strings.Cut(field, "!")
		v, err := ev.field(field, a, &next)
		if err != nil {
			return nil, err
		}
		t, err := ev.spec(v, spec, conversion)
		if err != nil {
			return nil, err
		}
		w.text(t)
		if err := ev.bytes(len(t.S)); err != nil {
			return nil, err
		}
	}
	w.text(f.cut(at, len(f.S)))
	return w.done(), ev.bytes(len(f.S))
}

// field returns the value of a field's name: 0, name, 0.attribute, name[key].
func (ev *eval) field(name string, a *args, next *int) (Value, error) {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	head, rest := name[:end], name[end:]
	var v Value
	n, err := strconv.Atoi(head)
	if head == "" {
		n, err = *next, nil
		*next++
	}
	if err == nil {
		if n < 0 || n >= len(a.list) {
			return nil, failf("replacement index %d out of range for positional args tuple", n)
		}
		v = a.list[n]
	} else if named, ok := a.named[head]; ok {
		v = named
	} else {
		return nil, failf("format: no argument '%s'", head)
	}
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(".[]", r) }) {
		key := Value(plain(part))
		if n, err := strconv.Atoi(part); err == nil {
			key = int64(n)
		}
		if v, err = ev.item(v, key); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// spec formats a value by a format specification.
func (ev *eval) spec(v Value, spec, conversion string) (Text, error) {
	if conversion == "r" {
		w := writer{}
		if err := ev.repr(&w, v, 0); err != nil {
			return Text{}, err
		}
		v = w.done()
	}
	if spec == "" {
		return ev.str(v)
	}
	m := specPattern.FindStringSubmatch(spec)
	if m == nil {
		return Text{}, failf("invalid format specifier '%s'", spec)
	}
	fill, align, sign, zero, width, comma, precision, verb := m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]
	if fill == "" {
		fill = " "
	}
	t, isText := v.(Text)
	if !isText {
		var err error
		if t, err = ev.number(v, sign, comma, precision, verb); err != nil {
			return Text{}, err
		}
		if align == "" {
			align = ">"
			if zero != "" {
				fill = "0"
			}
		}
	} else if n, err := strconv.Atoi(precision); err == nil {
		if at := offsets(t.S); n < len(at)-1 {
			t = t.cut(0, at[n])
		}
	}
	n, _ := strconv.Atoi(width)
	n = max(0, n-utf8.RuneCountInString(t.S))
	left := map[string]int{"<": 0, "": 0, ">": n, "^": n / 2}[align]
	return ev.join(Text{}, plain(strings.Repeat(fill, left)), t, plain(strings.Repeat(fill, n-left)))
}

func (ev *eval) number(v Value, sign, comma, precision, verb string) (Text, error) {
	f, ok := float(v)
	if !ok {
		return Text{}, failf("unsupported format string passed to %s.__format__", typeName(v))
	}
	flags := strings.Trim(sign, "-")
	s := ""
	switch n := integer(v); {
	case n != nil && (verb == "" || verb == "d"):
		s = fmt.Sprintf("%"+flags+"d", n)
	case n != nil && (verb == "x" || verb == "X"):
		s = fmt.Sprintf("%"+flags+verb, n)
	case verb == "" && precision == "":
		s = floatRepr(f)
	case verb == "%":
		s = fmt.Sprintf("%"+flags+"."+or(precision, "6")+"f%%", f*100)
	default:
		s = fmt.Sprintf("%"+flags+"."+or(precision, "6")+or(verb, "g"), f)
	}
	if comma != "" {
		whole, rest, found := strings.Cut(s, ".")
		for i := len(whole) - 3; i > 0 && whole[i-1] >= '0' && whole[i-1] <= '9'; i -= 3 {
			whole = whole[:i] + "," + whole[i:]
		}
		s = whole
		if found {
			s += "." + rest
		}
	}
	return plain(s), nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
