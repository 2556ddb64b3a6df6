package runtime

import (
	"context"
	"errors"
	"slices"

	"github.com/seed7adf6694/infer/llama"
)

// Prompt-lookup decoding: where a text repeats itself, what followed the last time is
// a good guess at what follows now. The guess is evaluated in one batch with the token
// before it, which costs little more than that token alone where reading the weights
// is what takes the time, and the sampler decides as ever: a guessed token counts only
// if it is the one that was sampled.

const (
	// A draft needs the text's last lookupShortest tokens to have occurred before. One
	// token says too little: most words were in the text before, and went on otherwise.
	lookupShortest = 2
	// Of several places, the most recent that agrees in lookupLongest tokens wins. More
	// than that seldom tells apart what four tokens do not, and each length is an entry
	// of the index a token.
	lookupLongest = 4

	// Drafts begin with shortDraft tokens, and grow to defaultLookup while all of them
	// come true: with the token before them 4, 8 and 16, the numbers of rows that the
	// engine's kernels for packed weights take at once. On 2 cores an evaluation of 4,
	// 8 and 16 tokens costs 1.9, 3.4 and 5.4 times that of one (q4_0 of 1.1 B
	// parameters, packed; f16: 1.7, 2.3 and 4.2), so that a draft pays once a third
	// comes true; where the weights come from a disk, nearly any does.
	shortDraft    = 3
	defaultLookup = 15
	// After a draft of which nothing came true, 1 token goes without, after the next
	// such one 3, and so on up to longestPause: a text that does not repeat itself then
	// takes little longer than without lookup.
	longestPause = 31
)

// gram is the last tokens of a text, at most lookupLongest of them, right-aligned:
// what is not used is the null token, so that one map holds all lengths.
type gram [lookupLongest]llama.Token

func gramOf(tokens []llama.Token) gram {
	var g gram
	pad := len(g) - len(tokens)
	for i := range pad {
		g[i] = llama.NullToken
	}
	copy(g[pad:], tokens)
	return g
}

// lookup is a text with an index of where its n-grams were last seen. It takes some
// 100 bytes a token, where a KV cache takes 10 KiB and more.
type lookup struct {
	text []llama.Token
	// next is the position after the last occurrence of an n-gram that something
	// follows: so never of the one that ends the text, which would find itself.
	next map[gram]int32
}

// reset begins anew with a text.
func (l *lookup) reset(text []llama.Token) {
	l.text = l.text[:0]
	if l.next == nil {
		l.next = make(map[gram]int32, len(text)*(lookupLongest-lookupShortest+1))
	}
	clear(l.next)
	for _, t := range text {
		l.add(t)
	}
}

// add appends a token to the text.
func (l *lookup) add(t llama.Token) {
	end := len(l.text)
	for n := lookupShortest; n <= min(lookupLongest, end); n++ {
		l.next[gramOf(l.text[end-n:])] = int32(end)
	}
	l.text = append(l.text, t)
}

// draft appends to dst at most most tokens that followed the most recent earlier
// occurrence of the longest n-gram that ends the text. Where they reach the end of the
// text they go on with themselves: a period repeats.
func (l *lookup) draft(dst []llama.Token, most int) []llama.Token {
	for n := min(lookupLongest, len(l.text)); n >= lookupShortest; n-- {
		next, ok := l.next[gramOf(l.text[len(l.text)-n:])]
		if !ok {
			continue
		}
		from := len(dst)
		for i := range max(most, 0) {
			if p := int(next) + i; p < len(l.text) {
				dst = append(dst, l.text[p])
			} else {
				dst = append(dst, dst[from+p-len(l.text)])
			}
		}
		return dst
	}
	return dst
}

// drafts are the guesses of a generation. A nil one makes none.
type drafts struct {
	index  lookup
	most   int // tokens of a draft; 0: no more drafts
	pace   pace
	buffer []llama.Token // of the draft
	// ahead is what the context holds beyond the session's tokens: the part of the last
	// draft of which it is not known yet whether it is the text.
	ahead []llama.Token

	drafted, accepted int // of the whole generation
	before            int // accepted before the last draft
}

