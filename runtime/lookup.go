package runtime

import (
	"context"
	"errors"
	"slices"

	"github.com/seed7adf6694/infer/llama"
)

// Prompt-lookup decoding: if a text repeats itself, the tokens that followed the last time are
// a likely continuation. Such a draft is evaluated in one batch with the token before it. If
// reading the weights dominates the time, that costs little more than the one token. The
// sampler is unchanged: a drafted token is accepted only if it is the one that was sampled.

const (
	// A draft needs an earlier occurrence of the text's last lookupShortest tokens. One token
	// is too few: most words occur earlier with another continuation.
	lookupShortest = 2
	// The longest match up to lookupLongest tokens is used, and of several the most recent.
	// Longer n-grams seldom distinguish more, and each length adds an index entry for each
	// token.
	lookupLongest = 4

	// Drafts begin with shortDraft tokens, and grow to defaultLookup while they are accepted
	// completely. With the token before them that makes 4, 8 and 16 rows, the numbers that
	// the engine's kernels for packed weights process at once. On 2 cores an evaluation of 4,
	// 8 and 16 tokens costs 1.9, 3.4 and 5.4 times that of one (packed q4_0 with 1.1 B
	// parameters; f16: 1.7, 2.3 and 4.2), so a draft pays if a third of it is accepted. If
	// weights are read from a disk, almost any draft pays.
	shortDraft    = 3
	defaultLookup = 15
	// After a draft that is rejected completely, 1 token is generated without a draft, after
	// the next one 3, and so on up to longestPause: a text without repetitions then takes
	// little longer than without lookup.
	longestPause = 31
)

// gram is an n-gram of at most lookupLongest tokens, right-aligned and padded with the null
// token, so that one map holds all lengths.
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

// lookup is a text with an index of the last occurrence of each n-gram. It takes some 100
// bytes for each token; a KV cache takes 10 KiB and more.
type lookup struct {
	text []llama.Token
	// next is the position after the last occurrence of an n-gram. It does not contain the
	// n-gram that ends the text, which would match itself.
	next map[gram]int32
}

// reset replaces the text.
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

// draft appends to dst up to most tokens that followed the most recent earlier occurrence of
// the longest n-gram that ends the text. At the end of the text it goes on with the draft
// itself, which continues a period.
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

// drafts makes the drafts of a generation. nil makes none.
type drafts struct {
	index  lookup
	most   int // the largest number of tokens in a draft; 0: no more drafts
	pace   pace
	buffer []llama.Token // the last draft
	// ahead is the part of the last draft that is evaluated and neither accepted nor
	// rejected yet. The context holds it after the session's tokens.
	ahead []llama.Token

	drafted, accepted int // in the whole generation
	before            int // accepted before the last draft
}

// newDrafts returns the drafts for a session that has evaluated its prompt, nil if the model's
// memory can't drop a rejected draft, or its memory budget has no room for the results of one.
func (s *Session) newDrafts(ctx context.Context, o GenerateOptions) *drafts {
	if s.model.info.Recurrent || s.model.info.Hybrid {
		s.model.config.log("lookup is not used: the state of a recurrent model can't drop a rejected draft")
		return nil
	}
	most := o.LookupTokens
	if most == 0 {
		most = defaultLookup
	}
	// At most a micro-batch: with more, the cache of a sliding window may overwrite cells that
	// are needed again after the draft is rejected.
	d := &drafts{most: min(most, s.ubatch-1)}
	if err := s.countOutputs(ctx, d.most+1); err != nil {
		s.model.config.log("lookup is not used", "reason", err)
		return nil
	}
	d.pace.length = min(d.most, shortDraft)
	d.index.reset(s.tokens)
	return d
}

// draft returns a draft of the tokens after the tail. It may be empty.
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
		most = min(most, g.o.MaxTokens-g.writer.count-1)
	}
	d.buffer = d.index.draft(d.buffer[:0], most)
	if !g.o.IgnoreEOG {
		if i := slices.IndexFunc(d.buffer, s.model.isEOG); i >= 0 { // the text ends there
			d.buffer = d.buffer[:i]
		}
	}
	return d.buffer
}

// pace is how long drafts are and how often they are made.
type pace struct {
	length int // of the next draft
	pause  int // tokens without a draft after the last one, if it was rejected completely
	skip   int // the rest of them
}

// after returns the pace after a draft of which some tokens were accepted.
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

// sampled adds a sampled token to the index, and counts it if it was drafted.
func (d *drafts) sampled(t llama.Token) {
	if d == nil {
		return
	}
	d.index.add(t)
	if len(d.ahead) > 0 && d.ahead[0] == t {
		d.accepted++
	}
}

// confirms reports whether a sampled token is the next one of the draft, and removes it from
// the draft if so.
func (d *drafts) confirms(t llama.Token) bool {
	if d == nil || len(d.ahead) == 0 || d.ahead[0] != t {
		return false
	}
	d.ahead = d.ahead[1:]
	return true
}

// settle removes the rejected rest of a draft from the context.
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
		return errors.New("this model's memory can't drop a rejected draft: generate without lookup")
	}
	return nil
}
