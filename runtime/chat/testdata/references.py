#!/usr/bin/python3
"""references.py: renders templates/*.jinja with Jinja2 (Debian: python3-jinja2), set up as
transformers does, and writes cases.json, references.json.gz and expressions.json beside this
file."""
import datetime, glob, gzip, json, os, re
import jinja2, jinja2.ext
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

here = os.path.dirname(os.path.abspath(__file__))

class Generation(Extension):
    tags = {"generation"}
    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)

def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)

def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda f: datetime.datetime(2026, 11, 28, 12, 0, 0).strftime(f)

weather = {"type": "function", "function": {"name": "get_weather", "description": "Weather at a place <now> & here",
    "parameters": {"type": "object", "properties": {
        "place": {"type": "string", "description": "Städte & 'quotes'"},
        "days": {"type": "integer", "minimum": 1, "description": "How many"},
        "unit": {"type": "string", "enum": ["C", "F"], "description": "Unit"},
        "height": {"type": "number", "description": "Metres", "maximum": 1.0, "multipleOf": 0.5}},
        "required": ["place"], "additionalProperties": False}}}
noop = {"type": "function", "function": {"name": "noop", "description": "Does nothing.", "parameters": {"type": "object", "properties": {}}}}
def user(text): return {"role": "user", "content": text}
def system(text): return {"role": "system", "content": text}
def assistant(text, **more): return dict({"role": "assistant", "content": text}, **more)
call = {"id": "call00001", "type": "function", "function": {"name": "get_weather",
    "arguments": {"place": "Bern's \"old\" town", "days": 3, "height": 2.0, "big": 123456789012345678901234567890, "on": True, "none": None, "list": ["a", {"b": 0.1}]}}}
base = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}
cases = {
    "a question": dict(base, messages=[user("Hi, what is 1 < 2?")]),
    "several turns with a system prompt": dict(base, messages=[system("Be brief."), user("Hello"), assistant("Hi! "), user("  Tell me\nmore ")]),
    "tools": dict(base, tools=[weather, noop], messages=[system("Use tools."), user("Weather in Bern?")]),
    "a call and its result": dict(base, tools=[weather], messages=[user("Weather in Bern?"), assistant("", tool_calls=[call]),
        {"role": "tool", "content": "{\"degrees\": 12.0}", "name": "get_weather", "tool_call_id": "call00001"}]),
    "reasoning": dict(base, enable_thinking=True, messages=[user("1+1?"), assistant("2", reasoning_content="one and one"), user("and 3?")]),
    "no thinking": dict(base, enable_thinking=False, messages=[user("1+1?"), assistant("<think>\nhm\n</think>\n\n2"), user("<|im_end|> and '3'?")]),
    "no generation prompt": dict(base, add_generation_prompt=False, documents=[{"title": "T", "text": "Some text", "content": "Some text", "doc_id": 1}],
        messages=[user("Grüße 😀 </s>"), assistant("A 'quoted' answer.")]),
}
json.dump(cases, open(here + "/cases.json", "w"), ensure_ascii=False, indent=1)
out = {}
for path in sorted(glob.glob(here + "/templates/*.jinja")):
    name = os.path.basename(path)
    try:
        template = env.from_string(open(path).read())
    except Exception as e:
        out[name] = {"compile": type(e).__name__ + ": " + str(e)[:200]}
        continue
    out[name] = {}
    for case, values in cases.items():
        try:
            out[name][case] = {"text": template.render(**json.loads(json.dumps(values)))}
        except Exception as e:
            out[name][case] = {"error": type(e).__name__ + ": " + str(e)[:200]}
with gzip.GzipFile(here + "/references.json.gz", "wb", 9, mtime=0) as f:
    f.write(json.dumps(out, ensure_ascii=False, indent=1).encode())

names = {"l": [3, 1.0, "it's", None, True], "d": {"b": 1, "a": [1, {"x": "y"}], "items": 2}, "s": " Grüße, 😀 ",
    "people": [{"name": "Bo", "age": 3}, {"name": "al", "age": 2}, {"name": "Cy"}]}
