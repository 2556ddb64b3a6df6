package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textMethods are Python's methods of strings.
var textMethods map[string]func(ev *eval, t Text, a *args) (Value, error)

func init() {
	textMethods = map[string]func(ev *eval, t Text, a *args) (Value, error){
		"strip": strip(true, true), "lstrip": strip(true, false), "rstrip": strip(false, true),
		"split": split(false), "rsplit": split(true), "splitlines": splitlines,
		"startswith": affix(strings.HasPrefix), "endswith": affix(strings.HasSuffix),
		"removeprefix": removeAffix(true), "removesuffix": removeAffix(false),
		"replace": replaceMethod, "join": joinMethod, "format": formatMethod,
		"find": find(strings.Index), "rfind": find(strings.LastIndex), "index": find(strings.Index), "rindex": find(strings.LastIndex),
		"count": countMethod, "partition": partition(strings.Index), "rpartition": partition(strings.LastIndex),
		"ljust": justify(0), "rjust": justify(2), "center": justify(1), "zfill": zfill,
	}
	for name, f := range map[string]func(string) string{
		"upper": upper, "lower": strings.ToLower, "casefold": strings.ToLower, "title": title, "capitalize": capitalize, "swapcase": swapcase,
	} {
		textMethods[name] = func(ev *eval, t Text, a *args) (Value, error) { return t.like(f(t.S)), ev.bytes(2 * len(t.S)) }
	}
	for name, f := range map[string]func(rune) bool{
		"isdigit": unicode.IsDigit, "isdecimal": unicode.IsDigit, "isnumeric": unicode.IsNumber, "isalpha": unicode.IsLetter, "isspace": unicode.IsSpace,
		"isalnum": func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) },
	} {
		textMethods[name] = func(ev *eval, t Text, a *args) (Value, error) {
			return t.S != "" && strings.IndexFunc(t.S, func(r rune) bool { return !f(r) }) < 0, ev.step(len(t.S) >> 8)
		}
	}
	for name, test := range map[string]string{"isupper": "upper", "islower": "lower"} {
		textMethods[name] = func(ev *eval, t Text, a *args) (Value, error) { return ev.test(test, t, &args{}) }
	}
}

// upper is strings.ToUpper with the one letter of its kind that is common.
func upper(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }

