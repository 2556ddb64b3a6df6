package answer

import "strings"

// verdict is what is known of the begin of a text.
type verdict int

const (
	no   verdict = iota // the text does not match, whatever follows
	need                // it may match, if more follows
	yes                 // it matches, whatever follows
)

// element is a part of a pattern.
type element struct {
	op   op
	text string
	list []string
}

type op int

const (
	opLiteral op = iota
	opSpace      // any white space
	opName       // the name of a tool
	opID         // up to the next literal
	opOpen       // the identifier begins
	opClose      // the identifier ends
	opMaybe      // a literal that may be left out
	opAhead      // one of some literals, which are not part of the match
	opDigits
)

func lit(s string) element         { return element{op: opLiteral, text: s} }
func maybe(s string) element       { return element{op: opMaybe, text: s} }
func ahead(list ...string) element { return element{op: opAhead, list: list} }

var (
	space   = element{op: opSpace}
	toolRef = element{op: opName}
	ident   = element{op: opID}
	digits  = element{op: opDigits}
	idOpen  = element{op: opOpen}
	idClose = element{op: opClose}
)

// found is what a pattern has matched.
type found struct {
	n        int // bytes
	name, id string
}

// match compares a text's begin with a pattern. The same text gets the same verdict, and one that
// is certain holds whatever follows; final says that nothing will.
func (p *Parser) match(pattern []element, s string, final bool) (found, verdict) {
	var f found
	from := 0
	for i, e := range pattern {
		rest := s[f.n:]
		switch e.op {
		case opLiteral, opMaybe:
			switch prefix(rest, e.text, final) {
			case yes:
				f.n += len(e.text)
			case need:
				return f, need
			case no:
				if e.op == opLiteral {
					return f, no
				}
			}
		case opSpace:
			f.n += len(rest) - len(strings.TrimLeft(rest, blanks))
			if f.n == len(s) && !final {
				return f, need
			}
		case opName:
			name, v := p.toolName(rest, final)
			if v != yes {
				return f, v
			}
			f.name = name
			f.n += len(name)
		case opID:
			end := strings.Index(rest, pattern[i+1].text)
			if end < 0 && len(rest) <= maxName && !final {
				return f, need
			}
			if end < 0 || end > maxName {
				return f, no
			}
			f.id = strings.Trim(rest[:end], blanks)
			f.n += end
		case opDigits:
			f.n += len(rest) - len(strings.TrimLeft(rest, "0123456789"))
			if f.n == len(s) && !final {
				return f, need
			}
		case opOpen:
			from = f.n
		case opClose:
			f.id = s[from:f.n]
		case opAhead:
			best := no
			for _, l := range e.list {
				best = max(best, prefix(rest, l, final))
			}
			if best != yes {
				return f, best
			}
		}
	}
	return f, yes
}

// prefix says whether a text begins with a literal.
func prefix(s, literal string, final bool) verdict {
	switch {
	case strings.HasPrefix(s, literal):
		return yes
	case !final && strings.HasPrefix(literal, s):
		return need
	}
	return no
}

// toolName returns the longest name of a tool with which a text begins.
func (p *Parser) toolName(s string, final bool) (string, verdict) {
	best := ""
	for _, t := range p.options.Tools {
		switch v := prefix(s, t.Name, final); {
		case v == need:
			return "", need
		case v == yes && len(t.Name) > len(best):
			best = t.Name
		}
	}
	if best == "" {
		return "", no
	}
	return best, yes
}

const blanks = " \t\r\n"

// overlap returns the length of the longest end of a text that begins one of some markers.
func overlap(s string, markers []string) int {
	best := 0
	for _, m := range markers {
		for n := min(len(m)-1, len(s)); n > best; n-- {
			if strings.HasSuffix(s, m[:n]) {
				best = n
			}
		}
	}
	return best
}
