package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
)

// responsesRequest is a request for an answer by OpenAI's Responses API.
type responsesRequest struct {
	*chatRequest
	echo    map[string]any // the settings, as the answer repeats them
	summary bool           // reasoning comes as its summary
	sealed  bool           // and as encrypted_content
	// spaces are the namespaces, "" for none, and the names of functions by the name that the model knows.
	spaces map[string][2]string
}

// echoed returns the settings of a request that its answer repeats; those that it does not have are the
// defaults. Nothing is kept, whatever the request says.
func (q *responsesRequest) echoed(given map[string]json.RawMessage, defaults runtime.GenerateOptions) map[string]any {
	d, s := runtime.DefaultSampling(), defaults.Sampling
	effective := func(x, otherwise, off float32) float32 {
		switch x {
		case 0:
			return otherwise
		case runtime.Off:
			return off
		}
		return x
	}
	o := map[string]any{
		"background": false, "instructions": nil, "max_tool_calls": nil, "metadata": map[string]any{}, "parallel_tool_calls": true,
		"previous_response_id": nil, "prompt_cache_key": nil, "reasoning": map[string]any{"effort": nil, "summary": nil}, "safety_identifier": nil,
		"temperature": effective(s.Temperature, d.Temperature, 0), "text": map[string]any{"format": map[string]any{"type": "text"}},
		"tool_choice": "auto", "tools": []any{}, "top_logprobs": 0, "top_p": effective(s.TopP, d.TopP, 1), "truncation": "disabled", "user": nil,
	}
	if s.Greedy {
		o["temperature"] = 0
	}
	for name := range o {
		raw := given[name]
		if raw == nil || string(raw) == "null" {
			continue
		}
		if !utf8.Valid(raw) { // as it was read
			raw = bytes.ToValidUTF8(raw, []byte("\ufffd"))
		}
		var parts map[string]json.RawMessage
		if with, ok := o[name].(map[string]any); ok && json.Unmarshal(raw, &parts) == nil {
			for part, raw := range parts {
				if string(raw) != "null" {
					with[part] = raw
				}
			}
			continue
		}
		o[name] = raw
	}
	o["store"], o["service_tier"], o["max_output_tokens"] = false, "default", nil
	if q.MaxTokens > 0 {
		o["max_output_tokens"] = q.MaxTokens
	}
	return o
}

// responsesRequest reads the fields of /v1/responses.
func (f *fields) responsesRequest(defaults runtime.GenerateOptions) *responsesRequest {
	q := &responsesRequest{spaces: map[string][2]string{}}
	given := maps.Clone(f.raw)
	f.metadata()
	for _, name := range []string{"user", "safety_identifier", "prompt_cache_key"} {
		var id string
		f.text(name, &id) // it is repeated
	}
	f.only("n", 1, "a response has one answer: leave it out")
	f.only("timings_per_token", false, "it is not supported here: leave it out")
	q.chatRequest = f.answer(defaults, "max_output_tokens")
	q.messages = f.conversation()
	f.flatTools(q, "", "")
	f.toolChoice(q.chatRequest, "")
	f.thoughts(q)
	f.included(q)
	from, text := "", json.RawMessage(nil)
	if o := f.object("text"); o != nil {
		if format := o.object("format"); format != nil {
			from, text = format.format("")
			format.failWithUnknown(o)
		}
		o.verbosity()
		o.failWithUnknown(f)
	}
	q.structured = f.constrain(&q.Sampling, from, text)
	f.onlyOneGrammar(q.chatRequest, "text.format")
	for _, name := range []string{"previous_response_id", "conversation"} {
		f.only(name, nil, "nothing is kept from one request to the next: send the whole conversation as input")
	}
	f.only("prompt", nil, "prompts are not kept here: use instructions and input")
	f.only("background", false, "nothing is kept that could be fetched later: leave it out")
	f.only("truncation", "disabled", "items are not left out: leave it out, or shorten the conversation")
	f.only("context_management", nil, "items are not left out: leave it out, or shorten the conversation")
	f.only("moderation", nil, "it is not supported: leave it out")
	var calls int
	f.integer("max_tool_calls", &calls, 1, most) // of tools that run at the server: there are none
	f.ignore("client_metadata", "prompt_cache_options")
	if f.err == nil {
		q.echo = q.echoed(given, defaults)
	}
	return q
}

// Limits of metadata: OpenAI's.
const (
	mostMetadata      = 16  // texts
	mostMetadataName  = 64  // characters
	mostMetadataValue = 512 // characters
)

