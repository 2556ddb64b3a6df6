package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// messages answers Anthropic's /v1/messages.
func (s *Server) messages(c *call) error {
	return c.using(func(f *fields, l *live) error {
		q := f.messagesRequest(c.s.o.Defaults, true)
		if err := f.done(); err != nil {
			return err
		}
		a, err := c.answering(l, q)
		if err != nil {
			return err
		}
		m := &messaging{answering: a, id: "msg_" + randomID()}
		if q.stream {
			return m.stream()
		}
		return m.whole()
	})
}

// countTokens answers Anthropic's /v1/messages/count_tokens.
func (s *Server) countTokens(c *call) error {
	return c.using(func(f *fields, l *live) error {
		q := f.messagesRequest(c.s.o.Defaults, false)
		if err := f.done(); err != nil {
			return err
		}
		if err := l.chats(); err != nil {
			return err
		}
		in, _, err := l.render(q)
		if err != nil {
			return err
		}
		writeJSON(c.w, http.StatusOK, map[string]int{"input_tokens": len(in.tokens)})
		return nil
	})
}

// anthropicError is an error in Anthropic's form.
func anthropicError(err error) map[string]any {
	e := asAPIError(err)
	kind := map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error"}[e.status]
	if kind == "" && e.status < 500 {
		kind = "invalid_request_error"
	} else if kind == "" {
		kind = "api_error"
	}
	o := map[string]any{"type": kind, "message": e.message}
	if e.param != "" {
		o["param"] = e.param
	}
	for k, v := range e.figures {
		o[k] = v
	}
	return map[string]any{"type": "error", "error": o}
}

// messagesRequest reads the fields of /v1/messages.
func (f *fields) messagesRequest(defaults runtime.GenerateOptions, generates bool) *chatRequest {
	q := &chatRequest{generation: &generation{GenerateOptions: defaults, n: 1}, thinking: true}
	q.options.Now = time.Now()
	if generates {
		f.boolean("stream", &q.stream)
		if !f.integer("max_tokens", &q.MaxTokens, 1, most) {
			f.fail("max_tokens", "it is missing")
		}
		var stops []string
		if f.words("stop_sequences", &stops, mostStops) {
			f.stops("stop_sequences", stops, &q.Stop)
		}
		f.sampling(&q.Sampling)
	}
	if system := (chat.Message{Role: "system"}); f.blocks("system", &system, nil) {
		q.messages = append(q.messages, system)
	}
	for i, text := range f.list("messages", mostMessages) {
		m := f.element("messages", i, text)
		msg := chat.Message{}
		if !m.choice("role", &msg.Role, "user", "assistant") {
			m.fail("role", "it is missing")
		}
		var results []chat.Message
		if !m.blocks("content", &msg, &results) {
			m.fail("content", "it is missing")
		}
		if e := m.done(); e != nil {
			f.failWith(e)
			return q
		}
		q.messages = append(q.messages, results...)
		if msg.Content != "" || len(msg.ToolCalls) > 0 || len(results) == 0 {
			q.messages = append(q.messages, msg)
		}
	}
	if len(q.messages) == 0 {
		f.fail("messages", "it is missing or empty")
	}
	f.anthropicTools(q)
	f.thinking(q)
	f.edits()
	f.only("container", nil, "code is not run here: leave it out")
	f.ignore("metadata", "service_tier", "anthropic_version")
	return q
}

// edits reads what is to be left out of a long conversation: only edits that leave out nothing are obeyed.
func (f *fields) edits() {
	o := f.object("context_management")
	if o == nil {
		return
	}
	for i, text := range o.list("edits", mostParts) {
		e := o.element("edits", i, text)
		kind, keep := "", ""
		if e.text("type", &kind); strings.HasPrefix(kind, "clear_thinking_") {
			e.choice("keep", &keep, "all")
		}
		if keep == "" && e.err == nil {
			e.failWith(unsupported(e.path+"type", "messages are not left out: leave it out, or shorten the conversation"))
		}
		e.failWithUnknown(o)
	}
	o.failWithUnknown(f)
}

// thinking reads whether the model thinks.
func (f *fields) thinking(q *chatRequest) {
	o := f.object("thinking")
	if o == nil {
		return
	}
	kind := ""
	o.choice("type", &kind, "enabled", "disabled", "adaptive")
	on := kind != "disabled"
	q.options.EnableThinking = &on
	display := ""
	if o.choice("display", &display, "summarized", "omitted") {
		q.thoughtless = display == "omitted"
	}
	o.ignore("budget_tokens") // which clients have to give; no model can be told
	o.failWithUnknown(f)
}

