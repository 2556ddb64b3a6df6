package jinja

import (
	"maps"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// allFilters returns Jinja2's filters, without those that make HTML, and transformers' tojson.
func allFilters() map[string]func(*eval, Value, *args) (Value, error) {
	all := map[string]func(*eval, Value, *args) (Value, error){
		"tojson": tojson, "from_json": fromjson, "fromjson": fromjson,
		"default": defaultFilter, "d": defaultFilter, "length": length, "count": length,
		"int": toInt, "float": toFloat, "abs": abs, "round": round,
		"string": func(ev *eval, v Value, a *args) (Value, error) { return ev.str(v) },
		"trim":   trim, "indent": indent, "replace": replaceFilter, "truncate": truncate, "wordcount": wordcount,
		"format": formatFilter, "escape": escape, "e": escape, "forceescape": escape, "attr": attr,
		"title": titleFilter, "center": center,
		"safe": func(ev *eval, v Value, a *args) (Value, error) { return v, nil },
	}
	for name, f := range map[string]func(string) string{"upper": upper, "lower": strings.ToLower, "capitalize": capitalize} {
		all[name] = func(ev *eval, v Value, a *args) (Value, error) {
			t, err := ev.str(v)
			if err == nil {
				err = ev.bytes(2 * len(t.S))
			}
			if err != nil {
				return nil, err
			}
			return t.like(f(t.S)), nil
		}
	}
	maps.Copy(all, listFilters())
	return all
}

func defaultFilter(ev *eval, v Value, a *args) (Value, error) {
	other := a.take("default_value", Text{})
	always := truth(a.take("boolean", false))
	if _, ok := v.(*undefined); ok || always && !truth(v) {
		return other, a.done("default")
	}
	return v, a.done("default")
}

func length(ev *eval, v Value, a *args) (Value, error) {
	switch v := v.(type) {
	case Text:
		return int64(utf8.RuneCountInString(v.S)), ev.step(len(v.S) >> 8)
	case *List:
		if v.kind != kGenerator {
			return int64(len(v.Items)), nil
		}
	case *Dict:
		if !v.space {
			return int64(len(v.keys)), nil
		}
	case *undefined:
		return int64(0), nil
	}
	return nil, failf("object of type '%s' has no len()", typeName(v))
}

// truncated returns the whole part of a finite number, or nil.
func truncated(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	n, _ := big.NewFloat(f).Int(nil)
	return small(n)
}

func toInt(ev *eval, v Value, a *args) (Value, error) {
	other := a.take("default", int64(0))
	base, err := intArg(a, "base", 10)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case Text:
		s := strings.ReplaceAll(strings.TrimSpace(v.S), "_", "")
		if len(s) > maxDigits/4 {
			return nil, limitError("a number has more than %d bits", maxDigits)
		}
		if base == 0 || base >= 2 && base <= 36 {
			if n, ok := new(big.Int).SetString(s, base); ok {
				return small(n), nil
			}
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			if n := truncated(f); n != nil {
				return n, nil
			}
		}
	case float64:
		if n := truncated(v); n != nil {
			return n, nil
		}
	case *undefined:
		return nil, v.fail()
	default:
		if n := integer(v); n != nil {
			return small(n), nil
		}
	}
	return other, nil
}

func toFloat(ev *eval, v Value, a *args) (Value, error) {
	other := a.take("default", 0.0)
	if f, ok := float(v); ok {
		return f, nil
	}
	if t, ok := v.(Text); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(t.S), 64); err == nil {
			return f, nil
		}
	}
	return other, nil
}

func abs(ev *eval, v Value, a *args) (Value, error) {
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	n := integer(v)
	if n == nil {
		return nil, failf("bad operand type for abs(): '%s'", typeName(v))
	}
	return small(new(big.Int).Abs(n)), nil
}

