#!/usr/bin/env bash
# github.com/ardanlabs/jinja v1.8.0 (Go, for chat templates) compared with Jinja2 3.1.2 in Python.
# Jinja2's output is written beside each line below.
# Guess: filters, arguments and operators that it does not support are errors, as unknown filter
# names are.
set -euo pipefail
work=$(mktemp -d); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/ardanlabs/jinja"
)

func main() {
	same := true
	for _, c := range [][3]string{ // template, Jinja2's output, output seen
		{`{{ '%s has %d' % ('a', 3) }}`, `a has 3`, `0`},
		{`{{ [1, 2] * 2 }}`, `[1, 2, 1, 2]`, `0`},
		{`{{ 'abc'|first }}`, `a`, ``},
		{`{{ [{'a': 2}, {'a': 1}]|sort(attribute='a') }}`, `[{'a': 1}, {'a': 2}]`, `[{'a': 2}, {'a': 1}]`},
		{`{{ ['xy', 'z']|map('length')|list }}`, `[2, 1]`, `['xy', 'z']`},
		{`{{ 'Hello'.startswith(('x', 'He')) }}`, `True`, `False`},
		{`{{ -3|abs }}`, `3`, `-3`},
		{`{{ {'b': 1, 'a': 2}|tojson }}`, `{"b": 1, "a": 2}`, `{"b": 1, "a": 2}`},
		{`{{ {'b': 1, 'a': 2}|tojson(indent=1) }}`, "{\n \"b\": 1,\n \"a\": 2\n}", "{\n \"a\": 2,\n \"b\": 1\n}"},
	} {
		got := "an error"
		if t, err := jinja.Compile(c[0]); err == nil {
			if s, err := t.Render(map[string]any{}); err == nil {
				got = s
			}
		}
		fmt.Printf("%s  Jinja2: %q  here: %q\n", c[0], c[1], got)
		same = same && got == c[2]
	}
	if !same {
		os.Exit(1)
	}
}
GO
printf 'module seen\n\ngo 1.26\n\nrequire github.com/ardanlabs/jinja v1.8.0\n' > go.mod
export GOFLAGS=-mod=mod
taskset -c 1 go run . || { echo "no longer so"; exit 1; }
echo "Still so: formatting with % and repeating a list give 0, first of a string gives nothing, sort and map"
echo "ignore what to sort by and to apply, a tuple of prefixes never matches; no error in any of these."
echo "JSON keeps the order of keys, unless it is indented: then they are sorted."
