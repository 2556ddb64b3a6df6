package server

import (
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/runtime/internal/text"
)

// piece is a token of a prompt: its text, and whether it is a control token, which splits what the tokenizer
// reads as one text.
type piece struct {
	text    string
	control bool
}

// places returns where the tokens of a prompt begin in its text, in characters, and the text's length.
//
// The texts of tokens do not add up to the prompt's: some tokenizers put a space before a text and behind a
// control token, put control tokens around it, or take space away beside them. A token that the text does not
// have takes no room in it, and neither does such a space. Where a text differs otherwise, as where the
// vocabulary lacks a character, tokens have the place of the last one that was found until one is found again.
func places(text string, pieces []piece) (offsets []int, length int) {
	p := placing{text: text}
	for i := 0; i < len(pieces); {
		end := i + 1
		for !pieces[i].control && end < len(pieces) && !pieces[end].control {
			end++
		}
		i += p.place(pieces[i:end])
	}
	return inCharacters(text, p.offsets), utf8.RuneCountInString(text)
}

// placing is a text in which tokens find their places.
type placing struct {
	text    string
	at      int   // bytes of the text that tokens have taken
	lost    int   // bytes of tokens that were not found, since the last one that was
	offsets []int // in bytes
}

// Limits of how many bytes of the text the next token may be away from the last one that was found: a character
// that the vocabulary lacks has up to four, beside the bytes of the tokens in between, and much is not searched.
const (
	farthest = utf8.UTFMax
	mostLost = 1 << 10
)

// place finds the places of the next tokens, a control token or tokens without one between them, and returns
// of how many.
func (p *placing) place(pieces []piece) int {
	rest := p.text[p.at:]
	space := len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
	for _, skip := range []int{0, space} {
		n, size := begins(rest[skip:], pieces, 0)
		added := 0
		if !pieces[0].control && strings.HasPrefix(pieces[0].text, " ") {
			if m, s := begins(rest[skip:], pieces, 1); m > n {
				n, size, added = m, s, 1
			}
		}
		if n > 0 {
			p.take(pieces[:n], skip, added)
			p.at, p.lost = p.at+skip+size, 0
			return n
		}
	}
	whole := pieces[0].text
	for _, word := range []string{whole, strings.TrimPrefix(whole, " ")} {
		if p.lost == 0 || word == "" || pieces[0].control {
			break
		}
		if i := strings.Index(rest[:min(len(rest), p.lost+len(word))], word); i >= 0 {
			p.take(pieces[:1], i, len(whole)-len(word))
			p.at, p.lost = p.at+i+len(word), 0
			return 1
		}
	}
	p.offsets = append(p.offsets, p.at)
	p.lost = min(p.lost+len(whole)+farthest, mostLost)
	return 1
}

// take notes the places of tokens from the byte skip of the rest on; the text lacks the first one's first bytes.
func (p *placing) take(pieces []piece, skip, lacks int) {
	at := p.at + skip
	for _, x := range pieces {
		p.offsets = append(p.offsets, at)
		at += len(x.text) - lacks
		lacks = 0
	}
}

// begins returns how many tokens a text begins with, without the first one's first bytes, and their length
// in bytes.
func begins(text string, pieces []piece, without int) (n, size int) {
	for _, x := range pieces {
		word := x.text[without:]
		if !strings.HasPrefix(text[size:], word) {
			break
		}
		n, size, without = n+1, size+len(word), 0
	}
	return n, size
}

// inCharacters translates places in bytes, in ascending order. A token that begins within a character has the
// character's place.
func inCharacters(text string, bytes []int) []int {
	offsets := make([]int, len(bytes))
	at, chars := 0, 0
	for i, b := range bytes {
		for at < len(text) {
			_, size := utf8.DecodeRuneInString(text[at:])
			if at+size > b {
				break
			}
			at, chars = at+size, chars+1
		}
		offsets[i] = chars
	}
	return offsets
}

// generated are the log-probabilities of a choice's tokens that were not sent yet.
type generated struct {
	list    []logprob
	offsets []int // in the text that is generated, in characters

	text text.Stream // of the tokens so far, without what is held back or cut off
	next int         // where the next token begins
	sent int         // characters of the text that were sent
}

// add notes a token; silent ones have no text in an answer.
func (g *generated) add(l logprob, silent bool) {
	g.list, g.offsets = append(g.list, l), append(g.offsets, g.next)
	if !silent {
		text, _ := g.text.Push([]byte(l.Token))
		g.next += utf8.RuneCountInString(text)
	}
}

// take returns the tokens that begin in the text that was sent, with the part that is sent now; at the end all
// that are left: those of a text that was cut off have its end as their place.
func (g *generated) take(part string, end bool) (list []logprob, offsets []int) {
	g.sent += utf8.RuneCountInString(part)
	n := 0
	for n < len(g.list) && (end || g.offsets[n] < g.sent) {
		g.offsets[n] = min(g.offsets[n], g.sent)
		n++
	}
	list, offsets = g.list[:n], g.offsets[:n]
	g.list, g.offsets = g.list[n:], g.offsets[n:]
	return list, offsets
}
