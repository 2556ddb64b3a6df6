package server

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
)

// Limits of lists in chats.
const (
	mostMessages = 10000
	mostTools    = 128
)

// chatRequest is a request for an answer in a chat, whichever API it came by.
type chatRequest struct {
	*generation
	messages []chat.Message
	options  chat.Options
	// forced are the tools of which the answer has to call one; nil: it may.
	forced     []chat.Tool
	strict     bool // calls have to be valid, or the request is refused
	oneCall    bool // at most one call
	thinking   bool // reasoning is told apart
	structured bool // the whole answer is JSON for a schema
	// thoughtless answers leave reasoning out.
	thoughtless bool
}

// chatRequest reads the fields of /v1/chat/completions.
func (f *fields) chatRequest(defaults runtime.GenerateOptions) *chatRequest {
	q := f.answer(defaults)
	q.messages = f.messages()
	f.tools(q)
	f.boolean("logprobs", &q.Logprobs)
	if f.integer("top_logprobs", &q.TopLogprobs, 0, mostTop) && q.TopLogprobs > 0 && !q.Logprobs {
		f.fail("top_logprobs", "it needs \"logprobs\": true")
	}
	q.structured = f.constraint(&q.Sampling)
	if modalities := []string{}; f.words("modalities", &modalities, mostFields) && (len(modalities) != 1 || modalities[0] != "text") {
		f.failWith(unsupported("modalities", "only text is supported"))
	}
	f.verbosity()
	f.ignore("prediction") // a hint for speed
	f.onlyOneGrammar(q, "response_format")
	return q
}

// answer reads the fields that OpenAI's two APIs for chats share. lengths are those of [fields.generation].
func (f *fields) answer(defaults runtime.GenerateOptions, lengths ...string) *chatRequest {
	q := &chatRequest{generation: f.generation(defaults, lengths...), thinking: true}
	if q.PromptOnly {
		f.fail(q.length, "0 is out of range: use 1 or more, or -1 for no limit")
	}
	q.options.Now = time.Now()
	parallel := true
	if f.boolean("parallel_tool_calls", &parallel) {
		q.oneCall = !parallel
	}
	f.reasoning(q)
	f.only("add_generation_prompt", true, "continuing a message is not supported: leave it out")
	f.only("parse_tool_calls", true, "tool calls are always parsed: leave it out")
	return q
}

func (f *fields) verbosity() {
	f.only("verbosity", "medium", "chat templates do not have it: leave it out")
}

// onlyOneGrammar refuses a call that is required beside a grammar, which may come from the field format.
func (f *fields) onlyOneGrammar(q *chatRequest, format string) {
	if q.forced != nil && q.Sampling.Grammar != "" {
		f.fail("tool_choice", "a call that is required and a grammar or %s exclude each other", format)
	}
}

// reasoning reads whether the model thinks, and where that goes.
func (f *fields) reasoning(q *chatRequest) {
	extra := map[string]any{}
	if f.small("chat_template_kwargs", f.raw["chat_template_kwargs"]) && f.into("chat_template_kwargs", "an object", &extra) {
		q.options.Extra = extra
		if think, ok := extra["enable_thinking"].(bool); ok {
			q.options.EnableThinking = &think
		}
	}
	think := false
	if f.boolean("enable_thinking", &think) {
		q.options.EnableThinking = &think
	}
	f.effort("reasoning_effort", q)
	format := ""
	if f.choice("reasoning_format", &format, "auto", "deepseek", "none") {
		q.thinking = format != "none"
	}
}

// effort reads how much the model thinks.
func (f *fields) effort(name string, q *chatRequest) {
	effort := ""
	if !f.choice(name, &effort, "none", "minimal", "low", "medium", "high", "xhigh", "max") {
		return
	}
	on := effort != "none"
	if q.options.EnableThinking == nil {
		q.options.EnableThinking = &on
	}
	if q.options.Extra == nil {
		q.options.Extra = map[string]any{}
	}
	if _, given := q.options.Extra["reasoning_effort"]; !given && on {
		q.options.Extra["reasoning_effort"] = effort
	}
}

// messages reads the conversation.
func (f *fields) messages() (list []chat.Message) {
	raw := f.list("messages", mostMessages)
	switch {
	case f.err != nil:
		return nil
	case len(raw) == 0:
		f.fail("messages", "it is missing or empty")
		return nil
	}
	for i, text := range raw {
		m := f.element("messages", i, text)
		list = append(list, m.message())
		if e := m.done(); e != nil {
			f.failWith(e)
			return nil
		}
	}
	return list
}

// message reads one message.
func (f *fields) message() (m chat.Message) {
	if !f.choice("role", &m.Role, "system", "developer", "user", "assistant", "tool") {
		f.fail("role", "it is missing")
	}
	if m.Role == "developer" { // OpenAI's newer word for the same
		m.Role = "system"
	}
	f.text("name", &m.Name)
	if !f.content(&m.Content) && m.Role != "assistant" {
		f.fail("content", "it is missing")
	}
	if m.Role == "assistant" {
		f.text("reasoning_content", &m.ReasoningContent)
		f.toolCalls(&m)
		f.only("audio", nil, "audio is not supported")
		if refusal := ""; f.text("refusal", &refusal) && m.Content == "" {
			m.Content = refusal
		}
		f.ignore("annotations", "parsed", "timings")
	}
	if m.Role == "tool" && !f.text("tool_call_id", &m.ToolCallID) {
		f.fail("tool_call_id", "it is missing")
	}
	return m
}

// content reads a text, or parts of type text, which become lines.
func (f *fields) content(to *string) bool { return f.parts("content", to, "text") }

