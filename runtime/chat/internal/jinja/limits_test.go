package jinja_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime/chat/internal/jinja"
)

func render(src string, names map[string]jinja.Value) (jinja.Text, error) {
	t, err := jinja.Parse(src)
	if err != nil {
		return jinja.Text{}, err
	}
	return t.Render(names, jinja.Limits{Steps: 200_000, Bytes: 4 << 20, Output: 1 << 20})
}

// Templates of strangers end with an error of a limit, whatever they do.
func TestTemplatesAreBounded(t *testing.T) {
	deep := func(open, mid, end string, n int) string {
		return strings.Repeat(open, n) + mid + strings.Repeat(end, n)
	}
	for name, src := range map[string]string{
		"nested loops":                   "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
		"a range that is too large":      "{% for i in range(10**9) %}{% endfor %}",
		"a range beyond 64 bits":         "{{ range(10**30) }}",
		"a recursion without end":        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"macros that call each other":    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
		"a recursive loop without end":   "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
		"a text multiplied":              "{{ 'x' * 10**9 }}",
		"a text multiplied by a giant":   "{{ 'x' * 10**30 }}",
		"an empty text multiplied":       "{{ '' * 10**12 }}{{ 'x' * 10**8 }}",
		"a list multiplied":              "{{ [1] * 10**8 }}",
		"a text that doubles":            "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"a text that doubles by ~":       "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
		"a list that doubles":            "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"a list that extends itself":     "{% set l = [1] %}{% for i in range(99) %}{% set x = l.extend(l) %}{% endfor %}",
		"a list in itself, printed":      "{% set l = [1] %}{% set x = l.append(l) %}{{ l }}",
		"a list in itself, as JSON":      "{% set l = [1] %}{% set x = l.append(l) %}{{ l | tojson }}",
		"a list in itself, compared":     "{% set l = [1] %}{% set m = [1] %}{% set x = l.append(m) %}{% set x = m.append(l) %}{{ l == m }}",
		"lists of lists, printed":        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
		"lists of lists, compared":       "{% set a = namespace(l=[1]) %}{% set b = namespace(l=[1]) %}{% for i in range(60) %}{% set a.l = [a.l, a.l] %}{% set b.l = [b.l, b.l] %}{% endfor %}{{ a.l == b.l }}",
		"lists of lists, as JSON":        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
		"a replacement that grows":       "{% set ns = namespace(s='xx') %}{% for i in range(99) %}{% set ns.s = ns.s | replace('x', 'xx') %}{% endfor %}",
		"a join that grows":              "{% set ns = namespace(s='xx') %}{% for i in range(99) %}{% set ns.s = ns.s.join([ns.s, ns.s, ns.s]) %}{% endfor %}",
		"a wide indent":                  "{{ 'a\\nb' | indent(10**9) }}",
		"a wide field":                   "{{ 'a'.center(10**12) }}{{ 'a'.zfill(10**9) }}",
		"an indent of JSON":              "{{ {'a': {'b': 1}} | tojson(indent='x' * 3000000) }}",
		"a power":                        "{{ 9 ** 9 ** 9 ** 9 ** 9 }}",
		"squares of squares":             "{% set ns = namespace(n=3) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
		"digits of a giant":              "{{ ('9' * 100000) | int }}",
		"output in a loop":               "{% for i in range(99999) %}{{ '" + strings.Repeat("x", 100) + "' }}{% endfor %}",
		"text in a loop":                 "{% for i in range(99999) %}" + strings.Repeat("x", 1000) + "{% endfor %}",
		"parentheses":                    "{{ " + deep("(", "1", ")", 10_000) + " }}",
		"lists in lists":                 "{{ " + deep("[", "1", "]", 10_000) + " }}",
		"minus signs":                    "{{ " + strings.Repeat("-", 10_000) + "1 }}",
		"nots":                           "{{ " + strings.Repeat("not ", 10_000) + "1 }}",
		"tags in tags":                   deep("{% if 1 %}", "", "{% endif %}", 10_000),
		"a sum of many terms":            "{{ 1" + strings.Repeat("+1", 10_000) + " }}",
		"attributes of attributes":       "{{ x" + strings.Repeat(".y", 10_000) + " }}",
		"filters of filters":             "{{ 1" + strings.Repeat("|string", 10_000) + " }}",
		"a template of 2 MiB":            strings.Repeat("x", 2<<20),
		"splits of one character":        "{% for i in range(999) %}{% set x = ('a,' * 99999).split(',') %}{% endfor %}",
		"sorts":                          "{% for i in range(9999) %}{% set x = range(9999) | sort %}{% endfor %}",
		"a search in a long text":        "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% set x = 'b' in s %}{% endfor %}",
		"tuples in tuples, as a key":     "{% set ns = namespace(t=('x',)) %}{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{% set d = {ns.t: 1} %}",
		"a deep tuple, as a key":         "{% set ns = namespace(t=('x',)) %}{% for i in range(200) %}{% set ns.t = (ns.t,) %}{% endfor %}{% set d = {ns.t: 1} %}",
		"tuples in tuples, looked up":    "{% set d = {} %}{% set ns = namespace(t=('x',)) %}{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ d[ns.t] }}",
		"a long tuple, as a key":         "{% set t = (('x' * 1000000),) * 9 %}{{ t in {} }}",
		"a conversion of a nested value": "{{ '" + strings.Repeat("[", 10_000) + "' | fromjson }}",
	} {
		t.Run(name, func(t *testing.T) {
			text, err := render(src, nil)
			var e *jinja.Error
			if !errors.As(err, &e) || e.Line < 1 || len(text.S) > 0 || len(err.Error()) > 300 {
				t.Fatalf("%d bytes, %.300v", len(text.S), err)
			}
			if !errors.Is(err, jinja.ErrLimit) && name != "a wide indent" && name != "attributes of attributes" && name != "a conversion of a nested value" {
				t.Errorf("%v", err)
			}
		})
	}
}