expressions = r"""
7 // 2|-7 // 2|7 // -2|-7 // -2|-7 % 3|7 % -3|-7.5 % 2|-7.5 // 2|7 / 2|6 / 2|2 ** 10|2 ** -1|2.0 ** 3|1 / 0|1 % 0
9223372036854775807 + 1|-9223372036854775808 - 1|123456789012345678901234567890 * 3|99999999999 * 99999999999|2 ** 100 // 7
1.0|1e3|1e16|1e15|0.1 + 0.2|1.5e-7|100.0 * 3|-0.0|1_000|0x1f|0b11|0o17|- 3|+ 3|-3 ** 2|not 1|not none
none|true|[none, true, 1.0, 'a']|['it\'s']|['say "hi"', 'it\'s "x"']|{'a': none, 1: 'x'}|(1,)|(1, 'a')|()|[]|{}|l|d|"a\nb\t\\"|["a\nb\t\\"]|['ü', '\x7f', '\u200b']
undefined_name|undefined_name.x|undefined_name is defined|undefined_name == undefined_name|d.zzz|d.zzz.y|d['zzz'] is undefined|undefined_name + 1|undefined_name ~ 'x'|1 + none|'a' + 1|'a' ~ 1 ~ none ~ 1.0
d['items']|d.b|d['b']|d.a[1].x|d.get('b')|d.get('q')|d.get('q', 5)|d.items() | list|d.keys() | list|d.values() | list|'b' in d|1 in l|'x' not in 'axb'|1.0 in [1]|true in [1]
s|s.strip()|s | trim|s | upper|s.strip().split(',')|s.strip()[0]|s.strip()[-1]|s.strip()[1:4]|s.strip()[::-1]|s | length|'a,b,,c'.split(',')|'a,b,,c'.split(',', 1)|'a b  c'.split()|'a b  c'.split(none, 1)|'a.b.c'.rsplit('.', 1)|'xxabxx'.strip('x')|'abc'.lstrip('ba')|'a-b'.replace('-', '+')|'aaa'.replace('a', 'b', 2)|'aaa' | replace('a', 'b', 1)|'abc'.replace('', '-')
'a'.startswith('a')|'a'.startswith(('b', 'a'))|'abc'.endswith('bc')|'hello world'.title()|'hello wORLD'.capitalize()|"it's here" | title|'Hello' | lower|'abc'.find('c')|'abc'.find('z')|'aXbX'.count('X')|','.join(['a', 'b'])|'-'.join([1])|'%s is %d' % ('x', 3)|'%05.1f|%-5s|%x' % (3.14159, 'ab', 255)|'%s' | format('a')|'{} {}'.format(1, 'b')|'{1} {0}'.format(1, 'b')|'{a:>5}'.format(a='x')|'{:.2f}'.format(3.14159)|'{:05d}'.format(42)|'{:,}'.format(1234567)|'{{}}'.format()|'abc'.isdigit()|'12'.isdigit()|'a1'.isalnum()|'a\nb'.splitlines()|'ab'.zfill(5)|'ab'.center(6) ~ '|'
l | length|l | first|l | last|[3, 1, 2] | sort|['b', 'A', 'c'] | sort|[3, 1, 2] | sort(reverse=true)|[1, 2, 3] | sum|[1, 2.5] | sum|[1, 1, 2] | unique | list|[1, 2, 3] | reverse | list|'abc' | reverse|[1, 2, 3, 4, 5] | batch(2) | list|[1, 2, 3, 4, 5] | slice(2) | list|[4, 2] | min|[4, 2] | max|['a', 'b'] | join(', ')|people | map(attribute='name') | list|people | map(attribute='age', default=0) | list|people | selectattr('age', 'defined') | list | length|people | selectattr('age') | map(attribute='name') | join('+')|people | rejectattr('name', 'equalto', 'Bo') | list|people | sort(attribute='name') | map(attribute='name') | list|people | groupby('name') | list | length|[1, 2, 3] | select('odd') | list|['a', ''] | select | list|[1, 2] | map('string') | list|{'b': 1, 'a': 2} | dictsort|{'b': 1, 'a': 2} | dictsort(by='value')|{'a': 1} | items | list|'abc' | list|5 | length|people | map(attribute='name') | length
'12' | int|'x' | int|'x' | int(7)|'4.7' | int|3.9 | int|'ff' | int(0, 16)|'1.5' | float|'x' | float|3.14159 | round(2)|2.5 | round|3 | round|-3 | abs|2.7 | round(method='floor')|true | int|none | int
x | default('y')|'' | default('y')|'' | default('y', true)|none | default('y')|none | d('y', true)
l | tojson|d | tojson|d | tojson(indent=2)|d | tojson(indent=4, sort_keys=true)|'<a & \'b\' "c" ü \u0001>' | tojson|1.0 | tojson|[] | tojson(indent=2)|{} | tojson|{1: 2, none: 3, true: 4} | tojson|d | tojson(separators=(',', ':'))|'ü' | tojson(ensure_ascii=true)|x | tojson|123456789012345678901 | tojson|1e100 | tojson
'a\nb\n\nc' | indent|'a\nb' | indent(2, true)|'a\nb' | indent('> ')|'a\n\nb' | indent(1, blank=true)|'one two three four' | truncate(9)|'one two' | wordcount|'<a>' | e|'<a>' | escape
1 < 2 < 3|3 > 2 > 2|1 == 1.0|'a' < 'b'|1 < 'a'|[1, 2] < [1, 3]|1 == true|none == false|'1' == 1|[1] == [1.0]|(1,) == [1]|{'a': 1} == {'a': 1.0}
1 if true else 2|1 if false|(1 if false) is undefined|1 if false else 2 if false else 3|1 or 2|0 or 'x'|'' and 1|1 and 2|not (1 and 0)|1 is odd|2 is even|4 is divisibleby 2|4 is divisibleby(3)|'a' is string|1 is number|true is number|true is integer|1.0 is float|d is mapping|l is sequence|d is sequence|'a' is sequence|d is iterable|1 is iterable|none is none|1 is not none|true is true|'A' is upper|1 is sameas 1|x is defined and x.y|1 in [1] and 2 not in [1]|1 is eq 1|3 is gt(2)|3 is in [1, 3]|1 is string or 2 is number|'x' is nosuch|1 | nosuch
range(3) | list|range(1, 7, 2) | list|range(3, 0, -1) | list|range(100001) | list|dict(a=1, b=2)|namespace(a=1).a|range(3)[1]|range(3) | length|range(0)|'a' * 3|[1] * 2|3 * 'ab'|'a' * -1|[1] + [2]|(1,) + (2,)|[1] + (2,)|1 +|(1|[1, 2|'a' 'b'|"a" ~ "b" * 2|1 + 2 ~ 3 + 4|l[0]|l[-1]|l[9]|l['x']|l[1:]|l[:-3]|l[::2]|[1,2,3][5:]|'abc'[1:100]|d['a'][1]['x']|d.a.1.x|[1,2,3][-2:]
raise_exception('no')|strftime_now('%Y-%m-%d %H:%M:%S %B %b %A %a %j %y %p %I %%')|strftime_now('%-d %e')|joiner(',')()|cycler('a', 'b').next()|nothing()|d()|'a'.nosuch()|'a'.__class__|d.__class__
"""
out = []
for line in expressions.strip().split("\n"):
    out += re.split(r"(?<! )\|(?! )", line)
