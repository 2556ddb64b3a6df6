package answer

import (
	"encoding/json"
	"slices"
	"strings"
)

// around is what is open around the arguments of a call.
type around struct {
	objects int  // the call's, and what it is in
	array   bool // of calls
	keyed   bool // calls are {"name": arguments}
	inText  bool // the arguments are in a string
}

// What models call the members of a call.
var (
	nameKeys      = []string{"name", "tool_name", "function_name"}
	argumentsKeys = []string{"arguments", "parameters", "args"}
	idKeys        = []string{"id", "tool_call_id", "call_id"}
)

// headOfCall is a call of which the name is known, and where its arguments begin.
type headOfCall struct {
	found
	around
	arguments string // those in front of the name; or "{}" if there are none
}

// beginCalls looks at an array of calls, or at a call, from a byte of the text on. If there is a call,
// it begins.
func (p *Parser) beginCalls(keyed bool, from int, s string, final bool) verdict {
	a := around{keyed: keyed}
	n := from + blanksOf(s[from:])
	if n == len(s) {
		return need.or(final)
	}
	if s[n] == '[' {
		a.array = true
		n += 1 + blanksOf(s[n+1:])
	}
	return p.beginObject(a, n, s, final)
}

func blanksOf(s string) int { return len(s) - len(strings.TrimLeft(s, blanks)) }

// or returns what is known if nothing follows.
func (v verdict) or(final bool) verdict {
	if v == need && final {
		return no
	}
	return v
}

// beginObject looks at the object of a call, from a byte of the text on.
func (p *Parser) beginObject(a around, from int, s string, final bool) verdict {
	if from == len(s) {
		return need.or(final)
	}
	if s[from] != '{' {
		return no
	}
	a.objects = 1
	h := headOfCall{around: a, found: found{n: from + 1}}
	if v := p.readMembers(&h, s, final).or(final); v != yes {
		return v
	}
	p.buf = p.buf[h.n:]
	p.beginCallOf(h.found)
	p.around = h.around
	p.state = p.object
	if h.inText {
		p.state = p.objectInText
	}
	if h.arguments != "" {
		p.arguments(h.arguments)
		p.endCall()
	}
	return yes
}

// readMembers reads members of a call's object up to the arguments, once the name is known.
func (p *Parser) readMembers(h *headOfCall, s string, final bool) verdict {
	first := true
	for {
		h.n += blanksOf(s[h.n:])
		if h.n == len(s) {
			return need
		}
		if s[h.n] == '}' {
			return p.endOfMembers(h)
		}
		if !first {
			if s[h.n] != ',' {
				return no
			}
			h.n += 1 + blanksOf(s[h.n+1:])
		}
		first = false
		key, v := jsonString(s[h.n:])
		if v != yes {
			return v
		}
		h.n += len(key)
		h.n += blanksOf(s[h.n:])
		if v := prefix(s[h.n:], ":", final); v != yes {
			return v
		}
		h.n += 1 + blanksOf(s[h.n+1:])
		if h.n == len(s) {
			return need
		}
		done, v := p.member(h, unquote(key), s, final)
		if v != yes || done {
			return v
		}
		if s[h.n-1] == '{' {
			first = true
		}
	}
}

// member reads the value of a member; done says that the arguments begin.
func (p *Parser) member(h *headOfCall, key, s string, final bool) (done bool, v verdict) {
	rest := s[h.n:]
	isArguments := slices.Contains(argumentsKeys, key)
	switch {
	case h.keyed:
		if !p.hasTool(key) {
			return false, no
		}
		h.name, isArguments = key, true
	case key == "function" && rest[0] == '{' && h.objects == 1:
		h.objects++
		h.n++
		return false, yes
	}
	if isArguments && h.arguments == "" && h.name != "" && rest[0] == '{' {
		return true, yes
	}
	if isArguments && h.name != "" && rest[0] == '"' {
		if v := inTextBegins(rest[1:]); v != yes {
			return false, v
		}
		h.n++
		h.inText = true
		return true, yes
	}
	value, v := jsonValue(rest, final)
	if v != yes {
		return false, v
	}
	h.n += len(value)
	return false, p.noted(h, key, value, isArguments)
}

