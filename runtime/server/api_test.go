//go:build cgo

package server_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases/instruct"
	"github.com/seed7adf6694/infer/runtime/server"
)

func TestFieldsAreObeyedOrRefusedByName(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	_, url := newServer(t, options())
	for _, tt := range []struct {
		name, path, body string
		status           int
		param, code      string
	}{
		{"no JSON", "chat/completions", "{", 400, "", "invalid_json"},
		{"an empty body", "chat/completions", "", 400, "", "invalid_json"},
		{"an array", "chat/completions", "[]", 400, "", "invalid_json"},
		{"null", "completions", "null", 400, "", "invalid_json"},
		{"two objects", "completions", `{"prompt":"a"}{"prompt":"b"}`, 400, "", "invalid_json"},
		{"nested too deep", "completions", `{"prompt":` + strings.Repeat("[", 20000), 400, "", "invalid_json"},
		{"a schema that is nested too deep", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":` + nested(200) + `}}]}`, 400, "tools[0].function.parameters", "invalid_value"},
		{"a schema of a response that is nested too deep", "responses", `{"input":"x","tools":[{"type":"function","name":"f","parameters":` + nested(200) + `}]}`, 400, "tools[0].parameters", "invalid_value"},
		{"Anthropic's schema that is nested too deep", "messages", `{"max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":` + nested(200) + `}]}`, 400, "tools[0].input_schema", ""},
		{"a value of the template that is nested too deep", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"chat_template_kwargs":{"a":` + nested(200) + `}}`, 400, "chat_template_kwargs", "invalid_value"},
		{"a call that is nested too deep", "responses", `{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":` + quoted(nested(200)) + `}]}`, 400, "input[0].arguments", "invalid_value"},
		{"an unknown field", "completions", `{"prompt":"a","promt":"b"}`, 400, "promt", "unknown_parameter"},
		{"a known field in other letters", "completions", `{"prompt":"a","Temperature":0}`, 400, "Temperature", "unknown_parameter"},
		{"no prompt", "completions", `{}`, 400, "prompt", "invalid_value"},
		{"a prompt of another type", "completions", `{"prompt":7}`, 400, "prompt", "invalid_value"},
		{"null as a prompt of several", "completions", `{"prompt":["a",null]}`, 400, "prompt", "invalid_value"},
		{"null as a token", "completions", `{"prompt":[5,null]}`, 400, "prompt", "invalid_value"},
		{"null as a token of several prompts", "completions", `{"prompt":[[5],[null]]}`, 400, "prompt", "invalid_value"},
		{"more prompts than may wait", "completions", `{"prompt":["a"` + strings.Repeat(`,"a"`, 20) + `]}`, 400, "prompt", "invalid_value"},
		{"null as a bias", "completions", `{"prompt":"a","logit_bias":{"5":null}}`, 400, "logit_bias", "invalid_value"},
		{"null as a bias in a pair", "completions", `{"prompt":"a","logit_bias":[[5,null]]}`, 400, "logit_bias", "invalid_value"},
		{"three numbers for a bias", "completions", `{"prompt":"a","logit_bias":[[5,1,2]]}`, 400, "logit_bias", "invalid_value"},
		{"too many candidates", "completions", `{"prompt":"a","top_k":2147483647}`, 400, "top_k", "invalid_value"},
		{"too long a window", "completions", `{"prompt":"a","repeat_penalty":2,"repeat_last_n":1073741824}`, 400, "repeat_last_n", "invalid_value"},
		{"too long a window of DRY", "completions", `{"prompt":"a","dry_multiplier":1,"dry_penalty_last_n":1073741824}`, 400, "dry_penalty_last_n", "invalid_value"},
		{"an empty breaker", "completions", `{"prompt":"a","dry_multiplier":1,"dry_sequence_breakers":[""]}`, 400, "dry_sequence_breakers", "invalid_value"},
		{"null as a breaker", "completions", `{"prompt":"a","dry_multiplier":1,"dry_sequence_breakers":[null]}`, 400, "dry_sequence_breakers", "invalid_value"},
		{"too hot", "completions", `{"prompt":"a","dynatemp_range":1e30}`, 400, "dynatemp_range", "invalid_value"},
		{"no messages", "chat/completions", `{}`, 400, "messages", "invalid_value"},
		{"empty messages", "chat/completions", `{"messages":[]}`, 400, "messages", "invalid_value"},
		{"a role that is none", "chat/completions", `{"messages":[{"role":"wizard","content":"x"}]}`, 400, "messages[0].role", "invalid_value"},
		{"no content", "chat/completions", `{"messages":[{"role":"user"}]}`, 400, "messages[0].content", "invalid_value"},
		{"an image", "chat/completions", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}`, 400, "messages[0].content[0].type", "unsupported_value"},
		{"an unknown field of a message", "chat/completions", `{"messages":[{"role":"user","content":"x","contents":"y"}]}`, 400, "messages[0].contents", "unknown_parameter"},
		{"a message that is none", "chat/completions", `{"messages":["x"]}`, 400, "messages[0]", "invalid_value"},
		{"a negative temperature", "completions", `{"prompt":"a","temperature":-1}`, 400, "temperature", "invalid_value"},
		{"a temperature of text", "completions", `{"prompt":"a","temperature":"hot"}`, 400, "temperature", "invalid_value"},
		{"a probability above one", "completions", `{"prompt":"a","top_p":1.5}`, 400, "top_p", "invalid_value"},
		{"no tokens of a chat", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"max_completion_tokens":0}`, 400, "max_completion_tokens", "invalid_value"},
		{"no tokens and no limit", "completions", `{"prompt":"a","max_tokens":-1,"n_predict":0}`, 400, "n_predict", "invalid_value"},
		{"a prompt of tokens outside of the vocabulary", "completions", `{"prompt":[[5],[9999999]],"max_tokens":0}`, 400, "prompt", "invalid_value"},
		{"less than no limit", "completions", `{"prompt":"a","max_tokens":-2}`, 400, "max_tokens", "invalid_value"},
		{"a fraction of a token", "completions", `{"prompt":"a","max_tokens":1.5}`, 400, "max_tokens", "invalid_value"},
		{"two lengths", "completions", `{"prompt":"a","max_tokens":1,"max_completion_tokens":2}`, 400, "max_tokens", "invalid_value"},
		{"no choice", "completions", `{"prompt":"a","n":0}`, 400, "n", "invalid_value"},
		{"more choices than places", "completions", `{"prompt":"a","n":5}`, 400, "n", "invalid_value"},
		{"an empty stop", "completions", `{"prompt":"a","stop":[""]}`, 400, "stop", "invalid_value"},
		{"a seed of text", "completions", `{"prompt":"a","seed":"x"}`, 400, "seed", "invalid_value"},
		{"a bias for a word", "completions", `{"prompt":"a","logit_bias":{"word":1}}`, 400, "logit_bias", "invalid_value"},
		{"a bias outside of the vocabulary", "completions", `{"prompt":"a","logit_bias":{"9999999":1},"max_tokens":1}`, 400, "logit_bias", "invalid_value"},
		{"a grammar that is none", "completions", `{"prompt":"a","grammar":"root ::= ("}`, 400, "grammar", "invalid_value"},
		{"a format that is none", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"xml"}}`, 400, "response_format.type", "invalid_value"},
		{"a schema that is missing", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema"}}`, 400, "response_format", "invalid_value"},
		{"a grammar beside a format", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"},"grammar":"root ::= \"a\""}`, 400, "grammar", "invalid_value"},
		{"alternatives without log-probabilities", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"top_logprobs":3}`, 400, "top_logprobs", "invalid_value"},
		{"figures without a stream", "completions", `{"prompt":"a","stream_options":{"include_usage":true}}`, 400, "stream_options", "invalid_value"},
		{"filling in", "completions", `{"prompt":"a","suffix":"b"}`, 400, "suffix", "unsupported_value"},
		{"a slot", "completions", `{"prompt":"a","id_slot":1}`, 400, "id_slot", "unsupported_value"},
		{"parts of the cache", "completions", `{"prompt":"a","n_cache_reuse":256}`, 400, "n_cache_reuse", "unsupported_value"},
		{"progress", "completions", `{"prompt":"a","return_progress":true}`, 400, "return_progress", "unsupported_value"},
		{"a cache of another type", "completions", `{"prompt":"a","cache_prompt":"no"}`, 400, "cache_prompt", "invalid_value"},
		{"noise in a stream", "completions", `{"prompt":"a","stream":true,"stream_options":{"include_obfuscation":true}}`, 400, "stream_options.include_obfuscation", "unsupported_value"},
		{"a long answer", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"verbosity":"high"}`, 400, "verbosity", "unsupported_value"},
		{"documents to be cut", "rerank", `{"query":"a","documents":["b"],"max_tokens_per_doc":1}`, 400, "max_tokens_per_doc", "unknown_parameter"},
		{"an order of samplers", "completions", `{"prompt":"a","samplers":["top_k"]}`, 400, "samplers", "unknown_parameter"},
		{"functions of old", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"functions":[]}`, 400, "functions", "unknown_parameter"},
		{"audio", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"modalities":["text","audio"]}`, 400, "modalities", "unsupported_value"},
		{"a call without tools", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"tool_choice":"required"}`, 400, "tool_choice", "invalid_value"},
		{"a tool without a name", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{}}]}`, 400, "tools[0].function.name", "invalid_value"},
		{"a tool of another type", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"web_search"}]}`, 400, "tools[0].type", "unsupported_value"},
		{"arguments that are no JSON", "chat/completions", `{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}]}`, 400, "messages[0].tool_calls[0].function.arguments", "invalid_value"},
		{"tokens to embed outside of the vocabulary", "embeddings", `{"input":[1,9999999]}`, 400, "input", "invalid_value"},
		{"a negative token to embed", "embeddings", `{"input":[[1],[2,-1]]}`, 400, "input", "invalid_value"},
		{"no tokens to embed", "embeddings", `{"input":[[1],[]]}`, 400, "input", "invalid_value"},
		{"nothing to embed", "embeddings", `{"input":[]}`, 400, "input", "invalid_value"},
		{"a fraction of a token to embed", "embeddings", `{"input":[1.5]}`, 400, "input", "invalid_value"},
		{"null as a token to embed", "embeddings", `{"input":[[1,null]]}`, 400, "input", "invalid_value"},
		{"a text beside tokens to embed", "embeddings", `{"input":["a",[1]]}`, 400, "input", "invalid_value"},
		{"an empty text to embed", "embeddings", `{"input":["a",""]}`, 400, "input[1]", "invalid_value"},
		{"shorter vectors", "embeddings", `{"input":"a","dimensions":3}`, 400, "dimensions", "unsupported_value"},
		{"null as a document", "rerank", `{"query":"a","documents":["b",null]}`, 400, "documents[1]", "invalid_value"},
		{"no input", "responses", `{}`, 400, "input", "invalid_value"},
		{"an empty input", "responses", `{"input":[]}`, 400, "input", "invalid_value"},
		{"an input of another type", "responses", `{"input":7}`, 400, "input", "invalid_value"},
		{"a picture", "responses", `{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]}`, 400, "input[0].content[0].type", "unsupported_value"},
		{"an item that is kept elsewhere", "responses", `{"input":[{"type":"item_reference","id":"x"}]}`, 400, "input[0].type", "unsupported_value"},
		{"an unknown field of an item", "responses", `{"input":[{"role":"user","content":"x","contents":"y"}]}`, 400, "input[0].contents", "unknown_parameter"},
		{"a result of no call", "responses", `{"input":[{"type":"function_call_output","output":"x"}]}`, 400, "input[0].call_id", "invalid_value"},
		{"a call with arguments that are no JSON", "responses", `{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{"}]}`, 400, "input[0].arguments", "invalid_value"},
		{"an earlier response", "responses", `{"input":"x","previous_response_id":"resp_1"}`, 400, "previous_response_id", "unsupported_value"},
		{"a conversation", "responses", `{"input":"x","conversation":"conv_1"}`, 400, "conversation", "unsupported_value"},
		{"a prompt that is kept", "responses", `{"input":"x","prompt":{"id":"pmpt_1"}}`, 400, "prompt", "unsupported_value"},
		{"in the background", "responses", `{"input":"x","background":true}`, 400, "background", "unsupported_value"},
		{"a shorter conversation", "responses", `{"input":"x","truncation":"auto"}`, 400, "truncation", "unsupported_value"},
		{"a search in the web", "responses", `{"input":"x","tools":[{"type":"web_search"}]}`, 400, "tools[0].type", "unsupported_value"},
		{"a search in a namespace", "responses", `{"input":"x","tools":[{"type":"namespace","name":"far","tools":[{"type":"web_search"}]}]}`, 400, "tools[0].tools[0].type", "unsupported_value"},
		{"a namespace without a name", "responses", `{"input":"x","tools":[{"type":"namespace","tools":[]}]}`, 400, "tools[0].name", "invalid_value"},
		{"a function of the name that one of a namespace has", "responses", `{"input":"x","tools":[{"type":"namespace","name":"a","tools":[{"type":"function","name":"b"}]},{"type":"function","name":"a__b"}]}`, 400, "tools[1].name", "invalid_value"},
		{"functions of two namespaces with one name", "responses", `{"input":"x","tools":[{"type":"namespace","name":"a","tools":[{"type":"function","name":"b__c"}]},{"type":"namespace","name":"a__b","tools":[{"type":"function","name":"c"}]}]}`, 400, "tools[1].tools[0].name", "invalid_value"},
		{"a tool that is loaded later", "responses", `{"input":"x","tools":[{"type":"function","name":"f","defer_loading":true}]}`, 400, "tools[0].defer_loading", "unsupported_value"},
		{"a tool that is not waited for", "responses", `{"input":"x","tools":[{"type":"function","name":"f","async":true}]}`, 400, "tools[0].async", "unsupported_value"},
		{"a tool in the form of chats", "responses", `{"input":"x","tools":[{"type":"function","function":{"name":"f"}}]}`, 400, "tools[0].name", "invalid_value"},
		{"a choice in the form of chats", "responses", `{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"function","function":{"name":"f"}}}`, 400, "tool_choice", "invalid_value"},
		{"a choice with a field that is unknown", "responses", `{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"function","name":"f","namespace":"g"}}`, 400, "tool_choice.namespace", "unknown_parameter"},
		{"a choice of a chat with a field that is unknown", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f","strict":true}}}`, 400, "tool_choice.function.strict", "unknown_parameter"},
		{"a choice in other letters", "chat/completions", `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"Type":"function","Function":{"Name":"f"}}}`, 400, "tool_choice", "invalid_value"},
		{"a format that is none of a response", "responses", `{"input":"x","text":{"format":{"type":"xml"}}}`, 400, "text.format.type", "invalid_value"},
		{"a schema of a response that is missing", "responses", `{"input":"x","text":{"format":{"type":"json_schema","name":"x"}}}`, 400, "text.format", "invalid_value"},
		{"a format in the form of chats", "responses", `{"input":"x","response_format":{"type":"json_object"}}`, 400, "response_format", "unknown_parameter"},
		{"a long response", "responses", `{"input":"x","text":{"verbosity":"high"}}`, 400, "text.verbosity", "unsupported_value"},
		{"an effort that is none", "responses", `{"input":"x","reasoning":{"effort":"huge"}}`, 400, "reasoning.effort", "invalid_value"},
		{"a short summary", "responses", `{"input":"x","reasoning":{"summary":"concise"}}`, 400, "reasoning.summary", "unsupported_value"},
		{"results of a search", "responses", `{"input":"x","include":["file_search_call.results"]}`, 400, "include", "unsupported_value"},
		{"metadata that are no texts", "responses", `{"input":"x","metadata":{"a":"b","c":{"d":1}}}`, 400, "metadata.c", "invalid_value"},
		{"many metadata", "responses", `{"input":"x","metadata":{"0":"x"` + manyFields(16) + `}}`, 400, "metadata", "invalid_value"},
		{"metadata with a long name", "responses", `{"input":"x","metadata":{"` + strings.Repeat("é", 65) + `":"x"}}`, 400, "metadata", "invalid_value"},
		{"long metadata", "responses", `{"input":"x","metadata":{"a":"` + strings.Repeat("é", 513) + `"}}`, 400, "metadata.a", "invalid_value"},
		{"a user that is none", "responses", `{"input":"x","user":{"a":1}}`, 400, "user", "invalid_value"},
		{"a key that is none", "responses", `{"input":"x","prompt_cache_key":7}`, 400, "prompt_cache_key", "invalid_value"},
		{"two answers", "responses", `{"input":"x","n":2}`, 400, "n", "unsupported_value"},
		{"no tokens of a response", "responses", `{"input":"x","max_output_tokens":0}`, 400, "max_output_tokens", "invalid_value"},
		{"a length in the form of chats", "responses", `{"input":"x","max_tokens":1}`, 400, "max_tokens", "unknown_parameter"},
		{"too hot a response", "responses", `{"input":"x","temperature":-1}`, 400, "temperature", "invalid_value"},
		{"null as a stop sequence", "messages", `{"max_tokens":1,"messages":[{"role":"user","content":"x"}],"stop_sequences":[null]}`, 400, "stop_sequences", ""},
		{"an empty stop sequence", "messages", `{"max_tokens":1,"messages":[{"role":"user","content":"x"}],"stop_sequences":[""]}`, 400, "stop_sequences", ""},
		{"a grammar that no token can begin", "completions", `{"prompt":"a","grammar":"root ::= [^\\x00-\\U0010FFFF]"}`, 422, "", "no_token_left"},
		{"biases beyond numbers", "completions", `{"prompt":"a","logit_bias":{"5":3e38},"temperature":0.0001}`, 422, "", "no_token_left"},
		{"documents for a model without a classifier", "rerank", `{"query":"a","documents":["b"]}`, 400, "model", "invalid_value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := post(t, url+"/v1/"+tt.path, tt.body)
			e := failure(t, body)
			param, _ := e["param"].(string)
			if status != tt.status || param != tt.param || e["code"] != tt.code && tt.code != "" || e["type"] != "invalid_request_error" || e["message"] == "" {
				t.Errorf("%d: %s", status, body)
			}
			if m := e["message"].(string); tt.param != "" && !strings.Contains(m, tt.param) || strings.ContainsAny(m, "\n") {
				t.Errorf("%q does not name the field", m)
			}
			if header.Get("Content-Length") == "" {
				t.Error("no length")
			}
		})
	}
	status, _, body := post(t, url+"/v1/completions", `{"prompt":"Once","max_tokens":-1,"temperature":1e999}`)
	if message := failure(t, body)["message"]; status != 400 || message != "temperature: want a number: it is 1e999" {
		t.Errorf("%d: %v", status, message)
	}
	status, _, body = post(t, url+"/v1/completions", `{"prompt":"Once","max_tokens":1,"user":"me","metadata":{"a":"b"},"store":true,"service_tier":"auto","seed":null,"stop":null,"logit_bias":null,"stream":null}`)
	decode(t, status, body)
}

