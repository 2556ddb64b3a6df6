#!/usr/bin/env bash
# github.com/nikolalohinski/gonja/v2 v2.9.1 (Go) compared with Jinja2 3.1.2 in Python. Jinja2's output
# is written beside each line below.
# Guess: loops over mappings, and methods of strings and mappings, work or are errors.
set -euo pipefail
work=$(mktemp -d); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
)

func main() {
	same := true
	for _, c := range [][3]string{ // template, Jinja2's output, output seen
		{`{% for k, v in {'b': 1, 'a': 2}|items %}{{ k }}{% endfor %}`, `ba`, ``},
		{`{% for k, v in {'b': 1, 'a': 2}|dictsort %}{{ k }}{% endfor %}`, `ab`, ``},
		{`{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{% endfor %}`, `ba`, `ab`},
		{`{% set d = {'x': 1} %}{% set _ = d.update({'y': 2}) %}{{ d|length }}`, `2`, `1`},
		{`{{ 'a-b-c'.count('-') }}`, `2`, `1`},
		{`{{ missing is none }}`, `False`, `True`},
		{`{{ none|default('d') }}`, `None`, `d`},
		{`{{ 'naïve'[2] }}`, `ï`, `Ã`},
	} {
		got := "an error"
		if t, err := gonja.FromString(c[0]); err == nil {
			if s, err := t.ExecuteToString(exec.NewContext(nil)); err == nil {
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
printf 'module seen\n\ngo 1.26\n\nrequire github.com/nikolalohinski/gonja/v2 v2.9.1\n' > go.mod
export GOFLAGS=-mod=mod
taskset -c 1 go run . 2>go.log || { cat go.log; echo "no longer so"; exit 1; }
echo "Still so: loops over |items and |dictsort have no turns, items() is sorted, update changes nothing,"
echo "count is 1 at most here, undefined is none, and an index into a string gives a byte as a character. No error in any."
