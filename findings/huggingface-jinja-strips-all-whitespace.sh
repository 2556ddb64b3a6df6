#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 (npm; used by transformers.js and node-llama-cpp for chat templates)
# compared with Jinja2 3.1.2 in Python. Jinja2's output is written beside each line below.
# Guess: if it renders without an error, its output is Jinja2's.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm install --silent --no-save --prefix . @huggingface/jinja@0.5.11 >/dev/null
cat > seen.mjs <<'JS'
import { Template } from '@huggingface/jinja';
const cases = [ // template, Jinja2's output, output seen
  ["{{ '\\n    return x'.lstrip('\\n') }}", '    return x', 'return x'],
  ["{{ 'end  \\n'.rstrip('\\n') }}|", 'end  |', 'end|'],
  ["{{ '##Title##'.strip('#') }}", 'Title', '##Title##'],
  ["{{ [1.5, 1e20]|tojson }}", '[1.5, 1e+20]', '[1.5, 1, null]'],
  ["{{ 7 % -3 }}", '-2', '1'],
  ["{{ missing == none }}", 'False', 'true'],
  ["{{ ['a', none] }}", "['a', None]", '["a", null]'],
];
let same = true;
for (const [template, jinja2, seen] of cases) {
  const got = new Template(template).render({});
  console.log(`${template}  Jinja2: ${JSON.stringify(jinja2)}  here: ${JSON.stringify(got)}`);
  same &&= got === seen;
}
process.exit(same ? 0 : 1);
JS
taskset -c 1 node seen.mjs || { echo "no longer so"; exit 1; }
echo "Still so: strip, lstrip and rstrip ignore which characters to strip: lstrip of a line feed, which"
echo "templates of reasoning models do to answers, takes the indentation too. Numbers with an exponent,"
echo "the sign of a remainder, undefined against none, and printed lists differ as well, without an error."