// blocks reads a text, or blocks: texts, thoughts, calls and their results.
func (f *fields) blocks(name string, m *chat.Message, results *[]chat.Message) bool {
	raw := f.take(name)
	if raw == nil {
		return false
	}
	if json.Unmarshal(raw, &m.Content) == nil {
		return true
	}
	var list []json.RawMessage
	if !f.few(name, raw, mostParts, "blocks") {
		return false
	}
	if json.Unmarshal(raw, &list) != nil {
		f.fail(name, "want a string or an array of blocks")
		return false
	}
	var texts []string
	for i, text := range list {
		b := f.element(name, i, text)
		kind := ""
		b.text("type", &kind)
		switch {
		case kind == "text":
			part := ""
			b.text("text", &part)
			texts = append(texts, part)
			b.ignore("citations")
		case kind == "thinking" && m.Role == "assistant":
			b.text("thinking", &m.ReasoningContent)
			b.ignore("signature")
		case kind == "tool_use" && m.Role == "assistant":
			var call chat.ToolCall
			b.text("id", &call.ID)
			b.text("name", &call.Name)
			b.small("input", b.raw["input"])
			if call.Arguments = b.take("input"); call.Arguments == nil {
				call.Arguments = json.RawMessage("{}")
			}
			m.ToolCalls = append(m.ToolCalls, call)
		case kind == "tool_result" && results != nil && m.Role == "user":
			result := chat.Message{Role: "tool"}
			b.text("tool_use_id", &result.ToolCallID)
			b.blocks("content", &result, nil)
			b.ignore("is_error")
			*results = append(*results, result)
		default:
			b.failWith(unsupported(b.path+"type", fmt.Sprintf("blocks of type %s are not supported here", words.Quoted(kind))))
		}
		b.ignore("cache_control")
		if e := b.done(); e != nil {
			f.failWith(e)
			return false
		}
	}
	m.Content = strings.Join(texts, "\n")
	return true
}

// anthropicTools reads the tools and which of them the answer has to call.
func (f *fields) anthropicTools(q *chatRequest) {
	for i, text := range f.list("tools", mostTools) {
		t := f.element("tools", i, text)
		t.only("type", "custom", "only tools of type custom are supported")
		var tool chat.Tool
		q.strict = t.tool(&tool, "input_schema") || q.strict
		if e := t.done(); e != nil {
			f.failWith(e)
			return
		}
		q.options.Tools = append(q.options.Tools, tool)
	}
	o := f.object("tool_choice")
	if o == nil {
		return
	}
	kind, name, one := "", "", false
	o.choice("type", &kind, "auto", "any", "tool", "none")
	o.text("name", &name)
	if o.boolean("disable_parallel_tool_use", &one) {
		q.oneCall = one
	}
	switch kind {
	case "any":
		if q.forced = q.options.Tools; len(q.forced) == 0 {
			f.fail("tool_choice", "a call is required and there are no tools")
		}
	case "tool":
		f.force(q, name)
	case "none":
		q.options.Tools = nil
	}
	o.failWithUnknown(f)
}

// messaging is an answer in Anthropic's form.
type messaging struct {
	*answering
	id string
}

// stopOf translates OpenAI's word for the end. sequence is the text that ended the answer, nil if none did.
func (m *messaging) stopOf(p *reply) (reason string, sequence any) {
	switch {
	case p.finish == "tool_calls":
		return "tool_use", nil
	case p.finish == "length":
		return "max_tokens", nil
	case p.stop != "":
		return "stop_sequence", p.stop
	}
	return "end_turn", nil
}

// object is the message without its content.
func (m *messaging) object(content, reason, sequence any, u usage) map[string]any {
	return map[string]any{"id": m.id, "type": "message", "role": "assistant", "model": m.call.model, "content": content, "stop_reason": reason, "stop_sequence": sequence, "usage": inAnthropicUsage(u)}
}

// inAnthropicUsage translates the figures: tokens from the cache are not counted as input.
func inAnthropicUsage(u usage) map[string]int {
	return map[string]int{"input_tokens": u.Prompt - u.PromptDetails.Cached, "cache_read_input_tokens": u.PromptDetails.Cached, "cache_creation_input_tokens": 0, "output_tokens": u.Completion}
}

// block is a part of a message.
type block struct {
	kind, id, name string
	text           strings.Builder
}

