package jinja

import (
	"strings"
	"time"
)

// globals are the names that every template has.
var globals map[string]Value

// filters and tests refer to themselves through map and select.
var (
	filters map[string]func(ev *eval, v Value, a *args) (Value, error)
	tests   map[string]func(ev *eval, v Value, a *args) (bool, error)
)

func init() {
	filters, tests = allFilters(), allTests()
	globals = map[string]Value{}
	for name, f := range map[string]func(ev *eval, a *args) (Value, error){
		"range": rangeOf, "dict": dictOf, "namespace": namespaceOf, "joiner": joiner, "cycler": cycler,
		"raise_exception": raise, "strftime_now": now,
	} {
		globals[name] = &function{name, f}
	}
}

func raise(ev *eval, a *args) (Value, error) {
	t, err := ev.str(a.take("message", Text{}))
	if err != nil {
		return nil, err
	}
	return nil, &raised{kind: ErrRaised, text: strings.ToValidUTF8(t.S[:min(len(t.S), 500)], "")}
}

func rangeOf(ev *eval, a *args) (Value, error) {
	var n [3]int64
	for i, v := range a.list[:min(3, len(a.list))] {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
		b := integer(v)
		if b == nil {
			return nil, failf("'%s' object cannot be interpreted as an integer", typeName(v))
		}
		if !b.IsInt64() || b.BitLen() > 62 {
			return nil, limitError("range has more than %d elements", maxRange)
		}
		n[i] = b.Int64()
	}
	from, to, step := int64(0), n[0], int64(1)
	switch len(a.list) {
	case 1:
	case 3:
		step = n[2]
		fallthrough
	case 2:
		from, to = n[0], n[1]
	default:
		return nil, failf("range expected 1 to 3 arguments, got %d", len(a.list))
	}
	if step == 0 {
		return nil, failf("range() arg 3 must not be zero")
	}
	l := &List{kind: kRange}
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if len(l.Items) == maxRange {
			return nil, limitError("range has more than %d elements", maxRange)
		}
		l.Items = append(l.Items, i)
	}
	return l, ev.bytes(16 * len(l.Items))
}

func dictOf(ev *eval, a *args) (Value, error) {
	d := NewDict()
	if len(a.list) > 0 {
		if err := ev.update(d, a.list[0]); err != nil {
			return nil, err
		}
	}
	for _, k := range a.order {
		d.Set(plain(k), a.named[k])
	}
	return d, nil
}

func namespaceOf(ev *eval, a *args) (Value, error) {
	v, err := dictOf(ev, a)
	if err != nil {
		return nil, err
	}
	v.(*Dict).space = true
	return v, nil
}

func joiner(ev *eval, a *args) (Value, error) {
	sep, used := a.take("sep", plain(", ")), false
	return &function{"joiner", func(*eval, *args) (Value, error) {
		if !used {
			used = true
			return Text{}, nil
		}
		return sep, nil
	}}, nil
}

func cycler(ev *eval, a *args) (Value, error) {
	if len(a.list) == 0 {
		return nil, failf("at least one item has to be provided")
	}
	d, at := NewDict(), 0
	d.space = true
	d.Set(plain("current"), a.list[0])
	move := func(to func() int) *function {
		return &function{"next", func(*eval, *args) (Value, error) {
			v := a.list[at]
			at = to()
			d.Set(plain("current"), a.list[at])
			return v, nil
		}}
	}
	d.Set(plain("next"), move(func() int { return (at + 1) % len(a.list) }))
	d.Set(plain("reset"), move(func() int { return 0 }))
	return d, nil
}

// now is transformers' strftime_now.
func now(ev *eval, a *args) (Value, error) {
	t, ok := a.take("format", Text{}).(Text)
	if !ok {
		return nil, failf("strftime_now wants a format")
	}
	when := ev.limits.Now
	if when.IsZero() {
		when = time.Now()
	}
	if err := ev.bytes(16 * len(t.S)); err != nil {
		return nil, err
	}
	return t.like(strftime(t.S, when)), nil
}

var goLayouts = map[byte]string{
	'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday", 'a': "Mon",
	'p': "PM", 'I': "03", 'y': "06", 'j': "002", 'e': "_2", 'Z': "MST", 'z': "-0700",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
}

// strftime formats a time as Python does in the C locale.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		c, strip := format[i], false
		if c == '-' && i+1 < len(format) {
			i++
			c, strip = format[i], true
		}
		s := "%" + format[i:i+1]
		switch layout, ok := goLayouts[c]; {
		case ok:
			s = t.Format(layout)
		case c == '%':
			s = "%"
		case c == 'w':
			s = string(rune('0' + t.Weekday()))
		case c == 'f':
			s = t.Format(".000000")[1:]
		}
		if strip {
			s = strings.TrimLeft(s[:len(s)-1], "0 ") + s[len(s)-1:]
		}
		b.WriteString(s)
	}
	return b.String()
}