// newDrafts returns the guesses for a session that has evaluated its prompt; nil where
// its memory could not take a wrong one back.
func (s *Session) newDrafts(o GenerateOptions) *drafts {
	if s.model.info.Recurrent || s.model.info.Hybrid {
		s.model.config.log("no lookup: the memory of this model cannot forget a part of a text")
		return nil
	}
	most := o.LookupTokens
	if most == 0 {
		most = defaultLookup
	}
	// Within a micro-batch: a sliding window's cache may overwrite what is out of the
	// window of the next one's first token, which a wrong draft would have moved.
	d := &drafts{most: min(most, s.ubatch-1)}
	d.pace.length = min(d.most, shortDraft)
	d.index.reset(s.tokens)
	return d
}

// draft returns the guess at what follows the tail; it may be empty.
func (g *generation) draft() []llama.Token {
	d, s := g.look, g.s
	if d == nil {
		return nil
	}
	if n := len(d.buffer); n > 0 {
		d.pace = d.pace.after(n, d.accepted-d.before, d.most)
		d.before, d.buffer = d.accepted, d.buffer[:0]
	}
	if d.pace.skip > 0 {
		d.pace.skip--
		return nil
	}
	most := min(d.pace.length, d.most, s.context-len(s.tokens)-1)
	if g.o.MaxTokens > 0 { // the last token needs no evaluation
		most = min(most, g.o.MaxTokens-g.count-1)
	}
	d.buffer = d.index.draft(d.buffer[:0], most)
	if !g.o.IgnoreEOG {
		if i := slices.IndexFunc(d.buffer, s.model.isEOG); i >= 0 { // nothing follows it
			d.buffer = d.buffer[:i]
		}
	}
	return d.buffer
}

// pace is how much is guessed.
type pace struct {
	length int // of the next draft
	pause  int // tokens without one after the last, if nothing of it came true
	skip   int // of them, those that are left
}

// after is the pace after a draft of which some tokens came true.
func (p pace) after(drafted, accepted, most int) pace {
	switch accepted {
	case drafted:
		return pace{length: min(2*p.length+1, most)}
	case 0:
		pause := min(2*p.pause+1, longestPause)
		return pace{min(shortDraft, most), pause, pause}
	default:
		return pace{length: min(max(p.length/2, shortDraft), most)}
	}
}

// evalDraft evaluates the tail and a draft in one batch, with logits for all.
func (g *generation) evalDraft(ctx context.Context, draft []llama.Token) error {
	s, d := g.s, g.look
	if err := s.model.weights.changed(); err != nil {
		return err
	}
	s.batch.Clear()
	for i, t := range append(slices.Clip(s.tail), draft...) {
		if err := s.batch.Add(t, llama.Pos(len(s.tokens)+i), true); err != nil {
			return err
		}
	}
	if err := s.decode(ctx); err != nil {
		s.forgetFrom(len(s.tokens))
		return s.closedError(err)
	}
	s.tokens, s.tail = append(s.tokens, s.tail...), s.tail[:0]
	d.ahead, g.output = draft, 0
	d.drafted += len(draft)
	s.model.peak.Sample()
	return nil
}

// sampled takes note of a token of the text.
func (d *drafts) sampled(t llama.Token) {
	if d == nil {
		return
	}
	d.index.add(t)
	if len(d.ahead) > 0 && d.ahead[0] == t {
		d.accepted++
	}
}

// confirms tells whether a sampled token is the next of the draft, and takes it from
// there.
func (d *drafts) confirms(t llama.Token) bool {
	if d == nil || len(d.ahead) == 0 || d.ahead[0] != t {
		return false
	}
	d.ahead = d.ahead[1:]
	return true
}

// settle makes the context forget the rest of a draft.
func (g *generation) settle() error {
	d, s := g.look, g.s
	g.output = -1
	if d == nil || len(d.ahead) == 0 {
		return nil
	}
	d.ahead = nil
	ok, err := s.ctx.RemoveSeq(0, llama.Pos(len(s.tokens)), -1)
	if err != nil {
		return s.closedError(err)
	}
	if !ok {
		s.reset()
		return errors.New("the memory of this model does not forget a draft: generate without lookup")
	}
	return nil
}