func quoted(s string) string { text, _ := json.Marshal(s); return string(text) }

// manyFields returns n fields with texts, to go on with an object.
func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"a%d":"x"`, i)
	}
	return b.String()
}

func TestSamplingIsObeyed(t *testing.T) {
	_, url := newServer(t, options())
	complete := func(more object) (string, string) {
		t.Helper()
		o := object{"prompt": "Once upon a time", "max_tokens": 12}
		for k, v := range more {
			o[k] = v
		}
		status, _, body := post(t, url+"/v1/completions", o)
		a := decode(t, status, body)
		return at(t, a, "choices", 0, "text").(string), at(t, a, "choices", 0, "finish_reason").(string)
	}
	greedy, _ := complete(object{"temperature": 0})
	if !strings.HasPrefix(greedy, ", there lived") {
		t.Fatalf("%q", greedy)
	}
	for _, same := range []object{{"top_k": 1}, {"top_p": 0}, {"min_p": 1}, {"temperature": 1e-6}} {
		if text, _ := complete(same); text != greedy {
			t.Errorf("%v: %q", same, text)
		}
	}
	one, _ := complete(object{"seed": 7, "temperature": 1.5})
	again, _ := complete(object{"seed": 7, "temperature": 1.5})
	other, _ := complete(object{"seed": 8, "temperature": 1.5})
	if one != again || one == other {
		t.Errorf("seeds: %q, %q, %q", one, again, other)
	}
	if text, why := complete(object{"temperature": 0, "stop": "lived"}); text != ", there " || why != "stop" {
		t.Errorf("stop: %q, %s", text, why)
	}
	if text, _ := complete(object{"temperature": 0, "grammar": `root ::= "yes" | "no"`}); text != "yes" && text != "no" {
		t.Errorf("grammar: %q", text)
	}
	status, _, body := post(t, url+"/tokenize", object{"content": greedy[:1]})
	tokens := at(t, decode(t, status, body), "tokens").([]any)
	comma := tokens[len(tokens)-1]
	for _, bias := range []any{object{fmt.Sprint(comma): -100}, [][]any{{comma, false}}, [][]any{{comma, -100}}} {
		if text, _ := complete(object{"temperature": 0, "logit_bias": bias}); strings.HasPrefix(text, ",") {
			t.Errorf("bias %v: %q", bias, text)
		}
	}
}

func TestChoicesAndPromptsAreCounted(t *testing.T) {
	_, url := newServer(t, options())
	status, _, body := post(t, url+"/v1/completions", object{"prompt": []string{"Once", "The sun"}, "n": 2, "max_tokens": 3, "temperature": 1.2, "seed": 3, "echo": true})
	o := decode(t, status, body)
	if n := len(o["choices"].([]any)); n != 4 {
		t.Fatalf("%d choices", n)
	}
	for i, begin := range []string{"Once", "Once", "The sun", "The sun"} {
		if text := at(t, o, "choices", i, "text").(string); !strings.HasPrefix(text, begin) || at(t, o, "choices", i, "index") != float64(i) {
			t.Errorf("%d: %q", i, text)
		}
	}
	if at(t, o, "choices", 0, "text") == at(t, o, "choices", 1, "text") {
		t.Errorf("two choices are the same: %s", body)
	}
	if at(t, o, "usage", "completion_tokens") != 12.0 {
		t.Errorf("usage: %s", body)
	}
	status, _, body = post(t, url+"/tokenize", object{"content": "Once upon a time", "add_special": true})
	tokens := decode(t, status, body)["tokens"]
	status, _, body = post(t, url+"/v1/completions", object{"prompt": tokens, "max_tokens": 4, "temperature": 0})
	if text := at(t, decode(t, status, body), "choices", 0, "text"); text != ", there lived a" {
		t.Errorf("of tokens: %q", text)
	}
	status, _, body = post(t, url+"/detokenize", object{"tokens": tokens})
	if text := decode(t, status, body)["content"].(string); !strings.HasSuffix(text, "Once upon a time") {
		t.Errorf("%q", text)
	}
	status, _, body = post(t, url+"/tokenize", object{"content": "Once", "with_pieces": true})
	if piece := at(t, decode(t, status, body), "tokens", 0, "piece"); piece != "Once" && piece != " Once" {
		t.Errorf("%q", piece)
	}
}

func TestLogProbabilities(t *testing.T) {
	_, url := newServer(t, options())
	for _, stream := range []bool{false, true} {
		status, _, body := post(t, url+"/v1/chat/completions", object{"messages": user("Hello"), "max_tokens": 6, "temperature": 0, "logprobs": true, "top_logprobs": 3, "stream": stream})
		var list []any
		text := ""
		if stream {
			parts, _ := streamed(t, body)
			for _, p := range parts {
				if l, ok := at(t, p, "choices", 0, "logprobs").(object); ok {
					list = append(list, l["content"].([]any)...)
				}
				if s, ok := at(t, p, "choices", 0, "delta", "content").(string); ok {
					text += s
				}
			}
		} else {
			o := decode(t, status, body)
			list = at(t, o, "choices", 0, "logprobs", "content").([]any)
			text = at(t, o, "choices", 0, "message", "content").(string)
		}
		all := ""
		for _, l := range list {
			all += at(t, l, "token").(string)
			top := at(t, l, "top_logprobs").([]any)
			if p := at(t, l, "logprob").(float64); p > 0 || math.IsNaN(p) || len(top) != 3 || at(t, top[0], "logprob").(float64) < at(t, top[2], "logprob").(float64) {
				t.Errorf("%v", l)
			}
		}
		if len(list) != 6 || strings.TrimSpace(all) != strings.TrimSpace(text) {
			t.Errorf("stream %v: %d tokens, %q, want %q", stream, len(list), all, text)
		}
	}
	status, _, body := post(t, url+"/v1/completions", object{"prompt": "Once", "max_tokens": 3, "logprobs": 2, "temperature": 0})
	o := at(t, decode(t, status, body), "choices", 0, "logprobs")
	if len(at(t, o, "tokens").([]any)) != 3 || len(at(t, o, "top_logprobs").([]any)) != 3 || at(t, o, "text_offset", 0) != 0.0 {
		t.Errorf("%s", body)
	}
}

func TestAnswersObeySchemas(t *testing.T) {
	_, url := newServer(t, options())
	ask := object{"messages": user("Hello"), "max_tokens": 200, "seed": 1}
	ask["response_format"] = object{"type": "json_schema", "json_schema": object{"name": "x", "strict": true, "schema": object{
		"type": "object", "properties": object{"colour": object{"enum": []string{"red", "blue"}}, "count": object{"type": "integer", "minimum": 0, "maximum": 9}}, "required": []string{"colour", "count"}, "additionalProperties": false}}}
	status, _, body := post(t, url+"/v1/chat/completions", ask)
	content := at(t, decode(t, status, body), "choices", 0, "message", "content").(string)
	var got struct {
		Colour string
		Count  int
	}
	if err := json.Unmarshal([]byte(content), &got); err != nil || !slices.Contains([]string{"red", "blue"}, got.Colour) || got.Count < 0 || got.Count > 9 {
		t.Errorf("%v: %s", err, content)
	}
	ask["response_format"] = object{"type": "json_schema", "json_schema": object{"name": "x", "schema": object{"type": "object", "frobnicate": 1, "not": object{"type": "string", "pattern": "^a+$"}}}}
	if status, _, body := post(t, url+"/v1/chat/completions", ask); status != http.StatusBadRequest || failure(t, body)["code"] != "invalid_schema" {
		t.Errorf("%d: %s", status, body)
	}
}

func TestACallCanBeRequired(t *testing.T) {
	for name, template := range map[string]string{"as JSON": template, "in the model's own way": template + "{# <tool_call> #}"} {
		t.Run(name, func(t *testing.T) { requireCalls(t, template) })
	}
}

func requireCalls(t *testing.T, template string) {
	o := options()
	o.ChatTemplate = template
	_, url := newServer(t, o)
	tool := func(name string) object {
		return object{"type": "function", "function": object{"name": name, "description": "d", "parameters": object{
			"type": "object", "properties": object{"city": object{"$ref": "#/$defs/city"}}, "required": []string{"city"}, "additionalProperties": false,
			"$defs": object{"city": object{"enum": []string{"Rome", "Oslo"}}}}}}
	}
	ask := object{"messages": user("Weather?"), "tools": []object{tool("weather"), tool("news")}, "max_tokens": 100}
	for _, choice := range []any{"required", object{"type": "function", "function": object{"name": "news"}}} {
		for _, stream := range []bool{false, true} {
			ask["tool_choice"], ask["stream"] = choice, stream
			status, _, body := post(t, url+"/v1/chat/completions", ask)
			name, arguments, finish := "", "", ""
			if stream {
				parts, _ := streamed(t, body)
				for _, p := range parts {
					if s, ok := at(t, p, "choices", 0, "finish_reason").(string); ok {
						finish = s
					}
					calls, ok := at(t, p, "choices", 0, "delta", "tool_calls").([]any)
					if !ok {
						continue
					}
					if s, ok := at(t, calls, 0, "function", "name").(string); ok {
						name += s
					}
					arguments += at(t, calls, 0, "function", "arguments").(string)
				}
			} else {
				o := at(t, decode(t, status, body), "choices", 0)
				finish = at(t, o, "finish_reason").(string)
				call := at(t, o, "message", "tool_calls", 0)
				name, arguments = at(t, call, "function", "name").(string), at(t, call, "function", "arguments").(string)
				if at(t, o, "message", "content") != nil || at(t, call, "type") != "function" || !strings.HasPrefix(at(t, call, "id").(string), "call_") {
					t.Errorf("%s", body)
				}
			}
			var city struct{ City string }
			if err := json.Unmarshal([]byte(arguments), &city); err != nil || city.City != "Rome" && city.City != "Oslo" || finish != "tool_calls" {
				t.Errorf("%v, %v: %v, %q, %s: %s", choice, stream, err, arguments, finish, body)
			}
			if name != "news" && (choice != "required" || name != "weather") {
				t.Errorf("%v: %q", choice, name)
			}
		}
	}
}

func TestATextThatDoesNotFitIsRefusedWithFigures(t *testing.T) {
	o := options()
	o.Batch.Context = 64
	_, url := newServer(t, o)
	for path, ask := range map[string]object{
		"prompt":   {"prompt": strings.Repeat("word ", 300)},
		"messages": {"messages": user(strings.Repeat("word ", 300))},
		"input":    {"input": strings.Repeat("word ", 300), "stream": true},
	} {
		where := map[string]string{"prompt": "/v1/completions", "messages": "/v1/chat/completions", "input": "/v1/responses"}[path]
		status, _, body := post(t, url+where, ask)
		e := failure(t, body)
		if status != http.StatusBadRequest || e["code"] != "context_length_exceeded" || e["param"] != path || e["n_ctx"].(float64) < 64 || e["n_prompt_tokens"].(float64) < 300 {
			t.Errorf("%d: %s", status, body)
		}
	}
}

func TestACommonPrefixIsNotComputedAgain(t *testing.T) {
	_, url := newServer(t, options())
	ask := object{"messages": user(strings.Repeat("Once upon a time there was a cat. ", 6)), "max_tokens": 2}
	post(t, url+"/v1/chat/completions", ask)
	status, _, body := post(t, url+"/v1/chat/completions", ask)
	o := decode(t, status, body)
	cached, prompt := at(t, o, "usage", "prompt_tokens_details", "cached_tokens").(float64), at(t, o, "usage", "prompt_tokens").(float64)
	if cached < prompt/2 || cached >= prompt {
		t.Errorf("%v of %v tokens cached", cached, prompt)
	}
}

func TestEmbeddingsHaveOpenAIsForm(t *testing.T) {
	_, url := newServer(t, options())
	status, _, body := post(t, url+"/v1/embeddings", object{"input": []string{"a red ball", "a blue ball", "a red ball"}, "model": "any"})
	o := decode(t, status, body)
	vector := func(i int) []any { return at(t, o, "data", i, "embedding").([]any) }
	length := 0.0
	for _, x := range vector(0) {
		length += x.(float64) * x.(float64)
	}
	if len(vector(0)) != 256 || !slices.Equal(vector(0), vector(2)) || slices.Equal(vector(0), vector(1)) || math.Abs(length-1) > 1e-3 {
		t.Errorf("%d numbers, length %v", len(vector(0)), length)
	}
	if at(t, o, "usage", "prompt_tokens").(float64) < 9 {
		t.Errorf("usage: %v", o["usage"])
	}
	status, _, body = post(t, url+"/v1/embeddings", object{"input": "a red ball", "encoding_format": "base64"})
	if s := at(t, decode(t, status, body), "data", 0, "embedding").(string); len(s) != (256*4+2)/3*4 {
		t.Errorf("%d characters", len(s))
	}
}

func TestLlamaServersAddresses(t *testing.T) {
	_, url := newServer(t, options())
	status, _, body := post(t, url+"/v1/completions", object{"prompt": "Once", "max_tokens": 4})
	decode(t, status, body)
	status, _, body = get(t, url+"/props")
	if o := decode(t, status, body); o["total_slots"] != 4.0 || at(t, o, "default_generation_settings", "n_ctx").(float64) < 2048 && at(t, o, "default_generation_settings", "n_ctx").(float64) < 512 {
		t.Errorf("%s", body)
	}
	status, _, body = get(t, url+"/slots")
	var slots []object
	if err := json.Unmarshal(body, &slots); err != nil || status != 200 || len(slots) != 4 || slots[0]["is_processing"] != false {
		t.Errorf("%d: %s", status, body)
	}
	status, _, body = get(t, url+"/v1/models")
	o := decode(t, status, body)
	name := at(t, o, "data", 0, "id").(string)
	if name != "tiny-stories-f16" || at(t, o, "data", 0, "meta", "n_vocab").(float64) < 1000 {
		t.Errorf("%s", body)
	}
	status, _, body = get(t, url+"/v1/models/"+name)
	decode(t, status, body)
	if status, _, _ = get(t, url+"/v1/models/none"); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
	status, _, body = post(t, url+"/apply-template", object{"messages": user("Hello")})
	if p := decode(t, status, body)["prompt"]; p != "user: Hello\nassistant:" {
		t.Errorf("%q", p)
	}
	_, _, body = get(t, url+"/metrics")
	for _, want := range []string{"llamacpp:tokens_predicted_total{model=\"tiny-stories-f16\"} 4\n", "llamacpp:prompt_tokens_total{", "llamacpp:requests_processing{", `infer_memory_bytes{model="tiny-stories-f16",purpose="weights"}`, "go_goroutines", "infer_time_to_first_token_seconds_count 1\n", `infer_http_requests_total{route="/v1/completions",status="200"} 1`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s is missing", want)
		}
	}
	status, _, body = get(t, url+"/memory")
	if kv := at(t, decode(t, status, body), "models", 0, "report", "memory", "kv", "current_bytes"); kv.(float64) <= 0 {
		t.Errorf("%v", kv)
	}
}

func TestMessagesInAnthropicsForm(t *testing.T) {
	_, url := newServer(t, options())
	ask := object{"model": "m", "max_tokens": 5, "system": "Be kind.", "messages": []object{{"role": "user", "content": []object{{"type": "text", "text": "Hello"}}}}}
	status, _, body := post(t, url+"/v1/messages", ask)
	o := decode(t, status, body)
	if o["type"] != "message" || o["stop_reason"] != "max_tokens" || at(t, o, "content", 0, "type") != "text" || at(t, o, "usage", "output_tokens") != 5.0 {
		t.Errorf("%s", body)
	}
	ask["stream"] = true
	_, _, body = post(t, url+"/v1/messages", ask)
	for _, want := range []string{"event: message_start\n", "event: content_block_start\n", `"text_delta"`, "event: content_block_stop\n", `"stop_reason":"max_tokens","stop_sequence":null`, "event: message_stop\n"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s is missing: %s", want, body)
		}
	}
	ask["stream"] = false
	ask["temperature"] = 0
	ask["stop_sequences"], ask["max_tokens"] = []string{"never\x01", "e"}, 100
	status, _, body = post(t, url+"/v1/messages", ask)
	if o = decode(t, status, body); o["stop_reason"] != "stop_sequence" || o["stop_sequence"] != "e" {
		t.Errorf("%s", body)
	}
	ask["stream"] = true
	if _, _, body = post(t, url+"/v1/messages", ask); !strings.Contains(string(body), `"delta":{"stop_reason":"stop_sequence","stop_sequence":"e"}`) {
		t.Errorf("%s", body)
	}
	delete(ask, "stream")
	delete(ask, "stop_sequences")
	ask["tools"] = []object{{"name": "weather", "input_schema": object{"type": "object", "properties": object{"city": object{"enum": []string{"Rome"}}}, "required": []string{"city"}}}}
	ask["tool_choice"] = object{"type": "tool", "name": "weather"}
	ask["max_tokens"] = 100
	status, _, body = post(t, url+"/v1/messages", ask)
	o = decode(t, status, body)
	if o["stop_reason"] != "tool_use" || at(t, o, "content", 0, "name") != "weather" || at(t, o, "content", 0, "input", "city") != "Rome" {
		t.Errorf("%s", body)
	}
	thinking := options()
	thinking.ChatTemplate += "<think>"
	_, thinks := newServer(t, thinking)
	for display, want := range map[string]bool{"summarized": true, "omitted": false} {
		for _, stream := range []bool{false, true} {
			_, _, body = post(t, thinks+"/v1/messages", object{"max_tokens": 5, "stream": stream, "messages": user("Hello"), "thinking": object{"type": "enabled", "budget_tokens": 1024, "display": display}})
			if !strings.Contains(string(body), `"stop_reason":"`) || strings.Contains(string(body), `"thinking"`) != want {
				t.Errorf("%s: %s", display, body)
			}
		}
	}
	status, _, body = post(t, url+"/v1/messages/count_tokens", object{"messages": user("Hello")})
	if n := decode(t, status, body)["input_tokens"].(float64); n < 3 {
		t.Errorf("%v", n)
	}
	status, _, body = post(t, url+"/v1/messages", object{"messages": user("Hello")})
	if o := failure(t, body); status != 400 || o["type"] != "invalid_request_error" || !strings.Contains(o["message"].(string), "max_tokens") {
		t.Errorf("%d: %s", status, body)
	}
}