func (b *block) object() map[string]any {
	switch b.kind {
	case "thinking":
		return map[string]any{"type": "thinking", "thinking": b.text.String(), "signature": ""}
	case "tool_use":
		in := json.RawMessage(b.text.String())
		if !json.Valid(in) { // cut by the limit of tokens
			in = json.RawMessage("{}")
		}
		return map[string]any{"type": "tool_use", "id": b.id, "name": b.name, "input": in}
	}
	return map[string]any{"type": "text", "text": b.text.String()}
}

// kindOfBlock returns the type of the block that an event belongs to.
func kindOfBlock(k answer.Kind) string {
	switch k {
	case answer.Content:
		return "text"
	case answer.Reasoning:
		return "thinking"
	}
	return "tool_use"
}

// shown returns the events that the client gets.
func (m *messaging) shown(list []answer.Event) []answer.Event {
	if !m.q.thoughtless {
		return list
	}
	return slices.DeleteFunc(list, func(e answer.Event) bool { return e.Kind == answer.Reasoning })
}

// whole answers with the whole message.
func (m *messaging) whole() error {
	blocks := []*block{}
	err := m.run(func(p *reply, list []answer.Event) error {
		for _, e := range m.shown(list) {
			kind := kindOfBlock(e.Kind)
			if len(blocks) == 0 || blocks[len(blocks)-1].kind != kind || e.Kind == answer.CallBegin {
				blocks = append(blocks, &block{kind: kind, id: p.callID(e), name: e.Name})
			}
			if e.Kind != answer.CallBegin && e.Kind != answer.CallEnd {
				blocks[len(blocks)-1].text.WriteString(e.Text)
			}
		}
		return m.enough(p)
	}, func() error { return nil })
	if err != nil {
		return err
	}
	content := []any{}
	for _, b := range blocks {
		content = append(content, b.object())
	}
	reason, sequence := m.stopOf(m.replies[0])
	writeJSON(m.call.w, http.StatusOK, m.object(content, reason, sequence, m.usage()))
	return nil
}

// stream answers token by token.
func (m *messaging) stream() error {
	out := &events{w: m.call.w}
	at, kind := -1, ""
	send := func(name string, o map[string]any) error {
		o["type"] = name
		if err := out.send(name, o); err != nil {
			return cut(err)
		}
		return nil
	}
	closeBlock := func() error {
		if kind == "" {
			return nil
		}
		kind = ""
		return send("content_block_stop", map[string]any{"index": at})
	}
	start := func() error {
		if out.begun {
			return nil
		}
		return send("message_start", map[string]any{"message": m.object([]any{}, nil, nil, usage{Prompt: m.prompt})})
	}
	err := m.run(func(p *reply, list []answer.Event) error {
		if err := start(); err != nil {
			return err
		}
		for _, e := range m.shown(list) {
			next := kindOfBlock(e.Kind)
			if next != kind && e.Kind != answer.CallEnd || e.Kind == answer.CallBegin {
				if err := closeBlock(); err != nil {
					return err
				}
				at, kind = at+1, next
				b := &block{kind: kind, id: p.callID(e), name: e.Name}
				if err := send("content_block_start", map[string]any{"index": at, "content_block": b.object()}); err != nil {
					return err
				}
			}
			if d := anthropicDelta(e); d != nil {
				if err := send("content_block_delta", map[string]any{"index": at, "delta": d}); err != nil {
					return err
				}
			}
		}
		return m.enough(p)
	}, func() error {
		if err := start(); err != nil {
			return err
		}
		return send("ping", map[string]any{})
	})
	u := m.usage()
	if err != nil {
		if !out.begun {
			return err
		}
		_ = out.send("error", anthropicError(err)) // the client may have gone
		return nil
	}
	if err := closeBlock(); err != nil {
		return nil
	}
	reason, sequence := m.stopOf(m.replies[0])
	if send("message_delta", map[string]any{"delta": map[string]any{"stop_reason": reason, "stop_sequence": sequence}, "usage": inAnthropicUsage(u)}) == nil {
		_ = send("message_stop", map[string]any{})
	}
	return nil
}

// anthropicDelta returns what an event adds to its block, nil for nothing.
func anthropicDelta(e answer.Event) map[string]any {
	switch e.Kind {
	case answer.Content:
		return map[string]any{"type": "text_delta", "text": e.Text}
	case answer.Reasoning:
		return map[string]any{"type": "thinking_delta", "thinking": e.Text}
	case answer.CallArguments:
		return map[string]any{"type": "input_json_delta", "partial_json": e.Text}
	}
	return nil
}