sources = ["{{ " + e + " }}" for e in out] + r"""
{% for i in [1, 2, 3] %}{{ loop.index }}/{{ loop.length }}{{ loop.first }}{{ loop.last }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }} {% endfor %}
{% for i in [] %}x{% else %}empty{% endfor %}|{% for i in none %}{% endfor %}|{% for i in missing %}x{% else %}e{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for i in range(9) if i is odd %}{{ i }}{% if i > 5 %}{% break %}{% endif %}{% endfor %}
{% for i in range(5) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}|{% set a, b = [1] %}
{% macro m(a, b=2, c=a) %}[{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m() }}{{ m(1, 2, 3, 4, z=5) }}
{% macro m() %}({{ caller('x') }}){% endmacro %}{% call(y) m() %}y={{ y }}{% endcall %}
{% set t %}  a {{ 1 }} {% endset %}[{{ t }}]{% set t | trim %} b {% endset %}[{{ t }}]
{% filter upper %}abc{{ 'd' }}{% endfilter %}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}
{%- raw %} {{ x }} {% endraw -%}  y
a  {%- if true -%}  b  {%- endif -%}  c
{# comment #}x{#- c -#} y
{% for i in [1, [2, [3]]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{% endif %}{% endfor %}
{% if x %}{% elif 1 %}b{% else %}c{% endif %}{% generation %}g{% endgeneration %}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% for i in [1,2] %}{% for j in [1,2] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}{{ loop }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% set d2 = {'a': 1} %}{% set d2.a = 2 %}
{% do x %}
{% if %}
{% for %}
{% endif %}
{{ 1 }
{% if 1 %}
{{ 'a }}
{{ 1 2 }}
{% include 'x' %}
{{ $ }}
{% set x = 'a' if false else 'b' %}{{ x }}{% set y = 1, %}{{ y }}{{ (1, 2)[0] }}{{ [1, 2,] }}
""".strip("\n").split("\n") + ["  {% if true %}\n  a\n  {% endif %}\n  {{ 1 }}\n {# c #}\nb\n", "{% if true +%}\na{% endif %}\n", "a\n  {%+ if true %}b{% endif %}", "a\r\nb\n\n", "x {{- ' y ' -}} z", "{{ {'a': {'b': 1}}['a']['b'] }}", "{% if true -%}\n\n a\n{%- endif %}\n\nb", "\t{% set x = 1 %}\n{{ x }}"]
done = []
for source in sources:
    entry = {"source": source}
    try:
        entry["text"] = env.from_string(source).render(**json.loads(json.dumps(names)))
    except Exception as e:
        entry["error"] = type(e).__name__ + ": " + str(e)[:100]
    done.append(entry)
json.dump(done, open(here + "/expressions.json", "w"), ensure_ascii=False, indent=0)
