package answer

import (
	"strings"
	"unicode/utf8"
)

// Parser takes the text that a model writes and returns events. It is not safe for concurrent use.
type Parser struct {
	format  Format
	options Options
	schemas map[string]any // parsed parameters of the tools

	state func() bool // one step; false if it needs more text
	buf   string      // text that is not decided
	final bool        // nothing will follow
	wait  int         // length of buf that is worth another look
	out   []Event

	kind    Kind   // of the text that is read: Content or Reasoning
	inside  span   // of reasoning
	firsts  string // bytes with which something may begin in text
	space   string // white space behind the text so far
	start   bool   // nothing but reasoning, calls and white space so far, or since
	begun   bool   // something has been decided: the answer does not begin here
	trim    bool   // white space is left out until text follows
	calls   int
	tool    string    // of the call
	json    scanner   // of arguments
	around  around    // what is open around arguments
	pair    pair      // the parameter that is read
	members int       // parameters so far
	nested  []byte    // open objects and arrays of arguments that are no JSON
	expect  gemmaPart // what comes next in them
}

// NewParser returns a parser for one answer.
func NewParser(f Format, o Options) *Parser {
	p := &Parser{format: f, options: o, start: true, schemas: map[string]any{}}
	p.state = p.scan
	if f.harmony {
		p.state = p.header
	}
	if o.ReasoningOpen && f.harmony {
		p.kind, p.state = Reasoning, p.message
	} else if o.ReasoningOpen && len(f.spans) > 0 {
		p.inSpan(f.spans[0])
	}
	if p.kind == Content {
		p.firsts = p.beginnings()
	}
	return p
}

// Push takes the next text and returns what is certain now.
func (p *Parser) Push(text string) []Event {
	if text == "" || p.final {
		return nil
	}
	p.buf += text
	if len(p.buf) < p.wait {
		return nil
	}
	return p.run()
}

// End returns what was held back. Nothing may follow.
func (p *Parser) End() []Event {
	if p.final {
		return nil
	}
	p.final = true
	return p.run()
}

// Reasoning reports whether what comes next is read as reasoning. It tells the end of it before there is
// an event of what follows.
func (p *Parser) Reasoning() bool { return p.kind == Reasoning }

func (p *Parser) run() []Event {
	p.out, p.wait = nil, 0
	for p.state() {
	}
	return p.out
}

// emit adds an event, or adds text to the last one.
func (p *Parser) emit(e Event) {
	if n := len(p.out); n > 0 && p.out[n-1].Kind == e.Kind && (e.Kind == Content || e.Kind == Reasoning || e.Kind == CallArguments) {
		p.out[n-1].Text += e.Text
		return
	}
	p.out = append(p.out, e)
}

// text takes text that is none of a marker's. White space at its end is kept back: it is left out
// before a marker.
func (p *Parser) text(s string) {
	p.begun = true
	if s = p.space + s; p.trim {
		s = strings.TrimLeft(s, blanks)
	}
	shown := strings.TrimRight(s, blanks)
	if shown != "" {
		p.trim, p.start = false, false
	}
	n := max(len(shown), len(s)-maxSpace)
	p.space = s[n:]
	if n > 0 {
		p.emit(Event{Kind: p.kind, Text: s[:n]})
	}
}

// flush gives out the white space that was kept back.
func (p *Parser) flush() {
	if p.space != "" && !p.trim {
		p.emit(Event{Kind: p.kind, Text: p.space})
	}
	p.space = ""
}

// toText goes on with content behind reasoning or a call.
func (p *Parser) toText() {
	p.begun, p.kind, p.start, p.trim, p.space = true, Content, true, true, ""
	p.firsts = p.beginnings()
	p.state = p.scan
	if p.format.harmony {
		p.state = p.header
	}
}

// inSpan goes on with reasoning.
func (p *Parser) inSpan(s span) {
	p.begun, p.kind, p.inside, p.trim, p.space = true, Reasoning, s, true, ""
	p.firsts = s.close[:1]
	if p.format.callsEnd {
		p.firsts += p.beginnings()
	}
	p.state = p.scan
}

// beginnings returns the first bytes of all markers that may be in text.
func (p *Parser) beginnings() string {
	var b strings.Builder
	for _, s := range p.format.spans {
		b.WriteByte(s.open[0])
	}
	for _, s := range p.format.drop {
		b.WriteByte(s[0])
	}
	for _, o := range p.format.openings {
		if o.head[0].op == opLiteral && !o.start && !o.again {
			b.WriteByte(o.head[0].text[0])
		}
	}
	return b.String()
}

// scan takes text up to where something may begin, or what begins there.
func (p *Parser) scan() bool {
	if p.buf == "" {
		if p.final {
			p.flush()
		}
		return false
	}
	n := 0
	if p.start && p.kind == Content {
		n = len(p.buf) - len(strings.TrimLeft(p.buf, blanks))
	} else if n = strings.IndexAny(p.buf, p.firsts); n < 0 {
		n = len(p.buf)
	}
	if n > 0 {
		p.text(p.buf[:n])
		p.buf = p.buf[n:]
		return true
	}
	v := p.begin(p.buf[:min(len(p.buf), maxHead)], p.final)
	if v == need && len(p.buf) >= maxHead {
		v = no
	}
	switch v {
	case need:
		if len(p.buf) > 1024 {
			p.wait = len(p.buf) + len(p.buf)/8
		}
		return false
	case no:
		_, n := utf8.DecodeRuneInString(p.buf)
		p.text(p.buf[:n])
		p.buf = p.buf[n:]
	}
	return true
}