// noted keeps a member of a call.
func (p *Parser) noted(h *headOfCall, key, value string, isArguments bool) verdict {
	switch {
	case isArguments:
		if value[0] == '"' {
			value = unquote(value)
		}
		if value = strings.Trim(value, blanks); value == "null" || value == "" {
			value = "{}"
		}
		if value[0] != '{' || !json.Valid([]byte(value)) {
			return no
		}
		h.arguments = value
	case slices.Contains(nameKeys, key) || key == "function":
		if value[0] != '"' {
			return no
		}
		if h.name = unquote(value); !p.hasTool(h.name) {
			return no
		}
	case slices.Contains(idKeys, key):
		if h.id = value; value[0] == '"' {
			h.id = unquote(value)
		}
	}
	return yes
}

// endOfMembers is where the object of a call, or of its function, ends.
func (p *Parser) endOfMembers(h *headOfCall) verdict {
	if h.name == "" {
		return no
	}
	h.n++
	h.objects--
	if h.arguments == "" {
		h.arguments = "{}"
	}
	return yes
}

func unquote(s string) string {
	var out string
	if json.Unmarshal([]byte(s), &out) != nil {
		return ""
	}
	return out
}

// inTextBegins looks for the begin of an object in a string.
func inTextBegins(s string) verdict {
	switch s = strings.TrimLeft(s, " "); {
	case s == "":
		return need
	case s[0] == '{':
		return yes
	}
	return no
}

// objectInText reads arguments that are in a string.
func (p *Parser) objectInText() bool {
	for p.buf != "" {
		piece, n, v := unescaped(p.buf, p.final)
		if v == need {
			return false
		}
		k, ok := p.json.feed(piece)
		p.arguments(piece[:k])
		if v == yes && k < len(piece) {
			n = k // a piece that stands for itself
		}
		p.buf = p.buf[n:]
		switch {
		case p.json.done:
			p.around.inText = true
			p.endCall()
			return true
		case v == no || !ok:
			return p.broken()
		}
	}
	return false
}

// unescaped returns the next piece of a JSON string, and how many bytes stand for it.
func unescaped(s string, final bool) (piece string, n int, v verdict) {
	if s[0] != '\\' {
		if n = strings.IndexAny(s, "\\\""); n < 0 {
			n = len(s)
		}
		if n == 0 {
			return "", 0, no
		}
		return s[:n], n, yes
	}
	n = 2
	if len(s) > 1 && s[1] == 'u' {
		n = 6
		if len(s) > 3 && s[2]|0x20 == 'd' && s[3] >= '8' { // half of a character
			if len(s) < 12 && !final {
				return "", 0, need
			}
			if len(s) >= 12 && s[6:8] == `\u` {
				n = 12
			}
		}
	}
	if len(s) < n {
		return "", 0, need
	}
	if piece = unquote(`"` + s[:n] + `"`); piece == "" {
		return "", 0, no
	}
	return piece, n, yes
}

// closeAround takes what ends the objects around arguments, and what may be between calls.
func (p *Parser) closeAround(s string) verdict {
	a := &p.around
	skip := func(n int) verdict { p.buf = s[n:]; return yes }
	switch {
	case a.inText && s[0] == '"':
		a.inText = false
		return skip(1)
	case a.objects > 0 && s[0] == '}':
		a.objects--
		return skip(1)
	case a.objects > 0 && s[0] == ',':
		return p.skipMember(s)
	case a.objects == 0 && a.array && s[0] == ']':
		a.array = false
		return skip(1)
	case a.objects == 0 && a.array && s[0] == ',':
		s = s[:min(len(s), maxHead)]
		v := p.beginObject(around{array: true, keyed: a.keyed}, 1+blanksOf(s[1:]), s, p.final)
		if v == need && len(s) == maxHead {
			return no
		}
		return v
	}
	return no
}

// skipMember leaves out a member behind the arguments.
func (p *Parser) skipMember(s string) verdict {
	s = s[:min(len(s), maxHead)]
	n := 1 + blanksOf(s[1:])
	for _, step := range []func(string) (string, verdict){
		jsonString,
		func(s string) (string, verdict) { return ":", prefix(s, ":", p.final) },
		func(s string) (string, verdict) { return jsonValue(s, p.final) },
	} {
		part, v := step(s[n:])
		if v == need && len(s) == maxHead {
			return no
		}
		if v != yes {
			return v.or(p.final)
		}
		n += len(part)
		n += blanksOf(s[n:])
	}
	p.buf = p.buf[n:]
	return yes
}
