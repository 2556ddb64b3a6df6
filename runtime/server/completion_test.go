//go:build cgo

package server_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// tokensOf returns a text's tokens, with those that the tokenizer adds.
func tokensOf(t *testing.T, url, text string) []any {
	t.Helper()
	status, _, body := post(t, url+"/tokenize", object{"content": text, "add_special": true})
	return at(t, decode(t, status, body), "tokens").([]any)
}

// choice is a choice of /v1/completions, whole or from the parts of a stream.
type choice struct {
	text, finish        string
	tokens, probs, tops []any
	offsets             []any
}

// choices reads the choices of an answer, and its usage.
func choices(t *testing.T, url string, ask object) (list []choice, usage object) {
	t.Helper()
	status, _, body := post(t, url+"/v1/completions", ask)
	parts := []object{nil}
	if ask["stream"] == true {
		parts, _ = streamed(t, body)
	} else {
		parts[0] = decode(t, status, body)
	}
	if len(parts) == 0 {
		t.Fatalf("%d: %s", status, body)
	}
	for _, p := range parts {
		if u, ok := p["usage"].(object); ok {
			usage = u
		}
		for _, o := range p["choices"].([]any) {
			i := int(at(t, o, "index").(float64))
			list = append(list, make([]choice, max(0, i+1-len(list)))...)
			c := &list[i]
			c.text += at(t, o, "text").(string)
			if f, ok := at(t, o, "finish_reason").(string); ok {
				c.finish = f
			}
			if l, ok := at(t, o, "logprobs").(object); ok {
				c.tokens, c.probs = append(c.tokens, l["tokens"].([]any)...), append(c.probs, l["token_logprobs"].([]any)...)
				c.tops, c.offsets = append(c.tops, l["top_logprobs"].([]any)...), append(c.offsets, l["text_offset"].([]any)...)
			}
		}
	}
	return list, usage
}

// What evaluation harnesses ask: the probability of each token of a prompt, of none or one more.
func TestPromptsHaveLogProbabilities(t *testing.T) {
	_, url := newServer(t, options())
	const text = "Once upon a time, there was a café. The dog ran"
	ids := tokensOf(t, url, text)
	greedy, _ := choices(t, url, object{"prompt": "Once upon a time", "max_tokens": 5, "temperature": 0, "logprobs": 1})
	var first []choice
	for _, stream := range []bool{false, true} {
		for _, prompt := range []any{text, ids, []any{ids, ids[:len(ids)-2]}, []string{text, "The dog"}} {
			for _, n := range []int{0, 1, 3} {
				ask := object{"prompt": prompt, "max_tokens": n, "echo": true, "logprobs": 1, "temperature": 0, "seed": 1234, "stream": stream}
				if stream {
					ask["stream_options"] = object{"include_usage": true}
				}
				list, usage := choices(t, url, ask)
				c := list[0]
				what := fmt.Sprintf("stream %v, %v, %d: %+v, %v", stream, prompt, n, c, usage)
				if len(c.tokens) != len(ids)+n || len(c.probs) != len(c.tokens) || len(c.tops) != len(c.tokens) || len(c.offsets) != len(c.tokens) || c.finish != "length" {
					t.Fatal(what)
				}
				if c.probs[0] != nil || c.tops[0] != nil || usage["completion_tokens"] != float64(n*len(list)) || len(list) == 1 && usage["prompt_tokens"] != float64(len(ids)) {
					t.Error(what)
				}
				for i, p := range c.probs[1:] {
					top := c.tops[i+1].(object)
					for _, best := range top {
						if p := p.(float64); p > best.(float64) || p > 0 || len(top) != 1 {
							t.Errorf("token %d: %s", i+1, what)
						}
					}
				}
				if _, ok := prompt.(string); ok && (!strings.HasPrefix(c.text, text) || n == 0 && c.text != text) {
					t.Errorf("%q", c.text)
				}
				if first == nil {
					first = list
				}
				for i, p := range first[0].probs[1:] {
					if math.Abs(p.(float64)-c.probs[i+1].(float64)) > 0.05 {
						t.Errorf("token %d: %v, want %v: %s", i+1, c.probs[i+1], p, what)
					}
				}
			}
		}
	}
	// A text that the model has written has the probabilities with which it was written.
	again, _ := choices(t, url, object{"prompt": "Once upon a time" + greedy[0].text, "max_tokens": 0, "echo": true, "logprobs": 0})
	for i, p := range greedy[0].probs {
		rest := again[0].probs[len(again[0].probs)-len(greedy[0].probs):]
		if math.Abs(rest[i].(float64)-p.(float64)) > 0.05 {
			t.Errorf("%v, want %v", rest, greedy[0].probs)
		}
	}
}

