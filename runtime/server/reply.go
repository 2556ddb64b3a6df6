package server

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
	"github.com/seed7adf6694/infer/runtime/schema"
)

// errEnough ends a request whose choices have what was asked for.
var errEnough = errors.New("enough")

// parser tells apart what a model writes.
type parser interface {
	Push(text string) []answer.Event
	End() []answer.Event
	Reasoning() bool
}

// reply is one choice of an answer in a chat.
type reply struct {
	index   int
	model   *runtime.Model
	parser  parser
	probs   []logprob // of tokens whose text was not sent yet
	wanted  bool      // log-probabilities
	oneCall bool
	shortID bool // calls have ids of nine letters and digits

	calls   int // that have begun
	thought int // tokens of reasoning
	kind    answer.Kind
	aside   bool   // the last token is none of a text: of reasoning, or space behind it
	finish  string // "" while it goes on
	cut     bool   // ended after its call
	stop    string // the text that ended it, "" if none did
}

func newReply(l *live, q *chatRequest, index int, reasoningOpen bool) *reply {
	p := &reply{index: index, model: l.model, wanted: q.Logprobs, oneCall: q.oneCall, shortID: strings.HasPrefix(l.format.String(), "mistral")}
	switch {
	case q.forced != nil && !l.format.Calls():
		p.parser = &forcedCall{}
	case q.structured, !q.thinking && len(q.options.Tools) == 0:
		p.parser = asContent{}
	default:
		o := answer.Options{ReasoningOpen: reasoningOpen}
		o.Tools = toolsOf(q.options.Tools)
		p.parser = answer.NewParser(l.format, o)
	}
	return p
}

func toolsOf(list []chat.Tool) (tools []answer.Tool) {
	for _, t := range list {
		tools = append(tools, answer.Tool{Name: t.Name, Parameters: t.Parameters})
	}
	return tools
}

// asContent takes all text as content.
type asContent struct{}

func (asContent) Push(text string) []answer.Event {
	if text == "" {
		return nil
	}
	return []answer.Event{{Kind: answer.Content, Text: text}}
}

func (asContent) End() []answer.Event { return nil }

func (asContent) Reasoning() bool { return false }

// push returns what a token adds.
func (p *reply) push(t runtime.Token) ([]answer.Event, error) {
	if p.wanted && t.Finish != runtime.FinishEOG && t.ID >= 0 {
		l, err := logprobOf(p.model, t)
		if err != nil {
			return nil, err
		}
		p.probs = append(p.probs, l)
	}
	p.aside = p.parser.Reasoning()
	list := p.note(p.parser.Push(t.Text))
	p.aside = p.aside || p.parser.Reasoning() || strings.TrimSpace(t.Text) == ""
	if p.kind == answer.Reasoning && p.parser.Reasoning() {
		p.thought++
	}
	if t.Finish != "" && p.finish == "" {
		p.stop = t.Stop
		list = append(list, p.end(t.Finish)...)
	}
	return list, nil
}

// note keeps what the events say of the state, and drops what comes after the only call.
func (p *reply) note(list []answer.Event) []answer.Event {
	for i, e := range list {
		p.kind = e.Kind
		switch e.Kind {
		case answer.CallBegin:
			p.calls++
		case answer.CallEnd:
			if p.oneCall {
				p.finish, p.cut = "tool_calls", true
				return list[:i+1]
			}
		}
	}
	return list
}

// end ends the choice, and returns what was held back.
func (p *reply) end(why runtime.FinishReason) []answer.Event {
	list := p.note(p.parser.End())
	if p.finish == "" {
		p.finish = finishOf(why)
		if p.calls > 0 && p.finish == "stop" {
			p.finish = "tool_calls"
		}
	}
	return list
}

// callID returns the id of a call, the model's own where it has written one. Mistral's templates refuse
// others than those of nine letters and digits.
func (p *reply) callID(e answer.Event) string {
	if e.ID != "" {
		return e.ID
	}
	if p.shortID {
		return randomID()[:9]
	}
	return "call_" + randomID()
}

func (p *reply) takeProbs() []logprob {
	list := p.probs
	p.probs = nil
	return list
}

func (p *reply) logprobs(list []logprob) *logprobList {
	if !p.wanted {
		return nil
	}
	if list == nil {
		list = []logprob{}
	}
	return &logprobList{Content: list}
}