// begin looks for what begins with a text, and takes it.
func (p *Parser) begin(s string, final bool) verdict {
	take := func(literal string, then func()) verdict {
		v := prefix(s, literal, final)
		if v == yes {
			p.buf = p.buf[len(literal):]
			then()
		}
		return v
	}
	if p.kind == Reasoning {
		if v := take(p.inside.close, p.toText); v != no {
			return v
		}
		if p.format.callsEnd {
			return p.beginCall(s, final)
		}
		return no
	}
	if !p.begun {
		for _, f := range p.format.first {
			if v := take(f, func() { p.begun = true }); v != no {
				return v
			}
		}
	}
	if p.start || p.format.anywhere {
		for _, f := range p.format.spans {
			if v := take(f.open, func() { p.inSpan(f) }); v != no {
				return v
			}
		}
	}
	for _, d := range p.format.drop {
		if v := take(d, func() { p.trim = p.start }); v != no {
			return v
		}
	}
	return p.beginCall(s, final)
}

// beginCall looks for the head of a call, and takes it.
func (p *Parser) beginCall(s string, final bool) verdict {
	if len(p.options.Tools) == 0 {
		return no
	}
	atStart := p.start && p.kind == Content
	for _, o := range p.format.openings {
		if o.start && !atStart || o.again && !(atStart && p.calls > 0) {
			continue
		}
		f, v := p.match(o.head, s, final)
		if v == yes {
			v = p.beginBody(o.body, f, s, final)
		}
		if v != no {
			return v
		}
	}
	return no
}

// beginBody looks at what follows the head of a call. If it is a call, it begins.
func (p *Parser) beginBody(b body, f found, s string, final bool) verdict {
	rest := s[f.n:]
	switch b {
	case argumentsJSON:
		if v := prefix(rest, "{", final); v != yes {
			return v
		}
		p.beginArguments(f, p.object)
		return yes
	case callsJSON, callsKeyed:
		return p.beginCalls(b == callsKeyed, f.n, s, final)
	case argumentsXML:
		p.beginArguments(f, p.parameters)
	case argumentsGemma:
		p.nested, p.expect = nil, gemmaValue
		p.beginArguments(f, p.gemma)
	case argumentsPython:
		p.beginArguments(f, p.python)
	case codePython:
		if f.name = "python"; !p.hasTool(f.name) {
			return no
		}
		p.beginArguments(f, p.code)
		p.arguments(`{"code":"`)
	}
	return yes
}

func (p *Parser) hasTool(name string) bool {
	for _, t := range p.options.Tools {
		if t.Name == name {
			return true
		}
	}
	return false
}

// beginArguments begins a call whose arguments a state reads from the buffer.
func (p *Parser) beginArguments(f found, state func() bool) {
	p.buf = p.buf[f.n:]
	p.around = around{}
	p.beginCallOf(f)
	p.state = state
}

func (p *Parser) beginCallOf(f found) {
	p.begun, p.space, p.tool, p.members, p.json = true, "", f.name, 0, scanner{}
	p.emit(Event{Kind: CallBegin, Call: p.calls, ID: f.id, Name: f.name})
}

func (p *Parser) arguments(s string) {
	if s != "" {
		p.emit(Event{Kind: CallArguments, Call: p.calls, Text: s})
	}
}

// endCall ends a call that is complete.
func (p *Parser) endCall() {
	p.emit(Event{Kind: CallEnd, Call: p.calls})
	p.calls++
	p.state = p.closing
}

// broken ends a call that is not complete; what follows is text.
func (p *Parser) broken() bool {
	p.calls++
	p.toText()
	return true
}

// object reads arguments that are a JSON object.
func (p *Parser) object() bool {
	n, ok := p.json.feed(p.buf)
	p.arguments(p.buf[:n])
	p.buf = p.buf[n:]
	switch {
	case p.json.done:
		p.endCall()
		return true
	case !ok:
		return p.broken()
	}
	return false
}

// code reads Python up to the end.
func (p *Parser) code() bool {
	p.arguments(escaped(p.buf))
	p.buf = ""
	if p.final {
		p.arguments(`"}`)
		p.endCall()
	}
	return false
}

// closing takes what ends a call.
func (p *Parser) closing() bool {
	s := strings.TrimLeft(p.buf, blanks)
	p.buf = s
	if s == "" {
		return false
	}
	if v := p.closeAround(s); v != no {
		return v == yes
	}
	for _, c := range p.format.closers {
		switch prefix(s, c, p.final) {
		case yes:
			p.buf = s[len(c):]
			return true
		case need:
			return false
		}
		if p.final && strings.HasPrefix(c, s) { // the text was cut inside of it
			p.buf = ""
			return false
		}
	}
	p.toText()
	return true
}