// A text that the model ends has the end's token as the last one that was generated.
func TestTheTokenThatEndsATextIsCounted(t *testing.T) {
	_, url := newServer(t, options())
	ids := tokensOf(t, url, "Once upon a time")
	status, _, body := post(t, url+"/completion", object{"prompt": ids, "n_predict": 400, "temperature": 0, "n_probs": 1, "return_tokens": true})
	whole := decode(t, status, body)
	written, predicted := at(t, whole, "tokens").([]any), at(t, whole, "tokens_predicted").(float64)
	if probs := at(t, whole, "completion_probabilities").([]any); at(t, whole, "stop_type") != "eos" || int(predicted) != len(written) || len(probs) != len(written) {
		t.Fatalf("%v, %v tokens predicted: %d tokens, %d probabilities", whole["stop_type"], predicted, len(written), len(probs))
	}
	prompt := append(slices.Clone(ids), written[:len(written)-1]...)
	for _, stream := range []bool{false, true} {
		list, _ := choices(t, url, object{"prompt": prompt, "max_tokens": 1, "echo": true, "logprobs": 1, "temperature": 0, "stream": stream})
		if c := list[0]; c.finish != "stop" || len(c.tokens) != len(prompt)+1 || len(c.probs) != len(c.tokens) || len(c.offsets) != len(c.tokens) {
			t.Errorf("stream %v: %s, %d tokens, want %d", stream, c.finish, len(c.tokens), len(prompt)+1)
		}
	}
}

// Harnesses cut the tokens of a continuation off by their places in the text.
func TestTokensOfAPromptHaveTheirPlaceInTheText(t *testing.T) {
	_, url := newServer(t, options())
	for _, text := range []string{
		"The café 日本 and \U0001F600 dogs ran", "  The dog ran", "   The dog  ran", " The dog", "</s>The dog ran</s>  Lily</s> and Tom", "<s>The dog", "\n\nThe dog",
	} {
		for _, prompt := range []any{text, tokensOf(t, url, text)} {
			for _, more := range []object{{}, {"stream": true}, {"stop": []string{"."}}} {
				ask := object{"prompt": prompt, "max_tokens": 12, "echo": true, "logprobs": 1, "temperature": 0}
				for k, v := range more {
					ask[k] = v
				}
				list, _ := choices(t, url, ask)
				inTheirPlaces(t, list[0])
				if _, ok := prompt.(string); ok && !strings.HasPrefix(list[0].text, text) {
					t.Errorf("%q", list[0].text)
				}
			}
		}
	}
	// What evaluation harnesses do: the tokens from the end of the context on are those of the continuation.
	for _, context := range []string{"The dog", "  The dog", "</s>  The dog"} {
		list, _ := choices(t, url, object{"prompt": context + " ran to the park", "max_tokens": 0, "echo": true, "logprobs": 1})
		from := slices.IndexFunc(list[0].offsets, func(o any) bool { return int(o.(float64)) >= len(context) })
		if n := len(tokensOf(t, url, context)); from != n {
			t.Errorf("%q: the continuation begins with token %d, want %d: %v of %q", context, from, n, list[0].offsets, list[0].tokens)
		}
	}
}

