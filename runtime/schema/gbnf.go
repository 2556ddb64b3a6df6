package schema

import (
	"fmt"
	"strings"
)

// Bounds on grammars.
const (
	maxRules    = 20_000
	maxElements = 400_000 // symbols after repetitions are expanded
	block       = 256     // repetitions that are counted at once
)

// symbol is a part of an alternative.
type symbol struct {
	text     string // GBNF of characters
	rule     string // a reference, if text is ""
	repeat   bool
	min, max int // of repetitions of the rule; max -1 is no bound
}

func lit(s string) symbol    { return symbol{text: quoteGBNF(s)} }
func raw(s string) symbol    { return symbol{text: s} }
func ref(rule string) symbol { return symbol{rule: rule} }

type rule struct {
	name string
	alts [][]symbol
}

// grammar is a grammar that is being built.
type grammar struct {
	options  Options
	rules    map[string]*rule
	order    []*rule
	names    map[string]int
	automata map[string]string // names of rules
	classes  map[string]string // names of rules, by sets of characters
	elements int
}

func newGrammar(o Options) grammar {
	return grammar{options: o, rules: map[string]*rule{}, names: map[string]int{}, automata: map[string]string{}, classes: map[string]string{}}
}

// unique returns a name that no rule has yet.
func (g *grammar) unique(hint string) string {
	hint = ruleName(hint)
	g.names[hint]++
	if n := g.names[hint]; n > 1 {
		return g.unique(fmt.Sprintf("%s-%d", hint, n))
	}
	return hint
}

// ruleName returns a text with nothing that names of rules can't have.
func ruleName(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, s), "-")
	if len(s) > 60 {
		s = s[len(s)-60:]
	}
	if s = strings.Trim(s, "-"); s == "" {
		return "x"
	}
	return s
}

// define adds a rule without alternatives.
func (g *grammar) define(name string) *rule {
	r := &rule{name: name}
	g.rules[name] = r
	g.order = append(g.order, r)
	return r
}

// add adds an alternative to a rule.
func (g *grammar) add(r *rule, symbols ...symbol) {
	r.alts = append(r.alts, symbols)
	g.elements += 1 + len(symbols)
	for _, s := range symbols {
		if s.repeat {
			g.elements += 3 * max(s.min, s.max)
		}
	}
}

// tooLarge reports whether the grammar exceeds its bounds.
func (g *grammar) tooLarge() bool { return len(g.order) > maxRules || g.elements > maxElements }

// shared returns a rule that is the same for all schemas, which fill defines at its first use.
func (g *grammar) shared(name string, fill func(r *rule)) string {
	if g.rules[name] == nil {
		g.names[name]++
		fill(g.define(name))
	}
	return name
}

// charRule is one character of a string, as it is or escaped.
func (g *grammar) charRule() string {
	return g.shared("char", func(r *rule) {
		g.add(r, raw(`[\x20-\x21\x23-\x5B\x5D-\uD7FF\uE000-\U0010FFFF]`))
		g.add(r, raw(`"\\" [\x22\x5C\x2Fbfnrt]`))
		g.add(r, raw(`"\\u" [0-9a-cA-CefEF] [0-9a-fA-F]{3}`))
		g.add(r, raw(`"\\u" [dD] [0-7] [0-9a-fA-F]{2}`))
		g.add(r, raw(`"\\u" [dD] [89abAB] [0-9a-fA-F]{2} "\\u" [dD] [c-fC-F] [0-9a-fA-F]{2}`))
	})
}

func (g *grammar) stringRule() string {
	return g.shared("string", func(r *rule) {
		g.add(r, append(append([]symbol{lit(`"`)}, g.repeat(g.charRule(), 0, -1)...), lit(`"`))...)
	})
}

// space is the white space between tokens.
func (g *grammar) space() []symbol {
	if g.options.Compact {
		return nil
	}
	return []symbol{ref(g.shared("ws", func(r *rule) {
		g.add(r)
		g.add(r, raw(`" "`))
		g.add(r, raw(`"\n"{1,2} [ \t]{0,20}`))
	}))}
}

// repeat returns repetitions of a rule. Many are counted in blocks, in a way that leaves few parses.
func (g *grammar) repeat(name string, min, max int) []symbol {
	if max == 0 {
		return nil
	}
	if max < 0 {
		return append(g.exactly(name, min), symbol{rule: name, repeat: true, min: 0, max: -1})
	}
	return append(g.exactly(name, min), g.atMost(name, max-min)...)
}

