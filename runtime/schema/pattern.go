package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPattern bounds the length of a regular expression, in bytes.
const maxPattern = 4096

// White space in ECMA-262, and the part of it that every implementation knows. Texts of a grammar
// match in all of them.
const (
	narrowSpace    = `\t\n\f\r `
	wideSpace      = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	notWideSpace   = `\x{0}-\x{8}\x{e}-\x{1f}!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
	notNarrowSpace = `\x{0}-\x{8}\x{b}\x{e}-\x{1f}!-\x{10ffff}`
	anyButNewlines = `[^\n\r\x{2028}\x{2029}]`
)

// compilePattern returns the automaton of a regular expression, which is found anywhere in a text.
func compilePattern(pattern string, e *effort) (*automaton, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("%d bytes are too long (at most %d)", len(pattern), maxPattern)
	}
	in, err := translate(pattern)
	if err != nil {
		return nil, err
	}
	re, err := syntax.Parse(in, syntax.Perl)
	if err != nil {
		var of *syntax.Error
		if errors.As(err, &of) {
			return nil, fmt.Errorf("%s in the regular expression", of.Code)
		}
		return nil, err
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	return determine(prog, e)
}

// pattern is compilePattern, once for each pattern of a schema.
func (c *converter) pattern(pattern string) (*automaton, error) {
	if known := c.patterns[pattern]; known != nil {
		return known, nil
	}
	a, err := compilePattern(pattern, &c.effort)
	if err == nil {
		c.patterns[pattern] = a
	}
	return a, err
}

// translate turns a regular expression of ECMA-262 into one of Go with the same meaning.
func translate(p string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(p); {
		switch c := p[i]; {
		case c == '\\':
			text, n, err := translateEscape(p[i:], false, false)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			i += n
		case c == '[':
			text, n, err := translateClass(p[i:])
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			i += n
		case c == '.':
			b.WriteString(anyButNewlines)
			i++
		case strings.HasPrefix(p[i:], "(?") && !strings.HasPrefix(p[i:], "(?:") && (!strings.HasPrefix(p[i:], "(?<") || strings.HasPrefix(p[i:], "(?<=") || strings.HasPrefix(p[i:], "(?<!")):
			return "", fmt.Errorf("%q: groups that look ahead or back, or set flags, are not supported", p[i:min(i+4, len(p))])
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}

// translateClass translates a set in brackets, with which p begins.
func translateClass(p string) (text string, size int, err error) {
	negated := strings.HasPrefix(p, "[^")
	i := 1
	if negated {
		i = 2
	}
	if strings.HasPrefix(p[i:], "]") { // nothing, or anything, in ECMA-262 alone
		return "", 0, errors.New("an empty set in brackets is not supported")
	}
	var b strings.Builder
	b.WriteString(p[:i])
	for i < len(p) {
		switch c := p[i]; c {
		case ']':
			b.WriteByte(c)
			return b.String(), i + 1, nil
		case '\\':
			text, n, err := translateEscape(p[i:], true, negated)
			if err != nil {
				return "", 0, err
			}
			b.WriteString(text)
			i += n
		case '[': // Go takes it for the beginning of [:alpha:]
			b.WriteString(`\[`)
			i++
		default:
			b.WriteByte(c)
			i++
		}
	}
	return "", 0, errors.New("missing ] in the regular expression")
}

// translateEscape translates a backslash and what belongs to it, with which p begins.
func translateEscape(p string, class, negated bool) (text string, size int, err error) {
	if len(p) < 2 {
		return "", 0, errors.New(`the regular expression ends with \`)
	}
	bracket := func(inner string) string {
		if class {
			return inner
		}
		return "[" + inner + "]"
	}
	switch c := p[1]; c {
	case 'd', 'D', 'w', 'W', 't', 'n', 'r', 'f', 'v':
		return p[:2], 2, nil
	case 's':
		if negated {
			return bracket(wideSpace), 2, nil
		}
		return bracket(narrowSpace), 2, nil
	case 'S':
		if negated {
			return bracket(notNarrowSpace), 2, nil
		}
		return bracket(notWideSpace), 2, nil
	case 'x', 'u':
		return translateCode(p)
	case '0':
		if len(p) < 3 || p[2] < '0' || p[2] > '9' {
			return `\x{0}`, 2, nil
		}
	case 'p', 'P':
		if n := strings.IndexByte(p, '}'); strings.HasPrefix(p[2:], "{") && n > 0 {
			name := strings.TrimPrefix(strings.TrimPrefix(p[3:n], "Script="), "sc=")
			return p[:2] + "{" + name + "}", n + 1, nil
		}
	default:
		if c < utf8.RuneSelf && !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') && c > ' ' {
			return p[:2], 2, nil
		}
	}
	_, n := utf8.DecodeRuneInString(p[1:])
	return "", 0, fmt.Errorf("%q is not supported in regular expressions", p[:1+n])
}

// translateCode translates \xHH, \uHHHH and \u{H…}.
func translateCode(p string) (text string, size int, err error) {
	digits, n := "", 0
	if p[1] == 'x' && len(p) >= 4 {
		digits, n = p[2:4], 4
	} else if end := strings.IndexByte(p, '}'); strings.HasPrefix(p, `\u{`) && end > 0 {
		digits, n = p[3:end], end+1
	} else if p[1] == 'u' && len(p) >= 6 {
		digits, n = p[2:6], 6
	}
	if digits == "" || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return "", 0, fmt.Errorf("%q is not followed by the digits of a character", p[:2])
	}
	if d := strings.ToLower(strings.TrimLeft(digits, "0")); len(d) == 4 && d >= "d800" && d <= "dfff" {
		return "", 0, fmt.Errorf("%q is half of a character: write the character", p[:n])
	}
	return `\x{` + digits + `}`, n, nil
}

// subset is a set of instructions of a regular expression: a state of the automaton.
type subset struct {
	pcs     []uint32 // instructions that match a character, or the end of the text; sorted
	begins  bool     // it is the beginning of the text
	matched bool     // the expression was found
}

// determine makes an automaton of a compiled regular expression.
func determine(prog *syntax.Prog, e *effort) (*automaton, error) {
	a := &automaton{effort: e}
	numbers := map[string]int{}
	var sets []subset
	work, moves := 0, 0
	number := func(s subset) int {
		key := fmt.Sprint(s)
		n, ok := numbers[key]
		if !ok {
			n = len(sets)
			numbers[key] = n
			sets = append(sets, s)
		}
		return n
	}
	start, err := closure(prog, []uint32{uint32(prog.Start)}, true, false)
	if err != nil {
		return nil, err
	}
	number(start)
	for i := 0; i < len(sets); i++ {
		s := sets[i]
		if work += 1 + len(s.pcs); i >= maxStates || work > 100*maxStates || moves > maxMoves {
			return nil, errStates
		}
		end, err := closure(prog, s.pcs, s.begins, true)
		if err != nil {
			return nil, err
		}
		st := state{accept: s.matched || end.matched}
		known := map[string]int{} // states, by the instructions that match
		ranges := partition(prog, s)
		if err := e.spend(len(ranges) * (4 + len(s.pcs))); err != nil {
			return nil, err
		}
		for _, r := range ranges {
			key, matching := s.matching(prog, r.from)
			to, ok := known[key]
			if !ok {
				after, err := s.after(prog, matching)
				if err != nil {
					return nil, err
				}
				to = number(after)
				known[key] = to
			}
			if n := len(st.moves); n > 0 && st.moves[n-1].state == to && st.moves[n-1].to+1 == r.from {
				st.moves[n-1].to = r.to
			} else {
				st.moves = append(st.moves, move{r.from, r.to, to})
			}
		}
		moves += len(st.moves)
		a.states = append(a.states, st)
	}
	return a.trim(), nil
}

// matching returns the instructions that match a character, and a key for them.
func (s subset) matching(prog *syntax.Prog, r rune) (key string, pcs []uint32) {
	var k []byte
	for _, pc := range s.pcs {
		if in := &prog.Inst[pc]; in.Op != syntax.InstEmptyWidth && in.MatchRune(r) {
			pcs = append(pcs, pc)
			k = binary.AppendUvarint(k, uint64(pc))
		}
	}
	return string(k), pcs
}

// after returns the state after a character that some instructions match.
func (s subset) after(prog *syntax.Prog, matching []uint32) (subset, error) {
	if s.matched {
		return subset{matched: true}, nil
	}
	next := []uint32{uint32(prog.Start)} // the expression may begin anywhere
	for _, pc := range matching {
		next = append(next, prog.Inst[pc].Out)
	}
	return closure(prog, next, false, false)
}

// partition splits the characters into ranges that a state does not tell apart.
func partition(prog *syntax.Prog, s subset) []move {
	if s.matched {
		return characters
	}
	edges := []rune{0, 0xD800, 0xE000, lastRune + 1}
	cut := func(from, to rune) { edges = append(edges, from, to+1) }
	for _, pc := range s.pcs {
		in := prog.Inst[pc]
		switch in.Op {
		case syntax.InstRuneAnyNotNL:
			cut('\n', '\n')
		case syntax.InstRune, syntax.InstRune1:
			if len(in.Rune) == 1 {
				r := in.Rune[0]
				cut(r, r)
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					cut(f, f)
				}
				continue
			}
			for i := 0; i+1 < len(in.Rune); i += 2 {
				cut(in.Rune[i], in.Rune[i+1])
			}
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var ranges []move
	for i := 0; i+1 < len(edges); i++ {
		if from, to := edges[i], edges[i+1]-1; from >= 0 && to <= lastRune && (from < 0xD800 || from >= 0xE000) {
			ranges = append(ranges, move{from: from, to: to})
		}
	}
	return ranges
}

// closure follows the instructions that match nothing.
func closure(prog *syntax.Prog, pcs []uint32, begins, ends bool) (subset, error) {
	s := subset{begins: begins}
	seen := map[uint32]bool{}
	todo := slices.Clone(pcs)
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch in := prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, in.Out)
		case syntax.InstMatch:
			return subset{matched: true}, nil
		case syntax.InstFail:
		case syntax.InstEmptyWidth:
			switch syntax.EmptyOp(in.Arg) {
			case syntax.EmptyBeginText:
				if begins {
					todo = append(todo, in.Out)
				}
			case syntax.EmptyEndText:
				if ends {
					todo = append(todo, in.Out)
				} else {
					s.pcs = append(s.pcs, pc)
				}
			default:
				return s, errors.New(`\b and \B are not supported in regular expressions`)
			}
		default:
			s.pcs = append(s.pcs, pc)
		}
	}
	slices.Sort(s.pcs)
	return s, nil
}