// metadata checks the texts that an answer repeats.
func (f *fields) metadata() {
	o := f.object("metadata")
	if o == nil {
		return
	}
	if n := len(o.raw); n > mostMetadata {
		f.fail("metadata", "%d texts: use at most %d", n, mostMetadata)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(o.raw)) {
		if n := utf8.RuneCountInString(name); n > mostMetadataName {
			f.fail("metadata", "a name of %d characters: use at most %d", n, mostMetadataName)
			return
		}
		value := ""
		if o.text(name, &value); utf8.RuneCountInString(value) > mostMetadataValue {
			o.fail(name, "%d characters: use at most %d", utf8.RuneCountInString(value), mostMetadataValue)
		}
	}
	o.failWithUnknown(f)
}

// thoughts reads how much the model thinks, and in which form that comes.
func (f *fields) thoughts(q *responsesRequest) {
	o := f.object("reasoning")
	if o == nil {
		return
	}
	o.effort("effort", q.chatRequest)
	for _, name := range []string{"summary", "generate_summary"} {
		form := ""
		if o.choice(name, &form, "auto", "detailed", "concise"); form == "concise" {
			o.failWith(unsupported(o.path+name, "reasoning is not shortened: use auto or detailed, which have all of it"))
		}
		q.summary = q.summary || form != ""
	}
	o.only("context", "auto", "the model's chat template decides which reasoning it is shown: leave it out")
	o.failWithUnknown(f)
}

// included reads what the answer has beside the text.
func (f *fields) included(q *responsesRequest) {
	var list []string
	f.words("include", &list, mostFields)
	for _, name := range list {
		switch name {
		case "reasoning.encrypted_content":
			q.sealed = true
		case "message.output_text.logprobs":
			q.Logprobs = true
		default:
			f.failWith(unsupported(f.path+"include", words.Quoted(name)+" is not supported: use reasoning.encrypted_content or message.output_text.logprobs"))
		}
	}
	if f.integer("top_logprobs", &q.TopLogprobs, 0, mostTop) && q.TopLogprobs > 0 {
		q.Logprobs = true
	}
}

// flatTools reads functions, and those of namespaces, which the model knows by the names of both.
func (f *fields) flatTools(q *responsesRequest, space, about string) {
	for i, text := range f.list("tools", mostTools) {
		t := f.element("tools", i, text)
		kind, name := "function", ""
		t.text("type", &kind)
		switch {
		case kind == "function":
			var tool chat.Tool
			q.strict = t.tool(&tool, "parameters") || q.strict
			t.only("defer_loading", false, "tools are not searched for: leave it out")
			t.only("async", false, "calls are not waited for here: leave it out")
			own := [2]string{space, tool.Name}
			if name = inSpace(space, tool.Name); space != "" {
				tool.Name, tool.Description, about = name, joined(about, tool.Description), ""
			}
			if other, taken := q.spaces[name]; taken && other != own {
				t.fail("name", "the model knows this function as %s, as it does another one: use another name", words.Quoted(name))
			}
			q.spaces[name] = own
			if q.options.Tools = append(q.options.Tools, tool); len(q.options.Tools) > mostTools {
				f.fail("tools", "more than %d functions: use at most %d", mostTools, mostTools)
			}
		case kind == "namespace" && space == "":
			if t.text("name", &name); !toolName.MatchString(name) {
				t.fail("name", "%s: want 1 to 128 letters, digits, underscores, dots and dashes", words.Quoted(name))
			}
			var of string // before its first function
			t.text("description", &of)
			t.flatTools(q, name, of)
		default:
			t.failWith(unsupported(t.path+"type", fmt.Sprintf("tools of type %s are not supported: leave it out, and use functions", words.Quoted(kind))))
		}
		if e := t.done(); e != nil {
			f.failWith(e)
		}
		if f.err != nil {
			return
		}
	}
}

// inSpace returns the name of a function of a namespace as the model knows it; without a namespace it has
// its own.
func inSpace(space, name string) string {
	if space == "" {
		return name
	}
	return space + "__" + name
}

// brokenOff reports whether the arguments of a call end before they are JSON, and takes them if they do.
func (f *fields) brokenOff() bool {
	text := ""
	if json.Unmarshal(f.raw["arguments"], &text) != nil || json.Valid([]byte(text)) {
		return false
	}
	f.ignore("arguments")
	return true
}

// conversation reads instructions and input. What the assistant has thought, said and called in one turn
// becomes one message, and what the system says at the begin another: templates have no others. Thoughts
// that can't be read and calls that were broken off are left out.
func (f *fields) conversation() []chat.Message {
	var c turns
	text := ""
	if f.text("instructions", &text); text != "" {
		c.add(chat.Message{Role: "system", Content: text})
	}
	if raw := f.raw["input"]; len(raw) > 0 && raw[0] == '"' {
		f.text("input", &text)
		c.add(chat.Message{Role: "user", Content: text})
		return c.messages()
	}
	read := false
	for i, text := range f.list("input", mostMessages) {
		it := f.element("input", i, text)
		m := it.item()
		if e := it.done(); e != nil {
			f.failWith(e)
			return nil
		}
		if m.Role != "" {
			c.add(m)
			read = true
		}
	}
	if !read {
		f.fail("input", "it is missing or empty")
	}
	return c.messages()
}

