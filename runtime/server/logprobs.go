package server

import (
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
	Logprobs []float32            `json:"token_logprobs"`
	Top      []map[string]float32 `json:"top_logprobs"`
	Offsets  []int                `json:"text_offset"`
}

// add appends tokens; offset is where the first one begins in the text, in characters.
func (o *oldLogprobs) add(list []logprob, offset int) (next int) {
	for _, l := range list {
		top := map[string]float32{}
		for _, a := range l.Top {
			top[a.Token] = a.Logprob
		}
		o.Tokens = append(o.Tokens, l.Token)
		o.Logprobs = append(o.Logprobs, l.Logprob)
		o.Top = append(o.Top, top)
		o.Offsets = append(o.Offsets, offset)
		offset += utf8.RuneCountInString(l.Token)
	}
	return offset
}
