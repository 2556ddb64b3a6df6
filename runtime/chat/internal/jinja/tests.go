package jinja

import "strings"

func (ev *eval) test(name string, v Value, a *args) (bool, error) {
	t, ok := tests[name]
	if !ok {
		return false, failf("no test named '%s'", strings.ToValidUTF8(name, ""))
	}
	return t(ev, v, a)
}

// allTests returns Jinja2's tests.
func allTests() map[string]func(*eval, Value, *args) (bool, error) {
	all := map[string]func(*eval, Value, *args) (bool, error){}
	for name, f := range map[string]func(Value) bool{
		"defined":   func(v Value) bool { _, ok := v.(*undefined); return !ok },
		"undefined": func(v Value) bool { _, ok := v.(*undefined); return ok },
		"none":      func(v Value) bool { return v == nil },
		"boolean":   func(v Value) bool { _, ok := v.(bool); return ok },
		"true":      func(v Value) bool { return v == true },
		"false":     func(v Value) bool { return v == false },
		"integer":   func(v Value) bool { _, ok := v.(bool); return !ok && integer(v) != nil },
		"float":     func(v Value) bool { _, ok := v.(float64); return ok },
		"number":    func(v Value) bool { _, ok := float(v); return ok },
		"string":    func(v Value) bool { _, ok := v.(Text); return ok },
		"mapping":   func(v Value) bool { d, ok := v.(*Dict); return ok && !d.space },
		"callable":  func(v Value) bool { _, ok := v.(*function); return ok },
		"escaped":   func(Value) bool { return false },
		"sequence": func(v Value) bool {
			switch v := v.(type) {
			case Text:
				return true
			case *List:
				return v.kind != kGenerator && v.kind != kView
			case *Dict:
				return !v.space
			}
			_, ok := v.(*undefined)
			return ok
		},
		"iterable": func(v Value) bool {
			switch v := v.(type) {
			case Text, *List, *undefined:
				return true
			case *Dict:
				return !v.space
			}
			return false
		},
		"lower": func(v Value) bool {
			t, ok := v.(Text)
			return ok && strings.ToLower(t.S) == t.S && strings.ToUpper(t.S) != t.S
		},
		"upper": func(v Value) bool {
			t, ok := v.(Text)
			return ok && strings.ToUpper(t.S) == t.S && strings.ToLower(t.S) != t.S
		},
	} {
		all[name] = func(_ *eval, v Value, a *args) (bool, error) { return f(v), a.done("test '" + name + "'") }
	}
	for names, op := range map[string]string{
		"== eq equalto": "==", "!= ne": "!=", "< lt lessthan": "<", "<= le": "<=", "> gt greaterthan": ">", ">= ge": ">=", "in": "in",
	} {
		for _, name := range strings.Fields(names) {
			all[name] = func(ev *eval, v Value, a *args) (bool, error) {
				if len(a.list) != 1 {
					return false, failf("test '%s' takes one argument", name)
				}
				return ev.compare(op, v, a.list[0])
			}
		}
	}
	for name, rest := range map[string]int64{"even": 0, "odd": 1} {
		all[name] = func(ev *eval, v Value, a *args) (bool, error) { return ev.divides(v, int64(2), rest) }
	}
	all["divisibleby"] = func(ev *eval, v Value, a *args) (bool, error) { return ev.divides(v, a.take("num", nil), 0) }
	all["sameas"] = func(ev *eval, v Value, a *args) (bool, error) {
		other := a.take("other", nil)
		if _, ok := v.(bool); ok || v == nil {
			return v == other, nil
		}
		return typeName(v) == typeName(other) && func() bool { same, _ := ev.equal(v, other, 0); return same }(), nil
	}
	all["filter"] = func(_ *eval, v Value, _ *args) (bool, error) { t, _ := v.(Text); return filters[t.S] != nil, nil }
	all["test"] = func(_ *eval, v Value, _ *args) (bool, error) { t, _ := v.(Text); return tests[t.S] != nil, nil }
	return all
}

func (ev *eval) divides(v, by Value, rest int64) (bool, error) {
	m, err := ev.arithmetic("%", v, by)
	if err != nil {
		return false, err
	}
	return ev.equal(m, rest, 0)
}
