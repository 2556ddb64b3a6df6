//go:build cgo

package server

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

// TestLongListsAreCountedBeforeTheyAreRead sends lists with far too many elements: they are refused with
// the figure, and for little more memory than the body's.
func TestLongListsAreCountedBeforeTheyAreRead(t *testing.T) {
	const n = 1 << 20
	zeros := "[" + strings.Repeat("0,", n-1) + "0]"
	defaults := runtime.GenerateOptions{}
	chat := func(f *fields) { f.chatRequest(defaults) }
	responses := func(f *fields) { f.responsesRequest(defaults) }
	messages := func(f *fields) { f.messagesRequest(defaults, true) }
	for _, tt := range []struct {
		name, body, param string
		read              func(*fields)
	}{
		{"messages", `{"messages":` + zeros + `}`, "messages", chat},
		{"tools", `{"messages":[{"role":"user","content":"x"}],"tools":` + zeros + `}`, "tools", chat},
		{"parts", `{"messages":[{"role":"user","content":` + zeros + `}]}`, "messages[0].content", chat},
		{"calls", `{"messages":[{"role":"assistant","tool_calls":` + zeros + `}]}`, "messages[0].tool_calls", chat},
		{"values of the template", `{"messages":[{"role":"user","content":"x"}],"chat_template_kwargs":{"a":` + zeros + `}}`, "chat_template_kwargs", chat},
		{"stops", `{"messages":[{"role":"user","content":"x"}],"stop":` + zeros + `}`, "stop", chat},
		{"biases", `{"messages":[{"role":"user","content":"x"}],"logit_bias":` + zeros + `}`, "logit_bias", chat},
		{"a schema", `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"enum":` + zeros + `}}}]}`, "tools[0].function.parameters", chat},
		{"items", `{"input":` + zeros + `}`, "input", responses},
		{"parts of an item", `{"input":[{"role":"user","content":` + zeros + `}]}`, "input[0].content", responses},
		{"parts of a result", `{"input":[{"type":"function_call_output","call_id":"c","output":` + zeros + `}]}`, "input[0].output", responses},
		{"flat tools", `{"input":"x","tools":` + zeros + `}`, "tools", responses},
		{"a schema in a flat form", `{"input":"x","text":{"format":{"type":"json_schema","schema":{"enum":` + zeros + `}}}}`, "text.format.schema", responses},
		{"what is included", `{"input":"x","include":["",` + strings.Repeat(`"",`, n) + `""]}`, "include", responses},
		{"Anthropic's messages", `{"max_tokens":1,"messages":` + zeros + `}`, "messages", messages},
		{"Anthropic's tools", `{"max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":` + zeros + `}`, "tools", messages},
		{"Anthropic's blocks", `{"max_tokens":1,"messages":[{"role":"user","content":` + zeros + `}]}`, "messages[0].content", messages},
		{"Anthropic's stops", `{"max_tokens":1,"messages":[{"role":"user","content":"x"}],"stop_sequences":` + zeros + `}`, "stop_sequences", messages},
		{"texts to embed", `{"input":["",` + strings.Repeat(`"",`, n) + `""]}`, "input", func(f *fields) { f.toEmbed(&live{}) }},
		{"texts to embed as tokens", `{"input":[[1],` + strings.Repeat(`[],`, n) + `[1]]}`, "input", func(f *fields) { f.toEmbed(&live{}) }},
		{"documents", `{"documents":` + zeros + `}`, "documents", func(f *fields) { f.documents() }},
		{"prompts", `{"prompt":["",` + strings.Repeat(`"",`, n) + `""]}`, "prompt", func(f *fields) { f.inputs("prompt", "prompts", mostPrompts) }},
		{"prompts of tokens", `{"prompt":[[1],` + strings.Repeat(`[],`, n) + `[1]]}`, "prompt", func(f *fields) { f.inputs("prompt", "prompts", mostPrompts) }},
		{"parts of a prompt", `{"prompt":["",` + strings.Repeat(`1,`, n) + `""]}`, "prompt", func(f *fields) { f.mixedInputs(&live{}) }},
		{"parts of prompts", `{"prompt":["",[` + strings.Repeat(`1,`, n) + `1]]}`, "prompt", func(f *fields) { f.mixedInputs(&live{}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parseFields([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			tt.read(f)
			goruntime.ReadMemStats(&after)
			took := after.TotalAlloc - before.TotalAlloc
			if f.err == nil || f.err.param != tt.param || !strings.Contains(f.err.message, "use ") || took > 4*uint64(len(tt.body)) {
				t.Errorf("%v, %d bytes for a body of %d", f.err, took, len(tt.body))
			}
		})
	}
	var many strings.Builder
	for i := range 2 * mostFields {
		fmt.Fprintf(&many, `"%d":0,`, i)
	}
	if _, err := parseFields([]byte("{" + many.String() + `"prompt":""}`)); err == nil || !strings.Contains(err.message, "fields: use at most") {
		t.Errorf("%v", err)
	}
}

// The arguments of calls become values of a template, too.
func TestArgumentsOfCallsAreCounted(t *testing.T) {
	zeros := "[" + strings.Repeat("0,", mostValues) + "0]"
	for _, tt := range []struct {
		body, param string
		read        func(*fields)
	}{
		{`{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"` + zeros + `"}}]}]}`, "messages[0].tool_calls[0].function.arguments", func(f *fields) { f.messages() }},
		{`{"input":[{"type":"function_call","name":"f","arguments":"` + zeros + `"}]}`, "input[0].arguments", func(f *fields) { f.conversation() }},
		{`{"max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"a":` + zeros + `}}]}]}`, "messages[0].content[0].input", func(f *fields) { f.messagesRequest(runtime.GenerateOptions{}, true) }},
	} {
		f, err := parseFields([]byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if tt.read(f); f.err == nil || f.err.param != tt.param || !strings.Contains(f.err.message, "use at most") {
			t.Errorf("%v, want %s", f.err, tt.param)
		}
	}
}

func TestAnthropicsFieldsAreObeyedOrRefusedByName(t *testing.T) {
	for _, tt := range []struct{ name, fields, param string }{
		{"edits that leave out nothing", `"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}`, ""},
		{"no edits", `"context_management":{"edits":[]}`, ""},
		{"results that are left out", `"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}`, "context_management.edits[0].type"},
		{"thoughts that are left out", `"context_management":{"edits":[{"type":"clear_thinking_20251015"}]}`, "context_management.edits[0].type"},
		{"thoughts of some turns", `"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":{"type":"thinking_turns","value":1}}]}`, "context_management.edits[0].keep"},
		{"an edit that is none", `"context_management":{"edits":[7]}`, "context_management.edits[0]"},
		{"a container", `"container":"c"`, "container"},
		{"no container", `"container":null,"metadata":{}`, ""},
		{"thoughts", `"thinking":{"type":"enabled","budget_tokens":1024,"display":"summarized"}`, ""},
		{"thoughts shown in another way", `"thinking":{"type":"enabled","display":"loud"}`, "thinking.display"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parseFields([]byte(`{"max_tokens":1,"messages":[{"role":"user","content":"x"}],` + tt.fields + `}`))
			if err != nil {
				t.Fatal(err)
			}
			q := f.messagesRequest(runtime.GenerateOptions{}, true)
			if err = f.done(); (err == nil) != (tt.param == "") || err != nil && err.param != tt.param || q.thoughtless {
				t.Errorf("%v, want %q", err, tt.param)
			}
		})
	}
	f, _ := parseFields([]byte(`{"messages":[{"role":"assistant","content":null,"refusal":"No."}]}`))
	if list := f.messages(); len(list) != 1 || list[0].Content != "No." {
		t.Errorf("%+v, %v", list, f.err)
	}
}

func TestElementsAreCounted(t *testing.T) {
	for text, want := range map[string][3]int{
		"[]": {0, 1, 1}, "[ ]": {0, 1, 1}, "{}": {0, 1, 1}, "7": {0, 1, 0}, `"a,b"`: {0, 1, 0}, "[1]": {1, 2, 1}, "[1,2 , 3]": {3, 4, 1}, `["a,\"b,[[]","\\",[1,2]]`: {3, 6, 2}, `{"a":[1,2],"b":{"c":","}}`: {2, 6, 2},
		`[[],{"a":[[]]},[[]]]`: {3, 7, 4},
	} {
		if top, all, nested := elements([]byte(text)); top != want[0] || all != want[1] || nested != want[2] {
			t.Errorf("%s: %d, %d, %d, want %v", text, top, all, nested, want)
		}
	}
}