// forceInFormat lets the model write nothing but a call of one of the tools, in the way of its family;
// in front of it reasoning, if the request or the prompt has begun it.
func (q *chatRequest) forceInFormat(f answer.Format, open bool) error {
	thinks := q.options.EnableThinking != nil && *q.options.EnableThinking
	grammar, _, err := f.ToolGrammar(toolsOf(q.forced), answer.Choice{Required: true, Reasoning: thinks, ReasoningOpen: open})
	if err != nil {
		return invalidSchema("%s", err)
	}
	q.Sampling.Grammar = grammar
	return nil
}

// invalidSchema is the error of tools that no grammar can obey.
func invalidSchema(format string, args ...any) *apiError {
	e := badField("tools", format, args...)
	e.code = "invalid_schema"
	return e
}

// guide makes calls valid, if the model makes some: from where it begins one, a grammar holds. Where the
// family has none, or the schema of a tool is more than a grammar can do, calls are as the model writes
// them, unless the request asks for strict ones.
func (q *chatRequest) guide(f answer.Format) error {
	grammar, triggers, err := f.ToolGrammar(toolsOf(q.options.Tools), answer.Choice{Parallel: !q.oneCall})
	switch {
	case err == nil:
		q.Sampling.Grammar, q.Sampling.GrammarTriggers = grammar, triggers
	case q.strict:
		return invalidSchema("strict: %s", err)
	}
	return nil
}

// forceByGrammar is for models that do not say how they call: a call is a JSON object with name and
// arguments, which [forcedCall] reads.
func (q *chatRequest) forceByGrammar() error {
	var calls []any
	for i, t := range q.forced {
		var parameters any = map[string]any{"type": "object"}
		if t.Parameters != nil {
			if err := json.Unmarshal(t.Parameters, &parameters); err != nil {
				return badField("tools", "parameters of %s: %s", t.Name, jsonReason(err))
			}
			parameters = moveRefs(parameters, "#/anyOf/"+itoa(i)+"/properties/arguments")
		}
		calls = append(calls, map[string]any{
			"type":       "object",
			"properties": json.RawMessage(`{"name":{"const":` + quoted(t.Name) + `},"arguments":` + mustEncode(parameters) + `}`), // in this order
			"required":   []string{"name", "arguments"}, "additionalProperties": false,
		})
	}
	grammar, err := schema.Grammar([]byte(mustEncode(map[string]any{"anyOf": calls})), schema.Options{Compact: true})
	if err != nil {
		return invalidSchema("%s", err)
	}
	q.Sampling.Grammar = grammar
	return nil
}

// moveRefs rewrites references within a schema that becomes a part of another.
func moveRefs(v any, to string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if ref, ok := x.(string); ok && k == "$ref" && strings.HasPrefix(ref, "#") {
				v[k] = to + strings.TrimPrefix(ref, "#")
			} else {
				v[k] = moveRefs(x, to)
			}
		}
	case []any:
		for i := range v {
			v[i] = moveRefs(v[i], to)
		}
	}
	return v
}

// forcedCall reads a call that a grammar has forced: it is complete at the end of the text.
type forcedCall struct {
	text strings.Builder
	done bool
}

func (f *forcedCall) Push(text string) []answer.Event {
	f.text.WriteString(text)
	if f.done || !strings.HasSuffix(strings.TrimSpace(text), "}") {
		return nil
	}
	return f.read()
}

// read returns the call if it is complete.
func (f *forcedCall) read() []answer.Event {
	var call struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if json.Unmarshal([]byte(f.text.String()), &call) != nil || call.Name == "" {
		return nil
	}
	f.done = true
	return []answer.Event{{Kind: answer.CallBegin, Name: call.Name}, {Kind: answer.CallArguments, Text: string(call.Arguments)}, {Kind: answer.CallEnd}}
}

// End returns what there is of a call that the limit of tokens has cut.
func (f *forcedCall) End() []answer.Event {
	if f.done || f.text.Len() == 0 {
		return nil
	}
	return []answer.Event{{Kind: answer.Content, Text: f.text.String()}}
}

func (f *forcedCall) Reasoning() bool { return false }

// render makes the prompt of a conversation, and reports whether it ends within reasoning.
func (l *live) render(q *chatRequest) (input, bool, error) {
	prompt, err := l.template.Render(q.messages, q.options)
	if err == nil {
		err = l.fits(prompt.Text)
	}
	if err != nil {
		return input{}, false, err
	}
	tokens, err := prompt.Tokens(l.model)
	if err != nil {
		return input{}, false, err
	}
	return input{tokens: tokens}, l.format.ReasoningOpen(prompt.Text), nil
}