// turns are messages of which some are made of several items. Texts are joined at the end, once: there may
// be thousands.
type turns struct {
	list          []chat.Message
	said, thought [][]string // of each message
}

func (t *turns) add(m chat.Message) {
	last := len(t.list) - 1
	if last < 0 || t.list[last].Role != m.Role || m.Role != "assistant" && (m.Role != "system" || last > 0) {
		t.list, t.said, t.thought = append(t.list, m), append(t.said, []string{m.Content}), append(t.thought, []string{m.ReasoningContent})
		return
	}
	t.said[last] = append(t.said[last], m.Content)
	t.thought[last] = append(t.thought[last], m.ReasoningContent)
	t.list[last].ToolCalls = append(t.list[last].ToolCalls, m.ToolCalls...)
}

func (t *turns) messages() []chat.Message {
	for i := range t.list {
		t.list[i].Content, t.list[i].ReasoningContent = joined(t.said[i]...), joined(t.thought[i]...)
	}
	return t.list
}

// inTurns makes a message of those that a user has sent one after the other, as some templates want it, and
// reports whether there were some. Codex sends what it knows of its surroundings in front of the question.
func (q *responsesRequest) inTurns() bool {
	var list []chat.Message
	for from := 0; from < len(q.messages); {
		m, texts := q.messages[from], []string{q.messages[from].Content}
		for from++; from < len(q.messages) && m.Role == "user" && q.messages[from].Role == "user"; from++ {
			texts = append(texts, q.messages[from].Content)
		}
		m.Content = joined(texts...)
		list = append(list, m)
	}
	fewer := len(list) < len(q.messages)
	q.messages = list
	return fewer
}

// joined puts empty lines between texts.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "\n\n")
}

// sealedMark begins the encrypted_content of this server, which has the reasoning as it is: nothing is
// kept that it would have to be kept from. Other servers' can't be read.
const sealedMark = "infer:"

// item reads an item of a conversation as a message, or as what an assistant's message is made of. Thoughts
// that can't be read and calls that were broken off have no role.
func (f *fields) item() (m chat.Message) {
	kind, space, status := "message", "", ""
	f.text("type", &kind)
	f.text("status", &status)
	f.ignore("id")
	switch kind {
	case "message":
		if !f.choice("role", &m.Role, "user", "assistant", "system", "developer") {
			f.fail("role", "it is missing")
		}
		if !f.parts("content", &m.Content, "input_text", "output_text", "text") {
			f.fail("content", "it is missing")
		}
		if m.Role == "developer" {
			m.Role = "system"
		}
		f.ignore("phase")
	case "reasoning":
		summary, sealed := "", ""
		f.parts("content", &m.ReasoningContent, "reasoning_text", "text")
		f.parts("summary", &summary, "summary_text")
		f.text("encrypted_content", &sealed)
		if m.ReasoningContent == "" {
			m.ReasoningContent = summary
		}
		if rest, ok := strings.CutPrefix(sealed, sealedMark); ok && m.ReasoningContent == "" {
			m.ReasoningContent = rest
		}
		if m.ReasoningContent != "" {
			m.Role = "assistant"
		}
	case "function_call":
		if status != "incomplete" || !f.brokenOff() {
			m.Role = "assistant"
		}
		var call chat.ToolCall
		f.text("call_id", &call.ID)
		if f.text("name", &call.Name); call.Name == "" {
			f.fail("name", "it is missing")
		}
		f.text("namespace", &space)
		call.Name, call.Arguments = inSpace(space, call.Name), f.arguments()
		m.ToolCalls = []chat.ToolCall{call}
		f.ignore("parsed_arguments") // npm's client adds it
	case "function_call_output":
		m.Role = "tool"
		if !f.text("call_id", &m.ToolCallID) {
			f.fail("call_id", "it is missing")
		}
		if !f.parts("output", &m.Content, "input_text", "output_text", "text") {
			f.fail("output", "it is missing")
		}
		f.text("namespace", &space)
		if f.text("name", &m.Name); m.Name != "" {
			m.Name = inSpace(space, m.Name)
		}
	default:
		f.failWith(unsupported(f.path+"type", fmt.Sprintf("items of type %s are not supported: use message, reasoning, function_call or function_call_output", words.Quoted(kind))))
	}
	return m
}
