//go:build cgo

package answer_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed7adf6694/infer/internal/grammartest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
	"github.com/seed7adf6694/infer/runtime/schema"
)

// strict are tools whose schemas say much.
var strict = []answer.Tool{
	{Name: "get_weather", Parameters: json.RawMessage(`{"type": "object", "additionalProperties": false, "required": ["days", "city"], "properties": {
		"units": {"enum": ["metric", "imp\"erial"]}, "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 14},
		"hourly": {"type": "boolean"}, "where": {"$ref": "#/$defs/place"}},
		"$defs": {"place": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"], "additionalProperties": false}}}`)},
	{Name: "now"},
}

// ends are what ends texts, which random characters hardly do.
var ends = []string{
	"\n</parameter>", "</parameter>", "</arg_value>", "</｜DSML｜parameter>", `<|"|>`, `"`, "}", "</think>", "[/THINK]", "<channel|>", "</seed:think>",
	"<|end|><|start|>assistant", "<|END_THINKING|>", "<|inner_suffix|>", "<|end|>",
}

// likelier makes what ends texts likelier with time.
func likelier(text []byte, tokens int, character func(byte, float64), end func(float64)) {
	for _, c := range []byte("\"}]){<[|>/0123456789\nabcdefghijklmnopqrstuvwxyzEACNDTH_") {
		character(c, math.Sqrt(float64(tokens)/8))
	}
	if tokens > 60 {
		likely := map[byte]int{}
		for _, word := range ends {
			k := min(len(word)-1, len(text))
			for !strings.HasSuffix(string(text), word[:k]) {
				k--
			}
			likely[word[k]] = max(likely[word[k]], 6*(1+k))
		}
		for c, by := range likely {
			character(c, float64(by))
		}
	}
	end(float64(tokens) / 2)
}

// writeText lets the engine write a text of a grammar.
func writeText(t *testing.T, s *llama.Sampler, r *rand.Rand) (string, bool) {
	t.Helper()
	text, ended, err := grammartest.Write(t, s, r, 1500, likelier)
	if err != nil {
		t.Fatal(err)
	}
	return text, ended
}