func round(ev *eval, v Value, a *args) (Value, error) {
	precision, err := intArg(a, "precision", 0)
	if err != nil {
		return nil, err
	}
	method, _, err := textArg(a, "method")
	if err != nil {
		return nil, err
	}
	f, ok := float(v)
	if !ok {
		return nil, failf("type %s doesn't define __round__ method", typeName(v))
	}
	precision = min(max(precision, -300), 300)
	scale := math.Pow(10, float64(precision))
	switch method.S {
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	case "", "common":
	default:
		return nil, failf("method must be common, ceil or floor")
	}
	if integer(v) != nil && precision >= 0 {
		return v, nil
	}
	if precision < 0 {
		return math.RoundToEven(f*scale) / scale, nil
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', precision, 64), 64)
	return r, err
}

func trim(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err != nil {
		return nil, err
	}
	return strip(true, true)(ev, t, a)
}

func indent(ev *eval, v Value, a *args) (Value, error) {
	t, ok := v.(Text)
	if !ok {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
		return nil, failf("unsupported operand type(s) for +=: '%s' and 'str'", typeName(v))
	}
	by := ""
	switch w := a.take("width", int64(4)).(type) {
	case Text:
		by = w.S
	default:
		n := integer(w)
		if n == nil || n.BitLen() > 16 {
			return nil, failf("invalid width of indent")
		}
		by = strings.Repeat(" ", max(0, int(n.Int64())))
	}
	first, blank := truth(a.take("first", false)), truth(a.take("blank", false))
	if err := ev.bytes(len(t.S)*32 + len(by)*(2+strings.Count(t.S, "\n")+strings.Count(t.S, "\r"))); err != nil {
		return nil, err
	}
	end, err := ev.join(Text{}, t, plain("\n"))
	if err != nil {
		return nil, err
	}
	w := writer{}
	for i, line := range lines(end, false) {
		if i > 0 {
			w.plain("\n")
		}
		if i == 0 && first || i > 0 && (blank || line.S != "") {
			w.plain(by)
		}
		w.text(line)
	}
	return w.done(), nil
}

func replaceFilter(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err != nil {
		return nil, err
	}
	old, err := ev.str(a.take("old", nil))
	if err != nil {
		return nil, err
	}
	new, err := ev.str(a.take("new", nil))
	if err != nil {
		return nil, err
	}
	n, err := intArg(a, "count", -1)
	if err != nil {
		return nil, err
	}
	return ev.replace(t, old, new, n)
}

func truncate(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err != nil {
		return nil, err
	}
	n, err := intArg(a, "length", 255)
	if err != nil {
		return nil, err
	}
	kill := truth(a.take("killwords", false))
	end, given, err := textArg(a, "end")
	if err != nil {
		return nil, err
	}
	if !given {
		end = plain("...")
	}
	leeway, err := intArg(a, "leeway", 5)
	if err == nil {
		err = ev.bytes(8 * len(t.S))
	}
	at := offsets(t.S)
	keep := n - utf8.RuneCountInString(end.S)
	if err != nil || len(at)-1 <= n+leeway {
		return t, err
	}
	if keep < 0 {
		return nil, failf("expected length >= %d, got %d", n-keep, n)
	}
	t = t.cut(0, at[keep])
	if !kill {
		if i := strings.LastIndexByte(t.S, ' '); i >= 0 {
			t = t.cut(0, i)
		}
	}
	return ev.join(Text{}, t, end)
}

func wordcount(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err == nil {
		err = ev.bytes(16 * len(t.S))
	}
	return int64(len(strings.Fields(t.S))), err
}

func formatFilter(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.named) > 0 {
		d := NewDict()
		for k, v := range a.named {
			d.Set(plain(k), v)
		}
		return ev.printf(t, d)
	}
	return ev.printf(t, &List{Items: a.list, kind: kTuple})
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", "\"", "&#34;")

func escape(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err == nil {
		err = ev.bytes(5 * len(t.S))
	}
	if err != nil {
		return nil, err
	}
	return t.like(htmlEscapes.Replace(t.S)), nil
}

func attr(ev *eval, v Value, a *args) (Value, error) {
	name, err := ev.str(a.take("name", nil))
	if err != nil {
		return nil, err
	}
	if got, ok, err := attribute(v, name.S); ok || err != nil {
		return got, err
	}
	return missing(v, name.S), nil
}

// titleFilter is Jinja2's title: a word begins after space, dash or bracket.
func titleFilter(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err == nil {
		err = ev.bytes(2 * len(t.S))
	}
	if err != nil {
		return nil, err
	}
	begins := true
	return t.like(strings.Map(func(r rune) rune {
		was := begins
		if begins = strings.ContainsRune("-({[<", r) || pyspace(r); was {
			return []rune(strings.ToUpper(string(r)))[0]
		}
		return []rune(strings.ToLower(string(r)))[0]
	}, t.S)), nil
}

func center(ev *eval, v Value, a *args) (Value, error) {
	t, err := ev.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.list) == 0 && len(a.named) == 0 {
		a.list = []Value{int64(80)}
	}
	return justify(1)(ev, t, a)
}
