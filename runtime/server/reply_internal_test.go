//go:build cgo

package server

import (
	"regexp"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases/instruct"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// atOnce returns events from one token.
type atOnce []answer.Event

func (a atOnce) Push(string) []answer.Event { return a }
func (a atOnce) End() []answer.Event        { return nil }
func (a atOnce) Reasoning() bool            { return false }

// The parts of calls have the call's number, also if a token ends one call and begins the next.
func TestStreamedCallsHaveTheirNumbers(t *testing.T) {
	p := &reply{parser: atOnce{
		{Kind: answer.CallBegin, Name: "a"}, {Kind: answer.CallArguments, Text: "{}"}, {Kind: answer.CallEnd},
		{Kind: answer.CallBegin, Call: 1, Name: "b"}, {Kind: answer.CallArguments, Call: 1, Text: "{}"}, {Kind: answer.CallEnd, Call: 1},
	}}
	list, err := p.push(runtime.Token{Text: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, e := range list {
		if d := p.delta(e); d != nil {
			got = append(got, *d.Calls[0].Index)
		}
	}
	if len(got) != 4 || got[0] != 0 || got[1] != 0 || got[2] != 1 || got[3] != 1 {
		t.Errorf("%v", got)
	}
}

// The templates of Mistral's models refuse ids that are not nine letters and digits.
func TestIDsOfCallsSuitTheTemplate(t *testing.T) {
	for template, want := range map[string]string{"[TOOL_CALLS]": "^[a-zA-Z0-9]{9}$", "[TOOL_CALLS][ARGS]": "^[a-zA-Z0-9]{9}$", "<tool_call>": "^call_[0-9a-f]{24}$"} {
		p := newReply(&live{format: answer.Detect(template)}, &chatRequest{generation: &generation{}}, 0, false)
		if id := p.callID(answer.Event{Kind: answer.CallBegin}); !regexp.MustCompile(want).MatchString(id) {
			t.Errorf("%s: %s", template, id)
		}
		if id := p.callID(answer.Event{Kind: answer.CallBegin, ID: "own"}); id != "own" {
			t.Errorf("%s: %s", template, id)
		}
	}
}

// Tokens of reasoning are those before its end, not what a call begins with until it is sure to be one.
func TestTokensOfReasoningAreCounted(t *testing.T) {
	for _, tt := range []struct {
		template string
		open     bool
		tokens   []string
		want     int
	}{
		{instruct.Hermes, false, []string{"<think>", "I", " ask", ".", "</think>", "\n\n", "<tool_call>", "\n", `{"name": `, `"f", `, `"arguments": `, "{}", "}", "\n</tool_call>"}, 3},
		{instruct.Hermes, true, []string{"I", " ask", ".", "</think>", "\n\n", "<", "b", ">"}, 3},
		{instruct.Hermes, false, []string{"A", " text"}, 0},
		{"<|channel|><|message|>", false, []string{"<|channel|>", "analysis", "<|message|>", "I", " ask", ".", "<|end|>", "<|start|>", "assistant", "<|channel|>", "final", "<|message|>", "Yes"}, 3},
	} {
		q := &chatRequest{generation: &generation{}, thinking: true}
		q.options.Tools = []chat.Tool{{Name: "f"}}
		p := newReply(&live{format: answer.Detect(tt.template)}, q, 0, tt.open)
		for _, text := range tt.tokens {
			if _, err := p.push(runtime.Token{Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		if p.thought != tt.want {
			t.Errorf("%q: %d tokens of reasoning, want %d", tt.tokens, p.thought, tt.want)
		}
	}
}