// Tuples are keys: equal ones are the same key, and others are not.
func TestTuplesAreKeys(t *testing.T) {
	for src, want := range map[string]string{
		"{{ {('a', 1): 'x'}[('a', 1.0)] }}":                 "x",
		"{{ {(('a', 'b'), 'c'): 'x'}[(('a', 'b'), 'c')] }}": "x",
		"{{ (('a',), 'b') in {('a', ('b',)): 1} }}":         "False",
		"{{ (('a', 'b'),) in {('a', 'b'): 1} }}":            "False",
		"{{ ('1',) in {(1,): 1} }}":                         "False",
		"{{ ('a:b', 'c') in {('a', 'b:c'): 1} }}":           "False",
	} {
		if text, err := render(src, nil); err != nil || text.S != want {
			t.Errorf("%s: %q, %v, want %s", src, text.S, err, want)
		}
	}
}

// An error names the line of the template and the cause.
func TestErrorsNameLineAndCause(t *testing.T) {
	for src, want := range map[string]string{
		"a\n{{ x.y }}": "line 2: 'x' is undefined",
		"{% macro m() %}\n\n{{ 1 + none }}{% endmacro %}\n{{ m() }}": "line 3: unsupported operand type(s) for +: 'int' and 'NoneType'",
		"\n\n{{ raise_exception('only users') }}":                    "line 3: only users",
		"\n{% if x":                    "line 2: the tag has no end: %} is missing",
		"\n{% if 1 %}\n":               "line 2: unexpected end of template: endif is missing",
		"{{ 'a' }}\n{% endif %}":       "line 2: unknown tag \"endif\"",
		"{% for i in 3 %}{% endfor %}": "line 1: 'int' object is not iterable",
		"{{ 1 | nosuch }}":             "line 1: no filter named 'nosuch'",
		"{% include 'passwd' %}":       "line 1: the tag include is not for chat templates",
		"{{\n'a'\n~ [1][0].x.y }}":     "line 3: 'int object' has no attribute 'x'",
	} {
		if _, err := render(src, nil); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
	if _, err := render("{{ raise_exception('no') }}", nil); !errors.Is(err, jinja.ErrRaised) {
		t.Errorf("%v", err)
	}
	if _, err := render("{{", nil); !errors.Is(err, jinja.ErrSyntax) {
		t.Errorf("%v", err)
	}
}

// Marks follow what a user wrote, byte by byte where that is possible.
func TestMarksFollowWhatUsersWrote(t *testing.T) {
	l := &jinja.List{Items: []jinja.Value{jinja.User("p"), jinja.User("q")}}
	d := jinja.NewDict()
	d.Set(jinja.User("k"), jinja.User("v\n"))
	names := map[string]jinja.Value{"u": jinja.User(" Üx-y "), "l": l, "d": d}
	for src, want := range map[string]string{
		"{{ u }}":                                           "[ Üx-y ]",
		"<a>{{ u }}</a>":                                    "<a>[ Üx-y ]</a>",
		"{{ '<a>' + u + '</a>' }}":                          "<a>[ Üx-y ]</a>",
		"{{ ('<a>' + u + '</a>') | trim }}":                 "<a>[ Üx-y ]</a>",
		"{{ u.strip() }}":                                   "[Üx-y]",
		"{{ ('<' ~ u)[:3] }}":                               "<[ Ü]",
		"{{ ('<' ~ u)[::-1] }}":                             "[ y-xÜ ]<",
		"{{ u.split('-')[1] ~ '>' }}":                       "[y ]>",
		"{{ '<' ~ u | replace('-', '<sep>') }}":             "<[ Üx]<sep>[y ]",
		"{{ l | join('<sep>') }}":                           "[p]<sep>[q]",
		"{{ d | tojson }}":                                  `{"[k]": "[v\n]"}`,
		"{{ l }}":                                           "['p'], ['q']",
		"{{ u | upper }}":                                   "[ ÜX-Y ]",
		"{% set t %}<{{ u }}>{% endset %}{{ t }}":           "<[ Üx-y ]>",
		"{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(u) }}": "<[ Üx-y ]>",
		"{{ '%s!' % u }}{{ '{}?'.format(u) }}":              "[ Üx-y ]![ Üx-y ]?",
		"{% for c in u %}{{ c }}.{% endfor %}":              "[ ].[Ü].[x].[-].[y].[ ].",
		"{{ 'a\n' ~ u | indent(1) }}":                       "a\n[ Üx-y ]",
	} {
		text, err := render(src, names)
		var b strings.Builder
		at := 0
		for _, m := range text.Marks {
			b.WriteString(text.S[at:m.From] + "[" + text.S[m.From:m.To] + "]")
			at = m.To
		}
		got := b.String() + text.S[at:]
		if src == "{{ l }}" {
			got = strings.TrimSuffix(strings.TrimPrefix(got, "["), "]")
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", src, got, err, want)
		}
	}
}

func FuzzTemplates(f *testing.F) {
	for _, src := range []string{"{{ a | tojson }}", "{% for i in a %}{{ loop.index }}{% endfor %}", "{% macro m(x) %}{{ x[1:] }}{% endmacro %}{{ m(a) }}", "{{ '%s' % a }}", "{{ a.b.split(',')[-1] }}"} {
		f.Add(src)
	}
	d := jinja.NewDict()
	d.Set(jinja.User("b"), jinja.User("x,y"))
	f.Fuzz(func(t *testing.T, src string) {
		text, err := render(src, map[string]jinja.Value{"a": &jinja.List{Items: []jinja.Value{d, int64(2)}}})
		if err == nil {
			for _, m := range text.Marks {
				if m.From >= m.To || m.To > len(text.S) {
					t.Fatalf("%v of %d bytes", m, len(text.S))
				}
			}
		}
	})
}