// What a model can only write under a family's grammar is calls, whose arguments are valid.
func TestTheFamiliesGrammarsMakeValidCalls(t *testing.T) {
	valid := compile(t, strict[0].Parameters)
	for family, template := range templates {
		f := answer.Detect(template)
		if !f.Calls() {
			continue
		}
		t.Run(family, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 14))
			grammar, triggers, err := f.ToolGrammar(strict, answer.Choice{Required: true, Reasoning: true, Parallel: true})
			if err != nil || triggers != nil {
				t.Fatal(err, triggers)
			}
			s := grammartest.Sampler(t, grammar, schema.Root)
			ended := 0
			for n := 0; n < 3 || ended == 0 && n < 9; n++ {
				text, ok := writeText(t, s, r)
				if !ok {
					continue
				}
				ended++
				checkGrammarText(t, f, text, valid)
			}
			if ended == 0 {
				t.Error("no text has ended")
			}
		})
	}
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("tool.json", v); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("tool.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkGrammarText checks that a text has calls only, with valid arguments.
func checkGrammarText(t *testing.T, f answer.Format, text string, valid *jsonschema.Schema) {
	t.Helper()
	begun, ended, name := 0, 0, ""
	var arguments strings.Builder
	for _, e := range parse(f, answer.Options{Tools: strict}, text) {
		switch e.Kind {
		case answer.Content:
			t.Fatalf("%q has the text %q", text, e.Text)
		case answer.CallBegin:
			begun, name = begun+1, e.Name
			arguments.Reset()
		case answer.CallArguments:
			arguments.WriteString(e.Text)
		case answer.CallEnd:
			ended++
			v, err := jsonschema.UnmarshalJSON(strings.NewReader(arguments.String()))
			if err == nil && name == strict[0].Name {
				err = valid.Validate(v)
			}
			if err != nil {
				t.Fatalf("%q has the arguments %q: %v", text, arguments.String(), err)
			}
		}
	}
	if begun == 0 || begun != ended {
		t.Fatalf("%q has %d calls, of which %d are complete", text, begun, ended)
	}
}

// Without a must, the grammar begins with a trigger.
func TestGrammarsBeginWithTheirTriggers(t *testing.T) {
	for family, template := range templates {
		r := rand.New(rand.NewPCG(5, 6))
		f := answer.Detect(template)
		grammar, triggers, err := f.ToolGrammar(strict, answer.Choice{})
		if errors.Is(err, answer.ErrNoGrammar) {
			if f.Calls() && family != "llama 3" && family != "functionary v3.2" {
				t.Errorf("%s: %v", family, err)
			}
			continue
		}
		if err != nil || len(triggers) == 0 {
			t.Fatal(family, err)
		}
		text, _ := writeText(t, grammartest.Sampler(t, grammar, schema.Root), r)
		begins := false
		for _, trigger := range triggers {
			begins = begins || strings.HasPrefix(text, trigger)
		}
		if !begins {
			t.Errorf("%s: %q begins with none of %q", family, text, triggers)
		}
	}
}

// Arguments are an object, also where the schema does not say so.
func TestArgumentsAreAnObject(t *testing.T) {
	f := answer.Detect(templates["hermes"])
	for parameters, valid := range map[string]string{
		``: `{}`, `{}`: `{"a": 1}`, ` { } `: `{}`, `{"description": "none"}`: `{}`,
		`{"properties": {"a": {"type": "integer"}}, "required": ["a"]}`:                     `{"a": 1}`,
		`{"$ref": "#/$defs/x", "$defs": {"x": {"properties": {"a": {"type": "integer"}}}}}`: `{"a": 1}`,
	} {
		grammar, _, err := f.ToolGrammar([]answer.Tool{{Name: "x", Parameters: json.RawMessage(parameters)}}, answer.Choice{Required: true})
		if err != nil {
			t.Fatal(err)
		}
		s := grammartest.Sampler(t, grammar, schema.Root)
		for _, arguments := range []string{valid, `true`, `[]`, `"a"`, `1`, `null`} {
			text := "<tool_call>\n{\"name\": \"x\", \"arguments\": " + arguments + "}\n</tool_call>"
			if _, at := grammartest.Allows(t, s, text); (at == len(text)) != (arguments == valid) {
				t.Errorf("%s: %s is refused at byte %d", parameters, arguments, at)
			}
		}
	}
}

func TestChoicesOfGrammars(t *testing.T) {
	f := answer.Detect(templates["hermes"])
	grammar, _, err := f.ToolGrammar(strict, answer.Choice{Name: "now", ReasoningOpen: true})
	if err != nil {
		t.Fatal(err)
	}
	s := grammartest.Sampler(t, grammar, schema.Root)
	for text, want := range map[string]bool{
		"hm </thin</think>\n\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>": true,
		"</think><tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>":              true,
		"<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>":                      false,
		"</think><tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>":      false,
		"</think>Yes.": false,
	} {
		if ok, at := grammartest.Allows(t, s, text); ok != want {
			t.Errorf("%q: %v at byte %d", text, ok, at)
		}
	}
	if _, _, err := f.ToolGrammar(strict, answer.Choice{Name: "rm"}); !errors.Is(err, answer.ErrNoTool) {
		t.Errorf("an unknown tool: %v", err)
	}
	if _, _, err := f.ToolGrammar(nil, answer.Choice{Required: true}); !errors.Is(err, answer.ErrNoTool) {
		t.Errorf("no tools: %v", err)
	}
	var refused *schema.Error
	bad := []answer.Tool{{Name: "x", Parameters: json.RawMessage(`{"type": "object", "properties": {"a": {"not": {"type": "string"}, "pattern": "(?=a)"}}}`)}}
	if _, _, err := f.ToolGrammar(bad, answer.Choice{Required: true}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "x") {
		t.Errorf("a schema that no grammar can obey: %v", err)
	}
	if _, _, err := answer.Detect(templates["think"]).ToolGrammar(strict, answer.Choice{Required: true}); !errors.Is(err, answer.ErrNoGrammar) {
		t.Errorf("a family without calls: %v", err)
	}
}