// inTheirPlaces checks that the text goes on with each token from its place on.
func inTheirPlaces(t *testing.T, c choice) {
	t.Helper()
	all, added := []rune(c.text), true // added: the tokenizer may have put a space before the next token
	for i, token := range c.tokens {
		piece, from := token.(string), int(c.offsets[i].(float64))
		if i > 0 && from < int(c.offsets[i-1].(float64)) || from > len(all) {
			t.Fatalf("%v in %q", c.offsets, c.text)
		}
		here := string(all[from:])
		special := piece == "<s>" || piece == "</s>"
		switch {
		case strings.HasPrefix(here, piece), strings.ContainsRune(piece, '\ufffd'), special, from == len(all):
		case added && strings.HasPrefix(here, strings.TrimPrefix(piece, " ")):
		default:
			t.Errorf("token %d, %q, is at %d of %q: %v of %q", i, piece, from, c.text, c.offsets, c.tokens)
		}
		added = special
	}
}

func TestNoTokensAreNoText(t *testing.T) {
	_, url := newServer(t, options())
	ids := tokensOf(t, url, "Once upon a time")
	for _, stream := range []bool{false, true} {
		for _, echo := range []bool{false, true} {
			ask := object{"prompt": []string{"Once upon a time", "Once upon a time"}, "n": 2, "max_tokens": 0, "echo": echo, "stream": stream}
			if stream {
				ask["stream_options"] = object{"include_usage": true}
			}
			list, usage := choices(t, url, ask)
			if len(list) != 4 || usage["prompt_tokens"] != float64(2*len(ids)) || usage["completion_tokens"] != 0.0 || usage["total_tokens"] != float64(2*len(ids)) {
				t.Errorf("%v, %v", list, usage)
			}
			for _, c := range list {
				if want := map[bool]string{true: "Once upon a time"}[echo]; c.text != want || c.finish != "length" || c.probs != nil {
					t.Errorf("%+v", c)
				}
			}
		}
	}
	// The prompt is kept for the next request.
	status, _, body := post(t, url+"/v1/completions", object{"prompt": "Once upon a time there was", "max_tokens": 1})
	if cached := at(t, decode(t, status, body), "usage", "prompt_tokens_details", "cached_tokens").(float64); int(cached) < len(ids)-1 {
		t.Errorf("%v tokens of %d cached", cached, len(ids))
	}
}

func TestEmbeddingsOfTokensAreThoseOfTheText(t *testing.T) {
	_, url := newServer(t, options())
	embed := func(input any) (list []any, tokens float64) {
		t.Helper()
		status, _, body := post(t, url+"/v1/embeddings", object{"input": input})
		o := decode(t, status, body)
		for i, d := range o["data"].([]any) {
			if at(t, d, "index") != float64(i) {
				t.Errorf("%s", body)
			}
			list = append(list, at(t, d, "embedding"))
		}
		return list, at(t, o, "usage", "prompt_tokens").(float64)
	}
	texts := []string{"a red ball", "the dog ran home"}
	a, b := tokensOf(t, url, texts[0]), tokensOf(t, url, texts[1])
	want, n := embed(texts)
	if got, m := embed([]any{a, b}); !reflect.DeepEqual(got, want) || m != n || int(n) != len(a)+len(b) {
		t.Errorf("%v tokens, want %v", m, n)
	}
	one, _ := embed(texts[0])
	if got, m := embed(a); !reflect.DeepEqual(got, one) || int(m) != len(a) {
		t.Errorf("%v tokens of %v", m, a)
	}
}

