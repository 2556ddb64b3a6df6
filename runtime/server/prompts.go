package server

import (
	"encoding/json"

	"github.com/seed7adf6694/infer/runtime"
)

// mixedInputs reads "prompt" in llama-server's forms: those of [fields.inputs], an array of texts and tokens,
// which are one prompt, an object with one of these as its prompt_string, and an array of prompts of any of these
// forms.
func (f *fields) mixedInputs(l *live) (inputs []input) {
	const name = "prompt"
	raw := f.raw[name]
	if len(raw) > 0 && raw[0] == '{' {
		o := f.object(name)
		if o == nil {
			return nil
		}
		return []input{f.objectInput(l, o)}
	}
	if !mixed(raw) {
		return f.inputs(name, "prompts", mostPrompts)
	}
	var list []json.RawMessage
	if !f.few(name, raw, mostParts, "texts and tokens") || !f.small(name, raw) || !f.into(name, "an array", &list) {
		return nil
	}
	for _, part := range list {
		if part[0] != '"' && part[0] != '[' && part[0] != '{' { // a token: the array is one prompt
			return []input{f.mixedInput(l, list)}
		}
	}
	if len(list) > mostPrompts {
		f.fail(name, "%d prompts: use 1 to %d", len(list), mostPrompts)
		return nil
	}
	for i, part := range list {
		if part[0] == '{' {
			inputs = append(inputs, f.objectInput(l, f.element(name, i, part)))
		} else {
			inputs = append(inputs, f.oneInput(l, part))
		}
	}
	return inputs
}

// objectInput reads a prompt that is an object. Errors of its fields become those of f.
func (f *fields) objectInput(l *live, o *fields) (in input) {
	o.only("multimodal_data", []any{}, "only text is supported: leave it out")
	switch raw := o.take("prompt_string"); {
	case raw == nil:
		o.fail("prompt_string", "it is missing")
	case o.few("prompt_string", raw, mostParts, "texts and tokens"):
		in = f.oneInput(l, raw)
	}
	o.failWithUnknown(f)
	return in
}

// oneInput reads a prompt: a text, or an array of texts and tokens.
func (f *fields) oneInput(l *live, raw json.RawMessage) (in input) {
	var parts []json.RawMessage
	switch {
	case raw[0] == '"':
		_ = json.Unmarshal(raw, &in.text) // it is a string
		return in
	case raw[0] != '[' || json.Unmarshal(raw, &parts) != nil:
		f.fail("prompt", "want a string, or an array of texts and tokens")
		return in
	}
	return f.mixedInput(l, parts)
}

// mixedInput reads a prompt of texts and tokens. A text that comes first gets the tokens that begin a text.
func (f *fields) mixedInput(l *live, parts []json.RawMessage) (in input) {
	const name = "prompt"
	for i, part := range parts {
		var id int32
		var text string
		switch {
		case part[0] == '"':
			err := json.Unmarshal(part, &text)
			if err == nil {
				err = l.fits(text)
			}
			var ids []int32
			if err == nil {
				ids, err = l.model.Tokenize(text, runtime.TokenizeOptions{NoSpecial: i > 0})
			}
			if err != nil {
				f.failWith(asAPIError(inPrompt(err)))
				return in
			}
			in.tokens = append(in.tokens, ids...)
		case part[0] == 'n' || json.Unmarshal(part, &id) != nil:
			f.fail(name, "want texts and tokens in an array of both")
			return in
		default:
			in.tokens = append(in.tokens, id)
		}
	}
	if len(in.tokens) == 0 {
		f.fail(name, "an array of tokens is empty")
	}
	return in
}

// mixed reports whether an array has texts beside tokens or arrays, or objects. The text is JSON.
func mixed(raw json.RawMessage) bool {
	if len(raw) == 0 || raw[0] != '[' {
		return false
	}
	texts, others := false, false
	for i := 1; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '[' || c == '-' || c >= '0' && c <= '9':
			others = true
		case c == '{':
			return true
		case c == '"':
			texts = true
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		}
	}
	return texts && others
}
