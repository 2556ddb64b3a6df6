package talk

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// Terminals put these around what is pasted, if they are asked to.
const (
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// What a pasted line break and a tab are shown as while the line is edited.
const (
	shownBreak = "␤"
	shownTab   = "␉"
)

// unshown returns a line as it was pasted, and shown the reverse.
var (
	unshown = strings.NewReplacer(shownBreak, "\n", shownTab, "\t").Replace
	shown   = strings.NewReplacer("\n", shownBreak, "\t", shownTab).Replace
)

// longestShown is the longest pasted text, in bytes, that is shown: the editor shows the whole line for
// each key, and a line should not be longer than the screen.
const longestShown = 1000

// pastes makes a pasted text a part of one line. It replaces line breaks and tabs by characters that
// can be edited and drops other control characters and the line breaks at the end, so that a paste
// sends and runs nothing. A long text is shown as its number of lines.
type pastes struct {
	inside bool
	held   []byte // the beginning of a mark, perhaps
	passed bool   // held begins with Esc, which was passed on: alone it is a key
	text   []byte // that is being pasted, as it is shown
	breaks int    // not in text yet: they may be the last
	cr     bool   // the last byte was a carriage return

	mu   sync.Mutex
	long [][2]string // long texts: what they are shown as, and what they are
}

// filter returns what the editor of the line gets of the next bytes.
func (p *pastes) filter(b []byte) (out []byte) {
	b = append(p.held, b...)
	p.held = nil
	for len(b) > 0 {
		mark := pasteBegin
		if p.inside {
			mark = pasteEnd
		}
		if rest, ok := bytes.CutPrefix(b, []byte(mark)); ok {
			if p.inside {
				out = append(out, p.end()...)
			}
			p.inside, p.passed, b = !p.inside, false, rest
			continue
		}
		if strings.HasPrefix(mark, string(b)) {
			if p.held = b; len(b) == 1 && !p.inside {
				p.passed, out = true, append(out, b...)
			}
			return out
		}
		switch {
		case p.passed:
			p.passed = false
		case p.inside:
			p.add(b[0])
		default:
			out = append(out, b[0])
		}
		b = b[1:]
	}
	return out
}

// add adds a pasted byte.
func (p *pastes) add(c byte) {
	after := p.cr
	p.cr = c == '\r'
	switch {
	case c == '\n' && after:
		return
	case c == '\r' || c == '\n':
		p.breaks++
		return
	case c != '\t' && (c < ' ' || c == 0x7f):
		return
	}
	for ; p.breaks > 0; p.breaks-- {
		p.text = append(p.text, shownBreak...)
	}
	if c == '\t' {
		p.text = append(p.text, shownTab...)
		return
	}
	p.text = append(p.text, c)
}

// end returns what is shown of the text.
func (p *pastes) end() string {
	text := string(p.text)
	p.text, p.breaks, p.cr = nil, 0, false
	if len(text) <= longestShown {
		return text
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name := fmt.Sprintf("[pasted text %d: %d lines, %d bytes]", len(p.long)+1, 1+strings.Count(text, shownBreak), len(unshown(text)))
	p.long = append(p.long, [2]string{name, text})
	return name
}

// message returns an edited line as it was typed and pasted. It is safe for concurrent use.
func (p *pastes) message(line string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.long {
		line = strings.ReplaceAll(line, l[0], l[1])
	}
	return unshown(line)
}