// parts reads a text, or parts of some types with a text, which become lines.
func (f *fields) parts(name string, to *string, kinds ...string) bool {
	raw := f.take(name)
	if raw == nil {
		return false
	}
	if json.Unmarshal(raw, to) == nil {
		return true
	}
	var list []json.RawMessage
	if !f.few(name, raw, mostParts, "parts") {
		return false
	}
	if json.Unmarshal(raw, &list) != nil {
		f.fail(name, "want a string or an array of parts")
		return false
	}
	var parts []string
	for i, text := range list {
		p := f.element(name, i, text)
		kind, part := "", ""
		p.text("type", &kind)
		switch {
		case slices.Contains(kinds, kind):
			p.text("text", &part)
		case kind == "refusal":
			p.text("refusal", &part)
		case kind == "":
			p.fail("type", "it is missing")
		default:
			p.failWith(unsupported(p.path+"type", fmt.Sprintf("parts of type %s are not supported: use %s", words.Quoted(kind), kinds[0])))
		}
		p.ignore("cache_control", "prompt_cache_breakpoint")
		if kind == "output_text" {
			p.ignore("annotations", "logprobs", "parsed")
		}
		if e := p.done(); e != nil {
			f.failWith(e)
			return false
		}
		parts = append(parts, part)
	}
	*to = strings.Join(parts, "\n")
	return true
}

// toolCalls reads the calls of an earlier answer.
func (f *fields) toolCalls(m *chat.Message) {
	for i, text := range f.list("tool_calls", mostParts) {
		t := f.element("tool_calls", i, text)
		var call chat.ToolCall
		t.text("id", &call.ID)
		t.only("type", "function", "only calls of type function are supported")
		t.ignore("index")
		if fn := t.object("function"); fn != nil {
			fn.text("name", &call.Name)
			call.Arguments = fn.arguments()
			fn.failWithUnknown(t)
		}
		if call.Name == "" {
			t.fail("function.name", "it is missing")
		}
		m.ToolCalls = append(m.ToolCalls, call)
		if e := t.done(); e != nil {
			f.failWith(e)
			return
		}
	}
}

// arguments reads the arguments of a call of an earlier answer.
func (f *fields) arguments() json.RawMessage {
	text := ""
	if f.text("arguments", &text); strings.TrimSpace(text) == "" {
		text = "{}"
	}
	raw := json.RawMessage(text)
	if !json.Valid(raw) {
		f.fail("arguments", "it is not JSON")
	}
	f.small("arguments", raw)
	return raw
}

var toolName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// tools reads the tools and which of them the answer has to call.
func (f *fields) tools(q *chatRequest) {
	for i, text := range f.list("tools", mostTools) {
		t := f.element("tools", i, text)
		t.only("type", "function", "only tools of type function are supported")
		var tool chat.Tool
		if fn := t.object("function"); fn != nil {
			q.strict = fn.tool(&tool, "parameters") || q.strict
			fn.failWithUnknown(t)
		} else {
			t.fail("function", "it is missing")
		}
		if e := t.done(); e != nil {
			f.failWith(e)
			return
		}
		q.options.Tools = append(q.options.Tools, tool)
	}
	f.toolChoice(q, "function")
}

// tool reads the description of a function, and whether its calls have to be valid.
func (f *fields) tool(to *chat.Tool, parameters string) (strict bool) {
	if f.text("name", &to.Name); !toolName.MatchString(to.Name) {
		f.fail("name", "%s: want 1 to 128 letters, digits, underscores, dots and dashes", words.Quoted(to.Name))
	}
	f.text("description", &to.Description)
	to.Parameters = f.take(parameters)
	var object map[string]json.RawMessage
	if to.Parameters != nil && f.small(parameters, to.Parameters) && json.Unmarshal(to.Parameters, &object) != nil {
		f.fail(parameters, "want a JSON schema, an object")
	}
	f.boolean("strict", &strict)
	f.ignore("cache_control")
	return strict
}

// toolChoice reads which tools may or must be called. The name of one is in the object inner, or beside the
// type if that is "".
func (f *fields) toolChoice(q *chatRequest, inner string) {
	raw := f.take("tool_choice")
	if raw == nil {
		return
	}
	want := `want none, auto, required, or {"type": "function", "name": NAME}`
	if inner != "" {
		want = `want none, auto, required, or {"type": "function", "function": {"name": NAME}}`
	}
	word := ""
	if json.Unmarshal(raw, &word) == nil {
		switch word {
		case "none":
			q.options.Tools = nil
		case "auto":
		case "required":
			if q.forced = q.options.Tools; len(q.forced) == 0 {
				f.fail("tool_choice", "a call is required and there are no tools")
			}
		default:
			f.fail("tool_choice", "%s", want)
		}
		return
	}
	if !f.few("tool_choice", raw, mostFields, "fields") {
		return
	}
	o, kind, name := &fields{path: f.path + "tool_choice."}, "", ""
	if json.Unmarshal(raw, &o.raw) == nil {
		o.text("type", &kind)
		of := o
		if inner != "" {
			of = o.object(inner)
		}
		if of != nil {
			of.text("name", &name)
		}
		if of != nil && of != o {
			of.failWithUnknown(o)
		}
	}
	if kind != "function" || name == "" {
		f.fail("tool_choice", "%s", want)
		return
	}
	o.failWithUnknown(f)
	f.force(q, name)
}

// force makes the answer a call of one tool.
func (f *fields) force(q *chatRequest, name string) {
	for _, t := range q.options.Tools {
		if t.Name == name {
			q.forced, q.oneCall = []chat.Tool{t}, true
			return
		}
	}
	f.fail("tool_choice", "there is no tool %s in tools", words.Quoted(name))
}
