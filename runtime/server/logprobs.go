package server

import (
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/runtime"
)

// alternative is a token with its log-probability, as chats have it.
type alternative struct {
	Token   string   `json:"token"`
	Logprob float32  `json:"logprob"`
	Bytes   byteList `json:"bytes"`
}

// byteList is a text that becomes an array of its bytes.
type byteList string

// MarshalJSON writes the array.
func (l byteList) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i := range len(l) {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(l[i]), 10)
	}
	return append(b, ']'), nil
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
	return alternative{Token: piece, Logprob: finite(p), Bytes: byteList(piece)}
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

// add appends a token with its place in the text, in characters.
func (o *oldLogprobs) add(l logprob, offset int) {
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
}

// addPrompt appends the tokens of a prompt. The first one follows nothing.
func (o *oldLogprobs) addPrompt(p prefix) {
	for i, l := range p.probs {
		o.add(l, p.offsets[i])
	}
	if len(p.probs) > 0 {
		o.Logprobs[0], o.Top[0] = nil, nil
	}
}
