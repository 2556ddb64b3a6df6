package server

import (
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/runtime"
)

// alternative is a token with its log-probability, as chats have it.
type alternative struct {
	Token   string  `json:"token"`
	Logprob float32 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// logprob is a token of an answer with its alternatives.
type logprob struct {
	alternative
	Top []alternative `json:"top_logprobs"`
}

// logprobList is OpenAI's object in chats.
type logprobList struct {
	Content []logprob `json:"content"`
	Refusal []logprob `json:"refusal"`
}

// leastLogprob stands for probability 0, whose logarithm JSON does not have; OpenAI's number.
const leastLogprob = -9999

func finite(x float32) float32 {
	if x != x || x < leastLogprob {
		return leastLogprob
	}
	return x
}

func newAlternative(piece string, p float32) alternative {
	a := alternative{Token: piece, Logprob: finite(p), Bytes: make([]int, len(piece))}
	for i := range len(piece) {
		a.Bytes[i] = int(piece[i])
	}
	return a
}

// logprobOf returns the entry of a generated token.
func logprobOf(m *runtime.Model, t runtime.Token) (logprob, error) {
	piece, err := m.Piece(t.ID)
	if err != nil {
		return logprob{}, err
	}
	l := logprob{newAlternative(piece, t.Logprob), []alternative{}}
	for _, top := range t.Top {
		l.Top = append(l.Top, newAlternative(top.Text, top.Logprob))
	}
	return l, nil
}

// oldLogprobs is OpenAI's object in completions.
type oldLogprobs struct {
	Tokens   []string             `json:"tokens"`
	Logprobs []*float32           `json:"token_logprobs"` // null for a token that follows nothing
	Top      []map[string]float32 `json:"top_logprobs"`
	Offsets  []int                `json:"text_offset"`
}

// addPrompt appends the tokens of a prompt and returns the length of its text in characters. A token that
// the text does not have, as one that the tokenizer has put in front, takes no room in it, and neither does
// the space that some tokenizers put before a text. The first token follows nothing.
func (o *oldLogprobs) addPrompt(list []logprob, text string) (next int) {
	at, offset := 0, 0 // bytes and characters
	for i, l := range list {
		o.add(list[i:i+1], offset)
		if i == 0 {
			o.Logprobs[0], o.Top[0] = nil, nil
		}
		switch piece := l.Token; {
		case strings.HasPrefix(text[at:], piece):
		case at == 0 && strings.HasPrefix(piece, " ") && strings.HasPrefix(text, piece[1:]):
			l.Token = piece[1:]
		default:
			continue
		}
		for range len(l.Token) {
			if at++; at == len(text) || utf8.RuneStart(text[at]) {
				offset++
			}
		}
	}
	return utf8.RuneCountInString(text)
}

// add appends tokens; offset is where the first one begins in the text, in characters.
func (o *oldLogprobs) add(list []logprob, offset int) (next int) {
	for _, l := range list {
		top := map[string]float32{}
		for _, a := range l.Top {
			name := strings.ToValidUTF8(a.Token, "\ufffd") // as JSON has it
			if _, ok := top[name]; !ok {                   // of two tokens with one text, the likelier
				top[name] = a.Logprob
			}
		}
		o.Tokens = append(o.Tokens, l.Token)
		o.Logprobs = append(o.Logprobs, &l.Logprob)
		o.Top = append(o.Top, top)
		o.Offsets = append(o.Offsets, offset)
		offset += utf8.RuneCountInString(l.Token)
	}
	return offset
}