func TestCompletionsHaveLlamaServersForm(t *testing.T) {
	_, url := newServer(t, options())
	ids := tokensOf(t, url, "Once upon a time")
	ask := func(more object) object {
		o := object{"prompt": "Once upon a time", "n_predict": 6, "temperature": 0, "cache_prompt": true}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	complete := func(more object) object {
		t.Helper()
		status, _, body := post(t, url+"/completion", ask(more))
		return decode(t, status, body)
	}
	o := complete(object{"return_tokens": true, "n_probs": 2, "top_k": 5, "seed": 7})
	content := o["content"].(string)
	want, _ := choices(t, url, object{"prompt": "Once upon a time", "max_tokens": 6, "temperature": 0})
	if content != want[0].text || len(o["tokens"].([]any)) != 6 || o["stop"] != true || o["stop_type"] != "limit" || o["stopping_word"] != "" || o["truncated"] != false ||
		o["tokens_predicted"] != 6.0 || o["tokens_evaluated"] != float64(len(ids)) || o["prompt"] != "Once upon a time" || o["model"] == "" || at(t, o, "timings", "predicted_n") != 6.0 {
		t.Errorf("%v", o)
	}
	if s := o["generation_settings"].(object); s["temperature"] != 0.0 || s["top_k"] != 5.0 || s["seed"] != 7.0 || s["n_predict"] != 6.0 || math.Abs(s["min_p"].(float64)-0.05) > 1e-6 {
		t.Errorf("%v", s)
	}
	probs := o["completion_probabilities"].([]any)
	for i, p := range probs {
		if at(t, p, "id") != at(t, o, "tokens", i) || at(t, p, "top_logprobs", 0, "id") != at(t, p, "id") || at(t, p, "logprob").(float64) > 0 || len(at(t, p, "top_logprobs").([]any)) != 2 {
			t.Errorf("%v", p)
		}
	}
	if len(probs) != 6 {
		t.Errorf("%v", probs)
	}
	if o := complete(nil); o["tokens_cached"].(float64) < float64(len(ids)-1) || len(o["tokens"].([]any)) != 0 || o["completion_probabilities"] != nil {
		t.Errorf("%v", o)
	}
	if o := complete(object{"cache_prompt": false, "stop": []string{"lived"}}); o["content"] != ", there " || o["stop_type"] != "word" || o["stopping_word"] != "lived" || o["tokens_cached"] != 0.0 {
		t.Errorf("%v", o)
	}
	if o := complete(object{"n_predict": 0}); o["content"] != "" || o["stop_type"] != "limit" || o["tokens_predicted"] != 0.0 {
		t.Errorf("%v", o)
	}
	for _, more := range []object{{"grammar": `root ::= "yes"`}, {"json_schema": object{"const": "yes"}}} {
		if text := complete(more)["content"].(string); strings.Trim(text, `"`) != "yes" {
			t.Errorf("%v: %q", more, text)
		}
	}
	status, _, body := post(t, url+"/completions", ask(object{"stream": true, "n_probs": 1}))
	parts, done := streamed(t, body)
	text := ""
	var tokens []any
	for i, p := range parts {
		text += p["content"].(string)
		tokens = append(tokens, p["tokens"].([]any)...)
		if last := i == len(parts)-1; p["stop"] != last || last != (p["timings"] != nil) || last != (p["stop_type"] == "limit") || last == (p["completion_probabilities"] != nil) {
			t.Errorf("part %d: %v", i, p)
		}
	}
	if status != 200 || done || text != content || !slices.Equal(tokens, o["tokens"].([]any)) {
		t.Errorf("%d: %q, %v: %s", status, text, tokens, body)
	}
}

func TestPromptsHaveLlamaServersForms(t *testing.T) {
	_, url := newServer(t, options())
	ids := tokensOf(t, url, "Once upon a time")
	answer := func(prompt any) (status int, body []byte) {
		t.Helper()
		status, _, body = post(t, url+"/completion", object{"prompt": prompt, "n_predict": 4, "temperature": 0})
		return status, body
	}
	status, body := answer("Once upon a time")
	want := decode(t, status, body)["content"]
	for _, prompt := range []any{ids, append([]any{""}, ids[1:]...)} {
		status, body := answer(prompt)
		if o := decode(t, status, body); o["content"] != want || o["tokens_evaluated"] != float64(len(ids)) {
			t.Errorf("%v: %s", prompt, body)
		}
	}
	for _, inner := range []any{"Once upon a time", ids, append([]any{""}, ids[1:]...)} {
		status, body := answer(object{"prompt_string": inner})
		if o := decode(t, status, body); o["content"] != want || o["tokens_evaluated"] != float64(len(ids)) {
			t.Errorf("%v: %s", inner, body)
		}
	}
	_, body = answer([]any{object{"prompt_string": "Once upon a time"}, object{"prompt_string": ids}, "a"})
	if list := strings.Count(string(body), `"stop":true`); list != 3 || body[0] != '[' {
		t.Errorf("%s", body)
	}
	_, body = answer([]any{"Once upon a time", ids, append([]any{""}, ids...)})
	if list := strings.Count(string(body), `"stop":true`); list != 3 || body[0] != '[' {
		t.Errorf("%s", body)
	}
	for prompt, message := range map[string]string{
		`["a",1,{}]`:       "prompt: want texts and tokens",
		`["a",1,null]`:     "prompt: want texts and tokens",
		`["a",[]]`:         "prompt: an array of tokens is empty",
		`["a",1,99999999]`: "prompt: token 99999999 is out of range",
		`["a",[1,["b"]]]`:  "prompt: want texts and tokens",
		`["a",1` + strings.Repeat(",1", 10000) + `]`: "use at most",
	} {
		status, _, body := post(t, url+"/completion", `{"prompt":`+prompt+`}`)
		if e := failure(t, body); status != 400 || e["param"] != "prompt" || !strings.Contains(e["message"].(string), message) {
			t.Errorf("%.20s: %d: %s", prompt, status, body)
		}
	}
	for prompt, param := range map[string]string{
		`{"prompt_string":"a","multimodal_data":["aGk="]}`:         "prompt.multimodal_data",
		`["a",{"prompt_string":"a","multimodal_data":["aGk="]}]`:   "prompt[1].multimodal_data",
		`[{"prompt_string":"a","more":1}]`:                         "prompt[0].more",
		`["a",{}]`:                                                 "prompt[1].prompt_string",
		`{"prompt_string":{}}`:                                     "prompt",
		`{"prompt_string":["a",{}]}`:                               "prompt",
		`{"prompt_string":[]}`:                                     "prompt",
		`{"prompt_string":[1` + strings.Repeat(",1", 10000) + `]}`: "prompt.prompt_string",
	} {
		status, _, body := post(t, url+"/completion", `{"prompt":`+prompt+`}`)
		if e := failure(t, body); status != 400 || e["param"] != param {
			t.Errorf("%.50s: %d: %s", prompt, status, body)
		}
	}
	for field, value := range map[string]any{"post_sampling_probs": true, "t_max_predict_ms": 5, "n_indent": 2, "image_data": []any{object{}}, "samplers": []string{"top_k"}, "id_slot": 0, "n_probs": -1, "n_cmpl": 0} {
		status, _, body := post(t, url+"/completion", object{"prompt": "a", field: value})
		if e := failure(t, body); status != 400 || e["param"] != field {
			t.Errorf("%s: %d: %s", field, status, body)
		}
	}
}

func TestCompletionsHaveManyAlternativesAndChoices(t *testing.T) {
	_, url := newServer(t, options())
	_, _, body := get(t, url+"/v1/models")
	vocabulary := int(at(t, decode(t, 200, body), "data", 0, "meta", "n_vocab").(float64))
	complete := func(more object) (int, []byte) {
		ask := object{"prompt": "Once upon a time", "n_predict": 2, "temperature": 0}
		for k, v := range more {
			ask[k] = v
		}
		status, _, body := post(t, url+"/completion", ask)
		return status, body
	}
	for n, want := range map[int]int{21: 21, vocabulary: vocabulary, vocabulary + 5: vocabulary} {
		status, body := complete(object{"n_probs": n})
		for _, p := range at(t, decode(t, status, body), "completion_probabilities").([]any) {
			top := at(t, p, "top_logprobs").([]any)
			sum, bytes := 0.0, at(t, top[0], "bytes").([]any)
			for _, a := range top {
				sum += math.Exp(at(t, a, "logprob").(float64))
			}
			if len(top) != want || want == vocabulary && math.Abs(sum-1) > 1e-3 || at(t, top[0], "id") != at(t, p, "id") || bytes[0] != float64(at(t, top[0], "token").(string)[0]) {
				t.Errorf("%d: %d alternatives with %v", n, len(top), sum)
			}
		}
	}
	status, body := complete(object{"n_probs": 1000, "n_predict": 300})
	if e := failure(t, body); status != 400 || e["param"] != "n_probs" || !strings.Contains(e["message"].(string), "use at most 262144") {
		t.Errorf("%d: %s", status, body)
	}
	status, body = complete(object{"n_cmpl": 3, "temperature": 1, "seed": 5})
	if list := strings.Count(string(body), `"stop":true`); status != 200 || list != 3 || body[0] != '[' {
		t.Errorf("%d: %s", status, body)
	}
	for _, tt := range []struct {
		ask   object
		param string
	}{
		{object{"n_cmpl": 2, "n": 3}, "n_cmpl"},
		{object{"n_cmpl": 100}, "n_cmpl"},
		{object{"stream": true, "stream_options": object{"include_usage": true}}, "stream_options.include_usage"},
	} {
		if status, body := complete(tt.ask); status != 400 || failure(t, body)["param"] != tt.param {
			t.Errorf("%v: %d: %s", tt.ask, status, body)
		}
	}
}

// generation_settings has what a request sets, and the default of what it does not.
func TestSettingsHaveWhatIsApplied(t *testing.T) {
	_, url := newServer(t, options())
	settings := func(more object) object {
		t.Helper()
		ask := object{"prompt": "a", "n_predict": 1}
		for k, v := range more {
			ask[k] = v
		}
		status, _, body := post(t, url+"/completion", ask)
		return at(t, decode(t, status, body), "generation_settings").(object)
	}
	set := object{
		"temperature": 0.5, "dynatemp_range": 0.25, "dynatemp_exponent": 2.0, "top_k": 7.0, "top_p": 0.75, "min_p": 0.125, "typical_p": 0.5, "top_n_sigma": 2.0,
		"xtc_probability": 0.5, "xtc_threshold": 0.25, "repeat_last_n": 5.0, "repeat_penalty": 1.5, "presence_penalty": 0.5, "frequency_penalty": 0.25,
		"dry_multiplier": 0.5, "dry_base": 2.0, "dry_allowed_length": 3.0, "dry_penalty_last_n": 9.0, "dry_sequence_breakers": []any{"x"}, "ignore_eos": true, "seed": 3.0,
		"mirostat_tau": 4.0, "mirostat_eta": 0.5,
	}
	got := settings(set)
	for name, want := range set {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	steps := []any{"penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"}
	if !reflect.DeepEqual(got["samplers"], steps) {
		t.Errorf("%v", got["samplers"])
	}
	got = settings(object{"mirostat": 2, "logit_bias": [][]any{{5, -1.5}, {3, false}}})
	if !reflect.DeepEqual(got["samplers"], []any{"temperature", "mirostat"}) || got["mirostat"] != 2.0 || !reflect.DeepEqual(got["logit_bias"], []any{object{"token": 3.0, "bias": nil}, object{"token": 5.0, "bias": -1.5}}) {
		t.Errorf("%v", got)
	}
	if got = settings(nil); !reflect.DeepEqual(got["samplers"], []any{"top_k", "top_p", "min_p", "temperature"}) || got["top_n_sigma"] != -1.0 || got["dry_multiplier"] != 0.0 {
		t.Errorf("%v", got)
	}
	if got = settings(object{"temperature": 0}); !reflect.DeepEqual(got["samplers"], []any{}) {
		t.Errorf("%v", got)
	}
}
