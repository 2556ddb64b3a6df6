package llama

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of grammars. What is repeated is copied, and the parser recurses: within these a
// grammar takes neither gigabytes nor the stack.
const (
	maxGrammar         = 1 << 20 // bytes
	maxGrammarDepth    = 200     // parentheses in parentheses
	maxGrammarRepeat   = 2000    // times, the engine's own limit
	maxGrammarRules    = 1 << 16 // one for every group and every optional repetition
	maxGrammarElements = 1 << 20 // characters, sets and references of all rules
)

// CheckGrammar refuses, with [ErrArgument] and the reason, what [Sampler.AddGrammar] would
// refuse whatever the vocabulary: text that is no GBNF grammar, rules that are missing,
// recursion that grows without taking a character, and grammars beyond these limits: 1 MiB,
// 200 parentheses deep, 2000 repetitions, 65536 rules and 1048576 elements once
// repetitions are written out, and 32768 ways to begin a rule.
func CheckGrammar(text, root string) error {
	g, err := parseGrammar(text)
	if err != nil {
		return err
	}
	return g.check(root)
}

// element is a piece of a rule: the end of an alternative, what takes a character or token,
// or another rule.
type element struct {
	kind  elementKind
	value uint32 // a character, a token, the number of a rule or name
}

type elementKind uint32

// Kinds of elements, those of infer_grammar_kind and two for tokens whose numbers are not
// known yet.
const (
	elementEnd      elementKind = iota // of an alternative
	elementRule                        // by its number
	elementChar                        // or the first of a set
	elementNot                         // the first of a set of those that it is not
	elementUpper                       // makes the one before a range
	elementOr                          // one more of a set
	elementAny                         // character
	elementToken                       // by its number
	elementTokenNot                    // any other
	elementName                        // a token by its name
	elementNameNot
)

// grammar is a GBNF grammar: the rules that the engine's parser would make of it.
type grammar struct {
	ids      map[string]int
	rules    [][]element // nil: referred to, not defined
	owners   []int       // of each rule: the one with a name that it is a part of
	elements int
	tokens   []Token  // <[123]>
	names    []string // <name>
}

// grammarParser follows the engine's function by function, so that both accept the same.
type grammarParser struct {
	grammar
	text  string
	pos   int
	owner int // the rule that is being defined
}

func parseGrammar(text string) (*grammar, error) {
	if len(text) > maxGrammar {
		return nil, argument("grammar of %d bytes, at most %d are possible", len(text), maxGrammar)
	}
	if i := strings.IndexByte(text, 0); i >= 0 || !utf8.ValidString(text) {
		return nil, argument("grammar: not text in UTF-8")
	}
	p := grammarParser{grammar: grammar{ids: map[string]int{}}, text: text}
	p.space(true)
	for p.pos < len(text) {
		if err := p.rule(); err != nil {
			return nil, err
		}
	}
	return &p.grammar, nil
}

func (p *grammarParser) fail(format string, args ...any) error {
	line := 1 + strings.Count(p.text[:min(p.pos, len(p.text))], "\n")
	return argument("grammar, line %d: "+format, append([]any{line}, args...)...)
}

// at returns the byte i behind the position, 0 behind the end.
func (p *grammarParser) at(i int) byte {
	if p.pos+i < len(p.text) {
		return p.text[p.pos+i]
	}
	return 0
}