func (g *grammar) exactly(name string, n int) (out []symbol) {
	if n >= 2*block {
		out = append(out, symbol{rule: g.blockRule(name), repeat: true, min: n / block, max: n / block})
		n %= block
	}
	if n > 0 {
		out = append(out, symbol{rule: name, repeat: true, min: n, max: n})
	}
	return out
}

func (g *grammar) blockRule(name string) string {
	return g.shared(name+"-256", func(r *rule) { g.add(r, symbol{rule: name, repeat: true, min: block, max: block}) })
}

func (g *grammar) atMost(name string, n int) []symbol {
	if n <= 0 {
		return nil
	}
	if n < 2*block {
		return []symbol{{rule: name, repeat: true, min: 0, max: n}}
	}
	blocks, rest := n/block, n%block
	return []symbol{ref(g.shared(fmt.Sprintf("%s-to-%d", name, n), func(r *rule) {
		b := g.blockRule(name)
		g.add(r, symbol{rule: b, repeat: true, min: 0, max: blocks - 1}, symbol{rule: name, repeat: true, min: 0, max: block - 1})
		last := []symbol{{rule: b, repeat: true, min: blocks, max: blocks}}
		if rest > 0 {
			last = append(last, symbol{rule: name, repeat: true, min: 0, max: rest})
		}
		g.add(r, last...)
	}))}
}

// prune removes alternatives that match no text, and rules that the root does not reach. It reports
// whether the root matches something.
func (g *grammar) prune(root string) bool {
	good := map[string]bool{}
	fine := func(s symbol) bool { return s.text != "" || s.repeat && s.min == 0 || good[s.rule] }
	for changed := true; changed; {
		changed = false
		for i := len(g.order) - 1; i >= 0; i-- { // rules are mostly defined before those that they need
			r := g.order[i]
			if good[r.name] {
				continue
			}
			for _, alt := range r.alts {
				if all(alt, fine) {
					good[r.name], changed = true, true
					break
				}
			}
		}
	}
	if !good[root] {
		return false
	}
	for _, r := range g.order {
		var alts [][]symbol
		for _, alt := range r.alts {
			if !all(alt, fine) {
				continue
			}
			var kept []symbol
			for _, s := range alt {
				if s.text != "" || good[s.rule] {
					kept = append(kept, s)
				}
			}
			alts = append(alts, kept)
		}
		r.alts = alts
	}
	return true
}

// actual returns the rule that stands behind one that is only another name.
func (g *grammar) actual(name string) string {
	for range maxRules {
		r := g.rules[name]
		if len(r.alts) != 1 || len(r.alts[0]) != 1 || r.alts[0][0].text != "" || r.alts[0][0].repeat {
			break
		}
		name = r.alts[0][0].rule
	}
	return name
}

func all(symbols []symbol, f func(symbol) bool) bool {
	for _, s := range symbols {
		if !f(s) {
			return false
		}
	}
	return true
}

// write writes the grammar, with the rules that the root reaches.
func (g *grammar) write(root string) string {
	var b strings.Builder
	seen := map[string]bool{root: true}
	queue := []string{root}
	for len(queue) > 0 {
		r := g.rules[queue[0]]
		queue = queue[1:]
		b.WriteString(r.name + " ::= ")
		seenAlts := map[string]bool{}
		for _, alt := range r.alts {
			for i, s := range alt {
				if s.text == "" {
					alt[i].rule = g.actual(s.rule)
				}
			}
			text := writeAlt(alt)
			if seenAlts[text] {
				continue
			}
			if len(seenAlts) > 0 {
				b.WriteString(" | ")
			}
			seenAlts[text] = true
			b.WriteString(text)
			for _, s := range alt {
				if s.text == "" && !seen[s.rule] {
					seen[s.rule] = true
					queue = append(queue, s.rule)
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func writeAlt(alt []symbol) string {
	if len(alt) == 0 {
		return `""`
	}
	var parts []string
	for _, s := range alt {
		switch {
		case s.text != "":
			parts = append(parts, s.text)
		case !s.repeat:
			parts = append(parts, s.rule)
		case s.min == 0 && s.max < 0:
			parts = append(parts, s.rule+"*")
		case s.min == 0 && s.max == 1:
			parts = append(parts, s.rule+"?")
		case s.min == 1 && s.max == 1:
			parts = append(parts, s.rule)
		case s.max < 0:
			parts = append(parts, fmt.Sprintf("%s{%d,}", s.rule, s.min))
		case s.min == s.max:
			parts = append(parts, fmt.Sprintf("%s{%d}", s.rule, s.min))
		default:
			parts = append(parts, fmt.Sprintf("%s{%d,%d}", s.rule, s.min, s.max))
		}
	}
	return strings.Join(parts, " ")
}
