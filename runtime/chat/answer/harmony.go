package answer

import "strings"

// The special tokens of gpt-oss.
const (
	startMarker   = "<|start|>"
	channelMarker = "<|channel|>"
	messageMarker = "<|message|>"
)

var (
	headerMarkers = []string{channelMarker, startMarker, "<|constrain|>", messageMarker, " to=", "to="}
	endMarkers    = []string{"<|end|>", "<|return|>", "<|call|>"}
)

// maxHeader bounds what is before a message.
const maxHeader = 512

// header reads what is before a message: who writes, to whom, and in which channel.
func (p *Parser) header() bool {
	if p.calls > 0 || p.begun {
		p.buf = strings.TrimLeft(p.buf, "\r\n")
	}
	if p.buf == "" {
		return false
	}
	for _, m := range endMarkers {
		switch prefix(p.buf, m, p.final) {
		case yes:
			p.take(len(m))
			return true
		case need:
			return false
		}
	}
	best := no
	for _, m := range headerMarkers {
		best = max(best, prefix(p.buf, m, p.final))
	}
	n := strings.Index(p.buf, messageMarker)
	switch {
	case best == need:
		return false
	case best == no || n > maxHeader || n < 0 && len(p.buf) > maxHeader+len(messageMarker):
		p.kind, p.state, p.trim = Content, p.message, false
		if best == yes {
			p.text(p.buf[:1])
			p.take(1)
		}
		return true
	case n < 0 && p.final:
		p.buf = "" // markers without a message
		return false
	case n < 0:
		return false
	}
	header := p.buf[:n]
	p.take(n + len(messageMarker))
	p.addressed(header)
	return true
}

// addressed decides what a message is by its header.
func (p *Parser) addressed(header string) {
	_, channel, _ := strings.Cut(header, channelMarker)
	p.kind = Content
	if strings.HasPrefix(channel, "analysis") {
		p.kind = Reasoning
	}
	p.begun, p.trim, p.state = true, false, p.message
	_, to, ok := strings.Cut(header, "to=")
	if end := strings.IndexAny(to, "< \t\r\n"); end >= 0 {
		to = to[:end]
	}
	if to = strings.TrimPrefix(to, "functions."); ok && p.hasTool(to) {
		p.tool, p.state = to, p.harmonyCall
	}
}

// harmonyCall reads the message of a call.
func (p *Parser) harmonyCall() bool {
	p.buf = strings.TrimLeft(p.buf, blanks)
	if p.buf == "" && !p.final {
		return false
	}
	best := no
	for _, m := range endMarkers {
		best = max(best, prefix(p.buf, m, p.final))
	}
	switch {
	case best == need:
		return false
	case best == yes || p.buf == "":
		p.beginCallOf(found{name: p.tool})
		p.arguments("{}")
		p.endCall()
	case p.buf[0] == '{':
		p.beginArguments(found{name: p.tool}, p.object)
	default:
		p.state = p.message
	}
	return true
}

// message reads a message up to its end.
func (p *Parser) message() bool {
	if p.buf == "" {
		if p.final {
			p.flush()
		}
		return false
	}
	n := strings.IndexByte(p.buf, '<')
	if n < 0 {
		n = len(p.buf)
	}
	if n > 0 {
		p.text(p.buf[:n])
		p.take(n)
		return true
	}
	best := no
	for _, m := range endMarkers {
		v := prefix(p.buf, m, p.final)
		if v == yes {
			p.flush()
			p.take(len(m))
			p.toText()
			return true
		}
		best = max(best, v)
	}
	for _, m := range []string{startMarker, channelMarker} {
		v := prefix(p.buf, m, p.final)
		if v == yes {
			p.flush()
			p.toText()
			return true
		}
		best = max(best, v)
	}
	if best == need {
		return false
	}
	p.text(p.buf[:1])
	p.take(1)
	return true
}