func (p *grammarParser) space(newlines bool) {
	for {
		switch c := p.at(0); {
		case c == '#':
			for p.at(0) != 0 && p.at(0) != '\r' && p.at(0) != '\n' {
				p.pos++
			}
		case c == ' ' || c == '\t' || newlines && (c == '\r' || c == '\n'):
			p.pos++
		default:
			return
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || isDigit(c)
}

// while returns the bytes from the position on that are in a class.
func (p *grammarParser) while(in func(byte) bool) string {
	from := p.pos
	for p.pos < len(p.text) && in(p.text[p.pos]) {
		p.pos++
	}
	return p.text[from:p.pos]
}

func (p *grammarParser) rule() error {
	name := p.while(isWord)
	if name == "" {
		return p.fail("expecting the name of a rule")
	}
	id := p.id(name)
	p.owner = id
	p.space(false)
	if !strings.HasPrefix(p.text[p.pos:], "::=") {
		return p.fail("expecting ::= behind %s", name)
	}
	p.pos += 3
	p.space(true)
	if err := p.alternatives(id, 0); err != nil {
		return err
	}
	switch c := p.at(0); {
	case c == '\r' && p.at(1) == '\n':
		p.pos += 2
	case c == '\r' || c == '\n':
		p.pos++
	case c != 0:
		return p.fail("expecting the end of rule %s at %q", name, c)
	}
	p.space(true)
	return nil
}

func (p *grammarParser) id(name string) int {
	id, ok := p.ids[name]
	if !ok {
		id = p.newRule()
		p.ids[name], p.owners[id] = id, id
	}
	return id
}

func (p *grammarParser) newRule() int {
	p.rules, p.owners = append(p.rules, nil), append(p.owners, p.owner)
	return len(p.rules) - 1
}

// alternatives parses what a rule is defined as, or what is in parentheses.
func (p *grammarParser) alternatives(id, depth int) error {
	if depth > maxGrammarDepth {
		return p.fail("more than %d parentheses in each other", maxGrammarDepth)
	}
	rule := []element{}
	for {
		var err error
		if rule, err = p.sequence(rule, depth); err != nil {
			return err
		}
		rule = append(rule, element{kind: elementEnd})
		if p.at(0) != '|' {
			break
		}
		p.pos++
		p.space(true)
	}
	p.rules[id] = rule
	return p.count(len(rule))
}

// count adds elements to those of the whole grammar.
func (p *grammarParser) count(n int) error {
	p.elements += n
	if p.elements > maxGrammarElements {
		return p.fail("more than %d elements once repetitions are written out", maxGrammarElements)
	}
	if len(p.rules) > maxGrammarRules {
		return p.fail("more than %d rules once repetitions are written out", maxGrammarRules)
	}
	return nil
}

func (p *grammarParser) sequence(rule []element, depth int) ([]element, error) {
	last := len(rule) // where the symbol begins that a repetition repeats
	for {
		var err error
		switch c := p.at(0); {
		case c == '"':
			last = len(rule)
			rule, err = p.literal(rule)
		case c == '[':
			last = len(rule)
			rule, err = p.set(rule)
		case c == '<' || c == '!':
			last = len(rule)
			var e element
			e, err = p.token()
			rule = append(rule, e)
		case isWord(c):
			last = len(rule)
			rule = append(rule, ruleElement(p.id(p.while(isWord))))
		case c == '(':
			p.pos++
			p.space(true)
			id := p.newRule()
			if err := p.alternatives(id, depth+1); err != nil {
				return nil, err
			}
			last = len(rule)
			rule = append(rule, ruleElement(id))
			if p.at(0) != ')' {
				return nil, p.fail("expecting )")
			}
			p.pos++
		case c == '.':
			p.pos++
			last = len(rule)
			rule = append(rule, element{kind: elementAny})
		case c == '*', c == '+', c == '?', c == '{':
			rule, err = p.repetition(rule, last, depth > 0)
		default:
			return rule, nil
		}
		if err != nil {
			return nil, err
		}
		if len(rule) > maxGrammarElements {
			return nil, p.count(len(rule))
		}
		p.space(depth > 0)
	}
}

func (p *grammarParser) literal(rule []element) ([]element, error) {
	p.pos++
	for p.at(0) != '"' {
		c, err := p.char()
		if err != nil {
			return nil, err
		}
		rule = append(rule, element{elementChar, c})
	}
	p.pos++
	return rule, nil
}

// set parses a set of characters: as many elements as the engine makes of it, of which
// the first takes the character.
func (p *grammarParser) set(rule []element) ([]element, error) {
	p.pos++
	kind := elementChar
	if p.at(0) == '^' {
		p.pos++
		kind = elementNot
	}
	for p.at(0) != ']' {
		c, err := p.char()
		if err != nil {
			return nil, err
		}
		rule = append(rule, element{kind, c})
		kind = elementOr
		if p.at(0) == '-' && p.at(1) != ']' {
			p.pos++
			if c, err = p.char(); err != nil {
				return nil, err
			}
			rule = append(rule, element{elementUpper, c})
		}
	}
	p.pos++
	return rule, nil
}

func (p *grammarParser) char() (uint32, error) {
	if p.pos >= len(p.text) {
		return 0, p.fail("unexpected end")
	}
	if p.at(0) != '\\' {
		c, n := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += n
		return uint32(c), nil
	}
	digits, c := 0, uint32(p.at(1))
	switch p.at(1) {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'n':
		c = '\n'
	case '\\', '"', '[', ']':
	default:
		return 0, p.fail("unknown escape \\%s", strings.ToValidUTF8(p.text[p.pos+1:min(p.pos+2, len(p.text))], "?"))
	}
	p.pos += 2
	if digits == 0 {
		return c, nil
	}
	v, err := strconv.ParseUint(p.text[p.pos:min(p.pos+digits, len(p.text))], 16, 32)
	if err != nil || p.pos+digits > len(p.text) {
		return 0, p.fail("expecting %d hexadecimal digits", digits)
	}
	p.pos += digits
	return uint32(v), nil
}

// token parses <name> or <[number]>, with ! before for any other token.
func (p *grammarParser) token() (element, error) {
	number, name := elementToken, elementName
	if p.at(0) == '!' {
		p.pos++
		number, name = elementTokenNot, elementNameNot
	}
	if p.at(0) != '<' {
		return element{}, p.fail("expecting <")
	}
	if p.at(1) == '[' {
		p.pos += 2
		digits := p.while(isDigit)
		id, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || !strings.HasPrefix(p.text[p.pos:], "]>") {
			return element{}, p.fail("expecting the number of a token as in <[1]>")
		}
		p.pos += 2
		p.tokens = append(p.tokens, Token(id))
		return element{number, uint32(id)}, nil
	}
	n := strings.IndexByte(p.text[p.pos:], '>')
	if n < 0 {
		return element{}, p.fail("expecting > behind the name of a token")
	}
	p.names = append(p.names, p.text[p.pos:p.pos+n+1])
	p.pos += n + 1
	return element{name, uint32(len(p.names) - 1)}, nil
}

func ruleElement(id int) element { return element{elementRule, uint32(id)} }

// repetition parses *, +, ? or {min,max} and writes it out as the engine does:
// S{2,4} is S S S2, S2 ::= S S1 |, S1 ::= S |; S{2,} is S S S', S' ::= S S' |.
func (p *grammarParser) repetition(rule []element, last int, nested bool) ([]element, error) {
	if last == len(rule) {
		return nil, p.fail("nothing to repeat before %c", p.at(0))
	}
	least, most := 0, -1
	switch p.at(0) {
	case '*':
		p.pos++
	case '+':
		p.pos++
		least = 1
	case '?':
		p.pos++
		most = 1
	default:
		var err error
		if least, most, err = p.bounds(nested); err != nil {
			return nil, err
		}
	}
	symbol := rule[last:]
	if n := len(symbol) * max(least, 1); len(rule)+n > maxGrammarElements {
		return nil, p.count(len(rule) + n)
	}
	if least == 0 {
		rule = rule[:last]
	}
	for range least - 1 {
		rule = append(rule, symbol...)
	}
	optional := 1
	if most >= 0 {
		optional = most - least
	}
	previous := -1
	for range optional {
		id := p.newRule()
		r := append(make([]element, 0, len(symbol)+3), symbol...)
		if most < 0 {
			r = append(r, ruleElement(id))
		} else if previous >= 0 {
			r = append(r, ruleElement(previous))
		}
		p.rules[id] = append(r, element{kind: elementEnd}, element{kind: elementEnd})
		if err := p.count(len(symbol) + 3); err != nil {
			return nil, err
		}
		previous = id
	}
	if optional > 0 {
		rule = append(rule, ruleElement(previous)) // over the symbol, which has been copied
	}
	return rule, nil
}

// bounds parses {n}, {min,} or {min,max}; most is -1 without one.
func (p *grammarParser) bounds(nested bool) (least, most int, err error) {
	p.pos++
	p.space(nested)
	number := func() (int, error) {
		digits := p.while(isDigit)
		n, err := strconv.Atoi(digits)
		if digits == "" {
			return 0, p.fail("expecting a number of repetitions")
		}
		if err != nil || n > maxGrammarRepeat {
			return 0, p.fail("%s repetitions, at most %d are possible", digits, maxGrammarRepeat)
		}
		p.space(nested)
		return n, nil
	}
	if least, err = number(); err != nil {
		return 0, 0, err
	}
	most = least
	if p.at(0) == ',' {
		p.pos++
		p.space(nested)
		most = -1
		if isDigit(p.at(0)) {
			if most, err = number(); err != nil {
				return 0, 0, err
			}
			if most < least {
				return 0, 0, p.fail("at least %d and at most %d repetitions", least, most)
			}
		}
	}
	if p.at(0) != '}' {
		return 0, 0, p.fail("expecting }")
	}
	p.pos++
	return least, most, nil
}