func TestStructuredAnswersAreNoReasoning(t *testing.T) {
	o := options()
	o.ChatTemplate = strings.TrimSuffix(instruct.Hermes, "\n") + "\n<think>\n" // as of models that always think
	_, url := newServer(t, o)
	status, _, body := post(t, url+"/v1/chat/completions", object{"messages": user("Hello"), "max_tokens": 60, "json_schema": object{"enum": []string{"red"}}})
	m := at(t, decode(t, status, body), "choices", 0, "message")
	if at(t, m, "content") != `"red"` || at(t, m, "reasoning_content") != nil {
		t.Errorf("%s", body)
	}
	status, _, body = post(t, url+"/v1/chat/completions", object{"messages": user("Hello"), "max_tokens": 60, "grammar": `root ::= "I think.\n</think>\n\nYes."`})
	m = at(t, decode(t, status, body), "choices", 0, "message")
	if at(t, m, "content") != "Yes." || !strings.HasPrefix(at(t, m, "reasoning_content").(string), "I think.") {
		t.Errorf("%s", body)
	}
	for format, want := range map[string]string{"none": "I think.\n</think>\n\nYes.", "deepseek": "Yes."} {
		status, _, body = post(t, url+"/v1/chat/completions", object{"messages": user("Hello"), "max_tokens": 60, "reasoning_format": format, "grammar": `root ::= "I think.\n</think>\n\nYes."`})
		if got := at(t, decode(t, status, body), "choices", 0, "message", "content"); got != want {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestOneCallIsEnough(t *testing.T) {
	_, url := newServer(t, withHermes())
	two := `root ::= call "\n" call
call ::= "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>"`
	ask := object{"messages": user("Weather?"), "max_tokens": 200, "grammar": two, "tools": []object{{"type": "function", "function": object{"name": "weather"}}}}
	for parallel, want := range map[bool]int{true: 2, false: 1} {
		ask["parallel_tool_calls"] = parallel
		status, _, body := post(t, url+"/v1/chat/completions", ask)
		o := at(t, decode(t, status, body), "choices", 0)
		if n := len(at(t, o, "message", "tool_calls").([]any)); n != want || at(t, o, "finish_reason") != "tool_calls" {
			t.Errorf("parallel %v: %d calls: %s", parallel, n, body)
		}
	}
}

func withHermes() server.Options {
	o := options()
	o.ChatTemplate = instruct.Hermes
	return o
}

// A schema that no grammar can obey is refused if calls have to be valid, and otherwise not.
func TestStrictCallsNeedAGrammar(t *testing.T) {
	_, url := newServer(t, withHermes())
	for strict, want := range map[bool]int{true: http.StatusBadRequest, false: http.StatusOK} {
		ask := object{"messages": user("Weather?"), "max_tokens": 5, "tools": []object{{"type": "function", "function": object{
			"name": "weather", "strict": strict, "parameters": object{"type": "array", "contains": object{"type": "integer"}}}}}}
		status, _, body := post(t, url+"/v1/chat/completions", ask)
		if status != want {
			t.Errorf("strict %v: %d: %s", strict, status, body)
		}
		if !strict {
			continue
		}
		if e := failure(t, body); e["param"] != "tools" || e["code"] != "invalid_schema" {
			t.Errorf("%s", body)
		}
	}
}

func TestTextsToTranslateAreBounded(t *testing.T) {
	_, url := newServer(t, options())
	status, _, body := post(t, url+"/tokenize", object{"content": strings.Repeat("a", 1<<20+1), "with_pieces": true})
	if e := failure(t, body); status != 413 || e["code"] != "content_too_large" || e["param"] != "content" || e["bytes"] != 1048577.0 || e["max_bytes"] != 1048576.0 {
		t.Errorf("%d: %s", status, body)
	}
	status, _, body = post(t, url+"/detokenize", `{"tokens":[`+strings.Repeat("1,", 256<<10)+`1]}`)
	if e := failure(t, body); status != 400 || e["param"] != "tokens" || !strings.Contains(e["message"].(string), "262145 tokens: use at most 262144") {
		t.Errorf("%d: %s", status, body)
	}
	status, _, body = post(t, url+"/detokenize", `{"tokens":[5,null]}`)
	if e := failure(t, body); status != 400 || e["param"] != "tokens" {
		t.Errorf("%d: %s", status, body)
	}
	for _, more := range []object{{}, {"with_pieces": true}} {
		more["content"] = ""
		status, _, body = post(t, url+"/tokenize", more)
		if tokens, ok := decode(t, status, body)["tokens"].([]any); !ok || len(tokens) != 0 {
			t.Errorf("of nothing: %s", body)
		}
	}
}

// What llama-server's clients ask for beside the text.
func TestTimingsOfPartsAndPromptsWithoutACache(t *testing.T) {
	_, url := newServer(t, options())
	for path, ask := range map[string]object{
		"completions":      {"prompt": "Once upon a time there was a dog", "max_tokens": 4, "temperature": 0, "ignore_eos": true, "stream": true},
		"chat/completions": {"messages": user("Once upon a time there was a dog"), "max_tokens": 4, "temperature": 0, "ignore_eos": true, "stream": true},
	} {
		parts := func(extra object) (list []object) {
			t.Helper()
			for k, v := range ask {
				extra[k] = v
			}
			_, _, body := post(t, url+"/v1/"+path, extra)
			list, _ = streamed(t, body)
			return list
		}
		most := 0.0
		for i, o := range parts(object{"timings_per_token": true}) {
			n := at(t, o, "timings", "predicted_n").(float64)
			if n < max(most, 1) || at(t, o, "timings", "prompt_n").(float64)+at(t, o, "timings", "cache_n").(float64) < 8 {
				t.Errorf("%s, part %d: %v", path, i, o["timings"])
			}
			most = n
		}
		last := func(list []object) object {
			for _, o := range list[:len(list)-1] {
				if o["timings"] != nil {
					t.Errorf("%s: %v", path, o)
				}
			}
			return list[len(list)-1]
		}
		if cached := at(t, last(parts(object{})), "timings", "cache_n").(float64); most != 4 || cached < 8 {
			t.Errorf("%s: %v tokens, %v of the cache", path, most, cached)
		}
		o := last(parts(object{"cache_prompt": false, "stream_options": object{"include_usage": true}}))
		if at(t, o, "timings", "cache_n") != 0.0 || at(t, o, "usage", "prompt_tokens_details", "cached_tokens") != 0.0 || at(t, o, "timings", "prompt_n").(float64) < 8 {
			t.Errorf("%s: %v", path, o)
		}
	}
}