func title(s string) string {
	word := false
	return strings.Map(func(r rune) rune {
		was := word
		if word = unicode.IsLetter(r); word && !was {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func capitalize(s string) string {
	n := runeLen(s)
	return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
}

func swapcase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

// textArg returns an argument that must be a string; none if it is missing or none.
func textArg(a *args, name string) (t Text, given bool, err error) {
	switch v := a.take(name, nil).(type) {
	case nil:
		return Text{}, false, nil
	case Text:
		return v, true, nil
	case *undefined:
		return Text{}, false, v.fail()
	default:
		return Text{}, false, failf("%s must be str, not %s", name, typeName(v))
	}
}

// intArg returns an argument that must be a number.
func intArg(a *args, name string, otherwise int) (int, error) {
	v := a.take(name, nil)
	if v == nil {
		return otherwise, nil
	}
	n := integer(v)
	if n == nil {
		return 0, failf("'%s' object cannot be interpreted as an integer", typeName(v))
	}
	if n.BitLen() > 31 {
		return map[bool]int{true: 1 << 31, false: -1 << 31}[n.Sign() > 0], nil
	}
	return int(n.Int64()), nil
}

func pyspace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// trimmed strips characters from the ends; all space if chars are not given.
func trimmed(t Text, chars string, given, left, right bool) Text {
	drop := pyspace
	if given {
		drop = func(r rune) bool { return strings.ContainsRune(chars, r) }
	}
	from, to := 0, len(t.S)
	if left {
		from = to - len(strings.TrimLeftFunc(t.S, drop))
	}
	if right {
		to = max(from, len(strings.TrimRightFunc(t.S, drop)))
	}
	return t.cut(from, to)
}

func strip(left, right bool) func(*eval, Text, *args) (Value, error) {
	return func(ev *eval, t Text, a *args) (Value, error) {
		chars, given, err := textArg(a, "chars")
		if err == nil {
			err = ev.bytes(len(t.S)*(1+len(chars.S)/8) + 16*len(t.Marks))
		}
		if err != nil {
			return nil, err
		}
		return trimmed(t, chars.S, given, left, right), nil
	}
}

func texts(list []Text) *List {
	l := &List{}
	for _, t := range list {
		l.Items = append(l.Items, t)
	}
	return l
}

func split(fromRight bool) func(*eval, Text, *args) (Value, error) {
	return func(ev *eval, t Text, a *args) (Value, error) {
		sep, given, err := textArg(a, "sep")
		if err != nil {
			return nil, err
		}
		most, err := intArg(a, "maxsplit", -1)
		if err == nil {
			err = ev.bytes(32*len(t.S) + 32)
		}
		switch {
		case err != nil:
			return nil, err
		case given && sep.S == "":
			return nil, failf("empty separator")
		case !given:
			return texts(fields(t, most, fromRight)), nil
		}
		var parts []Text
		for n := 0; most < 0 || n < most; n++ {
			i := strings.Index(t.S, sep.S)
			if fromRight {
				i = strings.LastIndex(t.S, sep.S)
			}
			if i < 0 {
				break
			}
			if fromRight {
				parts, t = append(parts, t.cut(i+len(sep.S), len(t.S))), t.cut(0, i)
			} else {
				parts, t = append(parts, t.cut(0, i)), t.cut(i+len(sep.S), len(t.S))
			}
			if err := ev.step(1 + len(t.Marks)>>4); err != nil {
				return nil, err
			}
		}
		parts = append(parts, t)
		if fromRight {
			slices.Reverse(parts)
		}
		return texts(parts), nil
	}
}

// fields splits at space.
func fields(t Text, most int, fromRight bool) []Text {
	var parts []Text
	t = trimmed(t, "", false, true, true)
	for t.S != "" {
		i := strings.IndexFunc(t.S, pyspace)
		if fromRight {
			i = strings.LastIndexFunc(t.S, pyspace)
		}
		if i < 0 || most == 0 {
			parts = append(parts, t)
			break
		}
		most--
		if fromRight {
			_, n := utf8.DecodeRuneInString(t.S[i:])
			parts, t = append(parts, t.cut(i+n, len(t.S))), trimmed(t.cut(0, i), "", false, false, true)
		} else {
			parts, t = append(parts, t.cut(0, i)), trimmed(t.cut(i, len(t.S)), "", false, true, false)
		}
	}
	if fromRight {
		slices.Reverse(parts)
	}
	return parts
}

// lines splits at line ends, which it keeps if asked.
func lines(t Text, keep bool) []Text {
	var parts []Text
	for at := 0; at < len(t.S); {
		n := strings.IndexAny(t.S[at:], "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029")
		if n < 0 {
			parts = append(parts, t.cut(at, len(t.S)))
			break
		}
		end := at + n + runeLen(t.S[at+n:])
		if strings.HasPrefix(t.S[at+n:], "\r\n") {
			end = at + n + 2
		}
		if keep {
			n = end - at
		}
		parts = append(parts, t.cut(at, at+n))
		at = end
	}
	return parts
}

func splitlines(ev *eval, t Text, a *args) (Value, error) {
	keep := truth(a.take("keepends", false))
	return texts(lines(t, keep)), ev.bytes(32 * len(t.S))
}

func affix(has func(s, part string) bool) func(*eval, Text, *args) (Value, error) {
	return func(ev *eval, t Text, a *args) (Value, error) {
		v := a.take("prefix", nil)
		list := []Value{v}
		if l, ok := v.(*List); ok && l.kind == kTuple {
			list = l.Items
		}
		for _, v := range list {
			part, ok := v.(Text)
			if u, undef := v.(*undefined); undef {
				return nil, u.fail()
			}
			if !ok {
				return nil, failf("startswith first arg must be str or a tuple of str, not %s", typeName(v))
			}
			if has(t.S, part.S) {
				return true, nil
			}
		}
		return false, nil
	}
}

func removeAffix(front bool) func(*eval, Text, *args) (Value, error) {
	return func(ev *eval, t Text, a *args) (Value, error) {
		part, _, err := textArg(a, "prefix")
		switch {
		case err != nil:
			return nil, err
		case front && strings.HasPrefix(t.S, part.S):
			return t.cut(len(part.S), len(t.S)), nil
		case !front && strings.HasSuffix(t.S, part.S):
			return t.cut(0, len(t.S)-len(part.S)), nil
		}
		return t, nil
	}
}

func replaceMethod(ev *eval, t Text, a *args) (Value, error) {
	old, ok, err := textArg(a, "old")
	if err != nil {
		return nil, err
	}
	new, ok2, err := textArg(a, "new")
	if err != nil {
		return nil, err
	}
	n, err := intArg(a, "count", -1)
	if err != nil {
		return nil, err
	}
	if !ok || !ok2 {
		return nil, failf("replace() arguments must be str")
	}
	return ev.replace(t, old, new, n)
}

func joinMethod(ev *eval, t Text, a *args) (Value, error) {
	items, err := ev.iterate(a.take("iterable", nil))
	if err != nil {
		return nil, err
	}
	parts := make([]Text, len(items))
	for i, v := range items {
		part, ok := v.(Text)
		if !ok {
			return nil, failf("sequence item %d: expected str instance, %s found", i, typeName(v))
		}
		parts[i] = part
	}
	return ev.join(t, parts...)
}

func find(index func(s, part string) int) func(*eval, Text, *args) (Value, error) {
	return func(ev *eval, t Text, a *args) (Value, error) {
		part, _, err := textArg(a, "sub")
		if err != nil {
			return nil, err
		}
		i := index(t.S, part.S)
		if i > 0 {
			i = utf8.RuneCountInString(t.S[:i])
		}
		return int64(i), ev.step(len(t.S) >> 8)
	}
}

func countMethod(ev *eval, t Text, a *args) (Value, error) {
	part, _, err := textArg(a, "sub")
	if err != nil {
		return nil, err
	}
	return int64(strings.Count(t.S, part.S)), ev.step(len(t.S) >> 8)
}

func partition(index func(s, part string) int) func(*eval, Text, *args) (Value, error) {
	return func(ev *eval, t Text, a *args) (Value, error) {
		sep, _, err := textArg(a, "sep")
		if err != nil {
			return nil, err
		}
		i := index(t.S, sep.S)
		l := &List{Items: []Value{t, Text{}, Text{}}, kind: kTuple}
		if i >= 0 {
			l.Items = []Value{t.cut(0, i), sep, t.cut(i+len(sep.S), len(t.S))}
		}
		return l, ev.bytes(len(t.S))
	}
}

func justify(where int) func(*eval, Text, *args) (Value, error) {
	return func(ev *eval, t Text, a *args) (Value, error) {
		width, err := intArg(a, "width", 0)
		if err != nil {
			return nil, err
		}
		fill, ok, err := textArg(a, "fillchar")
		if !ok {
			fill = plain(" ")
		}
		if err == nil {
			err = ev.bytes(len(t.S) + max(width, 0)*max(1, len(fill.S)))
		}
		if err != nil {
			return nil, err
		}
		n := max(0, width-utf8.RuneCountInString(t.S))
		left := []int{0, n / 2, n}[where]
		return ev.join(Text{}, plain(strings.Repeat(fill.S, left)), t, plain(strings.Repeat(fill.S, n-left)))
	}
}

func zfill(ev *eval, t Text, a *args) (Value, error) {
	width, err := intArg(a, "width", 0)
	if err == nil {
		err = ev.bytes(len(t.S) + max(width, 0))
	}
	if err != nil {
		return nil, err
	}
	sign := 0
	if strings.HasPrefix(t.S, "-") || strings.HasPrefix(t.S, "+") {
		sign = 1
	}
	zeros := plain(strings.Repeat("0", max(0, width-utf8.RuneCountInString(t.S))))
	return ev.join(Text{}, t.cut(0, sign), zeros, t.cut(sign, len(t.S)))
}
