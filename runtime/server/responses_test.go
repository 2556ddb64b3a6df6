//go:build cgo

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// Grammars of what the model is to write in the form of [instruct.Hermes].
const (
	thinksThenSays = `root ::= "<think>\nIt is a ball.\n</think>\n\nA red ball."`
	saysThenCalls  = `root ::= "I look." "\n" call "\n" call
call ::= "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>"`
)

// withoutIDs removes what differs between two answers.
func withoutIDs(v any) any {
	switch v := v.(type) {
	case object:
		for name, x := range v {
			switch name {
			case "id", "call_id", "item_id", "created_at", "completed_at", "stream", "usage":
				delete(v, name)
			default:
				v[name] = withoutIDs(x)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutIDs(v[i])
		}
	}
	return v
}

// respond asks for a response, without a stream and with one, of which the events have to add up to the
// same. It returns the response and the names of the events, deltas in a row once.
func respond(t *testing.T, url string, ask object) (object, []string) {
	t.Helper()
	if ask["temperature"] == nil {
		ask["temperature"] = 0
	}
	ask["seed"], ask["cache_prompt"] = 1, false // so that both are the same
	status, _, body := post(t, url+"/v1/responses", ask)
	whole := decode(t, status, body)
	ask["stream"] = true
	defer delete(ask, "stream")
	_, header, body := post(t, url+"/v1/responses", ask)
	if !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") || bytes.Contains(body, []byte("[DONE]")) {
		t.Errorf("%v: %s", header, body)
	}
	var names []string
	var last object
	var items []any
	text := ""
	for i, part := range strings.Split(strings.TrimSuffix(string(body), "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(strings.TrimPrefix(part, "event: "), "\ndata: ")
		last = nil
		if err := json.Unmarshal([]byte(data), &last); err != nil || !ok || last["type"] != name || last["sequence_number"] != float64(i) {
			t.Fatalf("event %d, %v: %s", i, err, part)
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		delta, _ := last["delta"].(string)
		text += delta
		switch {
		case name == "response.output_item.added":
			text = ""
			if last["output_index"] != float64(len(items)) || at(t, last, "item", "status") != "in_progress" {
				t.Errorf("%s", part)
			}
		case strings.HasSuffix(name, "_text.done") && last["text"] != text, name == "response.function_call_arguments.done" && last["arguments"] != text:
			t.Errorf("%q, want %s", text, part)
		case name == "response.output_item.done":
			items = append(items, last["item"])
		}
	}
	done := last["response"].(object)
	if !reflect.DeepEqual(done["output"], append([]any{}, items...)) {
		t.Errorf("the items %v are not those of %v", items, done)
	}
	if !reflect.DeepEqual(done["usage"], whole["usage"]) && ask["parallel_tool_calls"] == nil { // after the only call, what was computed meanwhile counts
		t.Errorf("%v, %v", done["usage"], whole["usage"])
	}
	usage := whole["usage"]
	if !reflect.DeepEqual(withoutIDs(done), withoutIDs(whole)) {
		t.Errorf("a stream has %v, want %v", done, whole)
	}
	whole["usage"] = usage
	return whole, names
}

func TestAResponseHasReasoningAndAText(t *testing.T) {
	_, url := newServer(t, withHermes())
	ask := object{"model": "m", "input": "What is it?", "instructions": "Be kind.", "grammar": thinksThenSays, "max_output_tokens": 120, "store": true, "metadata": object{"a": "b"}, "temperature": 0.5, "user": "me"}
	o, events := respond(t, url, ask)
	if o["object"] != "response" || o["status"] != "completed" || o["error"] != nil || o["incomplete_details"] != nil || o["store"] != false || o["temperature"] != 0.5 || o["top_p"] != 0.95 ||
		o["instructions"] != "Be kind." || at(t, o, "metadata", "a") != "b" || o["tool_choice"] != "auto" || o["parallel_tool_calls"] != true || o["max_output_tokens"] != 120.0 || at(t, o, "text", "format", "type") != "text" {
		t.Errorf("%v", o)
	}
	thought, said := at(t, o, "output", 0), at(t, o, "output", 1)
	if at(t, thought, "type") != "reasoning" || len(at(t, thought, "summary").([]any)) != 0 || at(t, thought, "content", 0, "type") != "reasoning_text" || strings.TrimSpace(at(t, thought, "content", 0, "text").(string)) != "It is a ball." || at(t, thought, "encrypted_content") != nil {
		t.Errorf("%v", thought)
	}
	if at(t, said, "type") != "message" || at(t, said, "role") != "assistant" || at(t, said, "status") != "completed" || at(t, said, "content", 0, "type") != "output_text" || at(t, said, "content", 0, "text") != "A red ball." || len(at(t, said, "content", 0, "annotations").([]any)) != 0 {
		t.Errorf("%v", said)
	}
	if u := o["usage"].(object); u["input_tokens"].(float64)+u["output_tokens"].(float64) != u["total_tokens"] || at(t, u, "output_tokens_details", "reasoning_tokens").(float64) == 0 || at(t, u, "input_tokens_details", "cached_tokens") == nil {
		t.Errorf("%v", u)
	}
	want := "created in_progress" +
		" output_item.added content_part.added reasoning_text.delta reasoning_text.done content_part.done output_item.done" +
		" output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done completed"
	if got := strings.ReplaceAll(strings.Join(events, " "), "response.", ""); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// As a summary, which some clients show, and so that it can be sent back to a server that keeps nothing.
	ask["reasoning"], ask["include"] = object{"effort": "high", "summary": "auto"}, []string{"reasoning.encrypted_content", "message.output_text.logprobs"}
	ask["top_logprobs"] = 2
	o, events = respond(t, url, ask)
	thought = at(t, o, "output", 0)
	if at(t, thought, "summary", 0, "type") != "summary_text" || strings.TrimSpace(at(t, thought, "summary", 0, "text").(string)) != "It is a ball." || len(at(t, thought, "content").([]any)) != 0 || !strings.Contains(at(t, thought, "encrypted_content").(string), "It is a ball.") {
		t.Errorf("%v", thought)
	}
	all := ""
	for _, p := range at(t, o, "output", 1, "content", 0, "logprobs").([]any) {
		all += at(t, p, "token").(string)
		if len(at(t, p, "top_logprobs").([]any)) > 2 || at(t, p, "logprob").(float64) > 0 {
			t.Errorf("%v", p)
		}
	}
	if strings.TrimSpace(all) != "A red ball." {
		t.Errorf("log-probabilities of %q", all)
	}
	if got := strings.Join(events, " "); !strings.Contains(got, "response.reasoning_summary_part.added response.reasoning_summary_text.delta response.reasoning_summary_text.done response.reasoning_summary_part.done") || strings.Contains(got, "reasoning_text.delta") {
		t.Errorf("%s", got)
	}
	if _, _, body := get(t, url+"/metrics"); !strings.Contains(string(body), `infer_http_requests_total{route="/v1/responses",status="200"} 4`) {
		t.Errorf("%s", body)
	}
}

// A text that may still become a call is held back for a while, and its log-probabilities with it.
func TestLogprobsOfAResponseAreThoseOfItsText(t *testing.T) {
	_, url := newServer(t, withHermes())
	for _, text := range []string{"<b> is bold.", "<", "A < B", "A. <tool_call"} {
		o, _ := respond(t, url, object{"input": "What?", "tools": []object{{"type": "function", "name": "weather"}}, "grammar": `root ::= "<think>\nHm.\n</think>\n\n` + text + `"`, "include": []string{"message.output_text.logprobs"}, "max_output_tokens": 100})
		said := at(t, o, "output", 1, "content", 0)
		all := ""
		for _, p := range at(t, said, "logprobs").([]any) {
			all += at(t, p, "token").(string)
		}
		if at(t, said, "text") != text || strings.TrimSpace(all) != text {
			t.Errorf("%q has log-probabilities of %q", text, all)
		}
	}
}

func TestAResponseThatIsCutIsIncomplete(t *testing.T) {
	_, url := newServer(t, options())
	o, events := respond(t, url, object{"input": []object{{"role": "user", "content": []object{{"type": "input_text", "text": "Hello"}}}}, "max_output_tokens": 5, "stop": "zebra"})
	if o["status"] != "incomplete" || at(t, o, "incomplete_details", "reason") != "max_output_tokens" || at(t, o, "output", 0, "status") != "incomplete" || at(t, o, "usage", "output_tokens") != 5.0 || events[len(events)-1] != "response.incomplete" {
		t.Errorf("%v: %v", o, events)
	}
}

func TestAResponseHasCalls(t *testing.T) {
	_, url := newServer(t, withHermes())
	weather := object{"type": "function", "name": "weather", "description": "the weather", "strict": true, "parameters": object{"type": "object", "properties": object{"city": object{"enum": []string{"Rome"}}}, "required": []string{"city"}, "additionalProperties": false}}
	ask := object{"input": "Weather?", "tools": []object{weather}, "grammar": saysThenCalls, "max_output_tokens": 200}
	o, events := respond(t, url, ask)
	list := o["output"].([]any)
	if len(list) != 3 || at(t, list, 0, "content", 0, "text") != "I look." || o["status"] != "completed" || at(t, o, "tools", 0, "name") != "weather" {
		t.Fatalf("%v", list)
	}
	for _, call := range list[1:] {
		if at(t, call, "type") != "function_call" || at(t, call, "name") != "weather" || at(t, call, "status") != "completed" || strings.ReplaceAll(at(t, call, "arguments").(string), " ", "") != `{"city":"Rome"}` {
			t.Errorf("%v", call)
		}
	}
	if got := strings.Join(events, " "); !strings.Contains(got, "response.output_item.added response.function_call_arguments.delta response.function_call_arguments.done response.output_item.done") {
		t.Errorf("%s", got)
	}
	ask["parallel_tool_calls"] = false
	if o, _ = respond(t, url, ask); len(o["output"].([]any)) != 2 {
		t.Errorf("%v", o["output"])
	}
	delete(ask, "grammar")
	for _, choice := range []any{"required", object{"type": "function", "name": "weather"}} {
		ask["tool_choice"] = choice
		if o, _ = respond(t, url, ask); at(t, o, "output", 0, "name") != "weather" || !reflect.DeepEqual(at(t, o, "tool_choice"), choice) {
			t.Errorf("%v", o)
		}
	}
	// The answer is sent back with what the call has given.
	status, _, body := post(t, url+"/v1/responses", ask)
	output := at(t, decode(t, status, body), "output").([]any)
	input := append([]any{user("Weather?")[0]}, output...)
	input = append(input, object{"type": "function_call_output", "call_id": at(t, output, 0, "call_id"), "output": "Sunny."})
	o, _ = respond(t, url, object{"input": input, "tools": ask["tools"], "grammar": `root ::= "Sunny."`})
	if at(t, o, "output", 0, "content", 0, "text") != "Sunny." {
		t.Errorf("%v", o)
	}
}

// Codex has its functions for agents, and those of MCP servers, in namespaces.
func TestAResponseCallsAFunctionOfANamespace(t *testing.T) {
	_, url := newServer(t, withHermes())
	here := object{"type": "function", "name": "weather", "defer_loading": false, "async": false}
	there := object{"type": "namespace", "name": "far", "description": "Far away.", "tools": []object{{"type": "function", "name": "weather", "description": "The weather there.", "strict": false, "parameters": object{"type": "object"}}}}
	ask := object{"input": "Weather?", "tools": []object{here, there}, "max_output_tokens": 100, "grammar": `root ::= "<tool_call>\n{\"name\": \"far__weather\", \"arguments\": {}}\n</tool_call>"`}
	o, _ := respond(t, url, ask)
	call := at(t, o, "output", 0)
	if at(t, call, "name") != "weather" || at(t, call, "namespace") != "far" {
		t.Errorf("%v", call)
	}
	ask["grammar"] = strings.ReplaceAll(ask["grammar"].(string), "far__", "")
	o, _ = respond(t, url, ask)
	if call := at(t, o, "output", 0); at(t, call, "name") != "weather" || at(t, call, "namespace") != nil {
		t.Errorf("%v", call)
	}
	delete(ask, "grammar")
	ask["tool_choice"], ask["parallel_tool_calls"] = object{"type": "function", "name": "far__weather"}, false
	there["tools"].([]object)[0]["parameters"] = object{"type": "object", "properties": object{"city": object{"enum": []string{"Rome"}}}, "required": []string{"city"}, "additionalProperties": false}
	o, _ = respond(t, url, ask)
	if call := at(t, o, "output", 0); at(t, call, "name") != "weather" || at(t, call, "namespace") != "far" {
		t.Errorf("%v", call)
	}
}

func TestAResponseObeysASchema(t *testing.T) {
	_, url := newServer(t, options())
	format := object{"type": "json_schema", "name": "x", "strict": true, "schema": object{"type": "object", "properties": object{"colour": object{"enum": []string{"red", "blue"}}}, "required": []string{"colour"}, "additionalProperties": false}}
	o, _ := respond(t, url, object{"input": "Hello", "text": object{"format": format}, "max_output_tokens": 100})
	var got struct{ Colour string }
	if err := json.Unmarshal([]byte(at(t, o, "output", 0, "content", 0, "text").(string)), &got); err != nil || got.Colour != "red" && got.Colour != "blue" || at(t, o, "text", "format", "name") != "x" {
		t.Errorf("%v: %v", err, o)
	}
	format["schema"] = object{"type": "object", "frobnicate": 1, "not": object{"type": "string", "pattern": "^a+$"}}
	status, _, body := post(t, url+"/v1/responses", object{"input": "Hello", "text": object{"format": format}})
	if e := failure(t, body); status != 400 || e["code"] != "invalid_schema" || e["param"] != "text.format.schema" {
		t.Errorf("%d: %s", status, body)
	}
}

// An answer that is cancelled ends with what each kind of client takes for an error.
func TestAResponseThatFailsSaysSo(t *testing.T) {
	s, url := newServer(t, large())
	c, _ := openAt(t, url, "/v1/responses", `{"input":"Hello","ignore_eos":true,"stream":true}`)
	c.Close()
	until(t, "no slot busy", func() bool { n, w := busy(t, url); return n+w == 0 })
	_, r := openAt(t, url, "/v1/responses", `{"input":"Hello","ignore_eos":true,"stream":true}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err != context.Canceled {
		t.Error(err)
	}
	text := readUntil(t, r, `"status":"failed"`)
	for _, want := range []string{"event: error\n", "event: response.failed\n", `"code":"cancelled"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing: %s", want, text[max(0, len(text)-1000):])
		}
	}
	o := options()
	o.Keys = []string{"key"}
	_, url = newServer(t, o)
	if status, _, body := post(t, url+"/v1/responses", object{"input": "Hello"}); status != 401 || failure(t, body)["code"] != "invalid_api_key" {
		t.Errorf("%d: %s", status, body)
	}
}

// Arguments that the model has broken off, or cut short, are no call to be run.
func TestACallThatIsNotWholeIsIncomplete(t *testing.T) {
	_, url := newServer(t, withHermes())
	for name, tt := range map[string]struct{ grammar, arguments, then string }{
		"the model ends":        {`root ::= "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Ro"`, `{"city": "Ro`, ""},
		"the model goes astray": {`root ::= "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": oops}}\n</tool_call>"`, `{"city": `, "oops}}\n</tool_call>"},
	} {
		o, _ := respond(t, url, object{"input": "Weather?", "tools": []object{{"type": "function", "name": "weather"}}, "grammar": tt.grammar, "max_output_tokens": 200})
		if call := at(t, o, "output", 0); at(t, call, "type") != "function_call" || at(t, call, "status") != "incomplete" || at(t, call, "arguments") != tt.arguments {
			t.Errorf("%s: %v", name, call)
		}
		if tt.then != "" && (at(t, o, "output", 1, "content", 0, "text") != tt.then || at(t, o, "output", 1, "status") != "completed") {
			t.Errorf("%s: %v", name, o["output"])
		}
	}
}

// A client reads the settings in the form that OpenAI's have, whichever way they were given.
func TestAResponseRepeatsItsSettings(t *testing.T) {
	o := options()
	o.Defaults.MaxTokens = 7
	_, url := newServer(t, o)
	for _, tt := range []struct{ fields, name, want string }{
		{`"max_output_tokens":2`, "max_output_tokens", `2`},
		{`"max_output_tokens":-1,"grammar":"root ::= \"a\""`, "max_output_tokens", `null`},
		{`"max_output_tokens":null`, "max_output_tokens", `7`},
		{`"metadata":{}`, "metadata", `{}`},
		{`"metadata":{"a":"` + strings.Repeat("é", 512) + `"}`, "metadata", `{"a":"` + strings.Repeat("é", 512) + `"}`},
		{`"text":{}`, "text", `{"format":{"type":"text"}}`},
		{`"text":{"verbosity":"medium","format":null}`, "text", `{"format":{"type":"text"},"verbosity":"medium"}`},
		{`"text":{"format":{"type":"json_object"}}`, "text", `{"format":{"type":"json_object"}}`},
		{`"reasoning":{"summary":"auto"}`, "reasoning", `{"effort":null,"summary":"auto"}`},
		{`"instructions":"` + "\xff" + `"`, "instructions", "\"\ufffd\""},
		{`"user":null`, "user", `null`},
	} {
		status, _, body := post(t, url+"/v1/responses", `{"input":"x",`+tt.fields+`}`)
		if got, _ := json.Marshal(decode(t, status, body)[tt.name]); string(got) != tt.want || !utf8.Valid(body) {
			t.Errorf("%s: %s", tt.fields, got)
		}
	}
}

// The templates of Mistral's and Gemma's models refuse two messages of a user in a row, which Codex sends. They
// are one message then; others see them apart.
func TestAResponseToMessagesOfAUserInARow(t *testing.T) {
	const strict = "{% for m in messages %}{% if loop.index0 > 0 and m.role == messages[loop.index0 - 1].role %}{{ raise_exception('roles must alternate') }}{% endif %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
	o := options()
	o.ChatTemplate = strict
	_, url := newServer(t, o)
	input := []object{{"role": "user", "content": "Where I am."}, {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "What?"}, {"role": "user", "content": "Now."}}
	got, _ := respond(t, url, object{"input": input, "max_output_tokens": 2})
	one, _ := respond(t, url, object{"input": []object{{"role": "user", "content": "Where I am.\n\nHello"}, input[2], {"role": "user", "content": "What?\n\nNow."}}, "max_output_tokens": 2})
	if at(t, got, "usage", "input_tokens") != at(t, one, "usage", "input_tokens") || !reflect.DeepEqual(got["output"], one["output"]) {
		t.Errorf("%v, want %v", got, one)
	}
	// What it refuses for another reason is refused, and chats have the messages that they have.
	late := object{"input": []object{input[0], {"role": "system", "content": "a"}, {"role": "system", "content": "b"}, input[1]}}
	if status, _, body := post(t, url+"/v1/responses", late); status != 400 || failure(t, body)["param"] != "input" {
		t.Errorf("%d: %s", status, body)
	}
	if status, _, body := post(t, url+"/v1/chat/completions", object{"messages": input}); status != 400 || failure(t, body)["param"] != "messages" {
		t.Errorf("%d: %s", status, body)
	}
	_, url = newServer(t, options())
	apart, _ := respond(t, url, object{"input": input, "max_output_tokens": 2})
	if at(t, apart, "usage", "input_tokens") == at(t, one, "usage", "input_tokens") {
		t.Errorf("%v", apart["usage"])
	}
}
