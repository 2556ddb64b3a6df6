package answer_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// tools are the functions of most tests.
var tools = []answer.Tool{
	{Name: "get_weather", Parameters: json.RawMessage(`{"type": "object", "properties": {
		"city": {"type": "string"}, "days": {"type": "integer"}, "hourly": {"type": "boolean"},
		"units": {"enum": ["metric", "imperial"]}, "zip": {"type": ["string", "null"]}, "any": {}, "count": {"anyOf": [{"type": "number"}, {"type": "string"}]},
		"where": {"$ref": "#/$defs/place"}, "list": {"type": "array", "items": {"type": "string"}}},
		"required": ["city"], "$defs": {"place": {"type": "object", "properties": {"lat": {"type": "number"}}}}}`)},
	{Name: "get", Parameters: json.RawMessage(`{"type": "object"}`)},
	{Name: "python"},
	{Name: "now"},
}

// templates are pieces of templates by which families are known.
var templates = map[string]string{
	"gpt-oss":          "<|start|>assistant<|channel|>final<|message|>",
	"gemma 4":          "'<|tool_call>call:' + name",
	"deepseek v3.2":    "{%- set dsml_token = '｜DSML｜' -%}<function_calls>",
	"deepseek v4":      "{%- set dsml_token = '｜DSML｜' -%}<tool_calls>",
	"deepseek r1":      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>```json<think>",
	"deepseek v3.1":    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>name<｜tool▁sep｜><think>",
	"kimi k2":          "<|tool_calls_section_begin|><|tool_call_begin|>",
	"glm":              "<tool_call>name<arg_key>key</arg_key><arg_value>",
	"minimax m2":       "<minimax:tool_call>",
	"seed-oss":         "<seed:tool_call>",
	"qwen3-coder":      "<tool_call>\n<function=name>\n<parameter=key>",
	"functionary v3.2": ">>>all\n>>>${recipient}",
	"functionary v3.1": "<function=name></function><|python_tag|>",
	"mistral":          "[TOOL_CALLS]",
	"command r7b":      "<|START_ACTION|>",
	"command r":        "Action: ```json [{\"tool_name\"",
	"apertus":          "<|tools_prefix|>",
	"solar":            "<|tool_call:begin|>",
	"lfm2":             "<|tool_call_start|>",
	"nemotron":         "<TOOLCALL>",
	"tool_calls":       "<tool_calls>",
	"granite":          "<|tool_call|>",
	"phi 4":            "<|tool|><|/tool|>",
	"functools":        "functools[",
	"hermes":           "<tool_call></tool_call>",
	"llama 3":          "<|start_header_id|>ipython<|end_header_id|><|python_tag|>",
	"think":            "<think>",
	"":                 "{{ messages }}",
}

// written returns events as one text: c(content) r(reasoning) 0:name#id{…}. for a call, the dot for its end.
func written(events []answer.Event) string {
	var b strings.Builder
	for i, e := range events {
		joined := i > 0 && events[i-1].Kind == e.Kind
		switch e.Kind {
		case answer.Content, answer.Reasoning:
			if !joined {
				b.WriteString(map[answer.Kind]string{answer.Content: "c(", answer.Reasoning: "r("}[e.Kind])
			}
			b.WriteString(e.Text)
			if i == len(events)-1 || events[i+1].Kind != e.Kind {
				b.WriteString(")")
			}
		case answer.CallBegin:
			fmt.Fprintf(&b, "%d:%s", e.Call, e.Name)
			if e.ID != "" {
				b.WriteString("#" + e.ID)
			}
		case answer.CallArguments:
			b.WriteString(e.Text)
		case answer.CallEnd:
			b.WriteString(".")
		}
	}
	return b.String()
}

func parse(f answer.Format, o answer.Options, pieces ...string) []answer.Event {
	p := answer.NewParser(f, o)
	var events []answer.Event
	for _, s := range pieces {
		events = append(events, p.Push(s)...)
	}
	return append(events, p.End()...)
}

type answerCase struct {
	family, name, text, want string
	open                     bool // the prompt ended inside of reasoning
}

const call = `0:get_weather{"city":"Paris"}.`

var cases = []answerCase{
	{family: "", name: "plain text", text: " a <tool_call> <think>b</think> {\"name\": \"get\"}\n\n", want: "c( a <tool_call> <think>b</think> {\"name\": \"get\"}\n\n)"},

	{family: "think", name: "reasoning", text: "<think>\nhm\n</think>\n\nYes.\n", want: "r(hm)c(Yes.\n)"},
	{family: "think", name: "reasoning that the prompt has opened", open: true, text: "hm </think> Yes", want: "r(hm)c(Yes)"},
	{family: "think", name: "reasoning without an end", text: "\n<think>so <thin and </thin", want: "r(so <thin and </thin)"},
	{family: "think", name: "no reasoning", text: "<thinly sliced", want: "c(<thinly sliced)"},
	{family: "think", name: "the marker in an answer is text", text: "Use <think> for it.</think>", want: "c(Use <think> for it.</think>)"},
	{family: "think", name: "empty reasoning", text: "<think>\n\n</think>\n\nYes", want: "c(Yes)"},
	{family: "think", name: "the end without a begin is text", text: "a</think>b", want: "c(a</think>b)"},

	{family: "hermes", name: "a call", text: "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}\n</tool_call>", want: call},
	{family: "hermes", name: "text, reasoning and two calls", text: "<think>x</think>\nI look.\n<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>\n<tool_call>{\"name\": \"now\"}</tool_call>\n", want: "r(x)c(I look.)0:get{}.1:now{}."},
	{family: "hermes", name: "arguments in front of the name", text: "<tool_call>{\"arguments\": {\"city\":\"Paris\"}, \"name\": \"get_weather\"}</tool_call> done", want: call + "c(done)"},
	{family: "hermes", name: "arguments in a string", text: `<tool_call>{"name":"get_weather","arguments":"{\"city\":\"Par\u0069s\\n\ud83d\ude00\"}"}</tool_call>`, want: `0:get_weather{"city":"Paris\n😀"}.`},
	{family: "hermes", name: "arguments in a string that are no JSON", text: `<tool_call>{"name":"get","arguments":"{\"a\":x}"}</tool_call>`, want: `0:get{"a":c(x}"}</tool_call>)`},
	{family: "hermes", name: "arguments in a string, and more behind them", text: `<tool_call>{"name":"get","arguments":"{} x"}</tool_call>`, want: `0:get{}.c(x"}</tool_call>)`},
	{family: "hermes", name: "a list of calls", text: `<tool_call>[{"name":"get","arguments":{}}, {"name":"now","arguments":null}]</tool_call>`, want: "0:get{}.1:now{}."},
	{family: "hermes", name: "OpenAI's form", text: `<tool_call>{"id":"c1","type":"function","function":{"name":"get","arguments":{"a":[1,{"b":2}]}}}</tool_call>`, want: `0:get#c1{"a":[1,{"b":2}]}.`},
	{family: "hermes", name: "an unknown function", text: "a <tool_call>\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call> b", want: "c(a <tool_call>\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call> b)"},
	{family: "hermes", name: "no call at all", text: "The <tool_call> tag: <tool_call>{x}</tool_call>", want: "c(The <tool_call> tag: <tool_call>{x}</tool_call>)"},
	{family: "hermes", name: "an answer that is cut off in the head", text: "<tool_call>\n{\"name\": \"get_we", want: "c(<tool_call>\n{\"name\": \"get_we)"},
	{family: "hermes", name: "an answer that is cut off in the arguments", text: "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": [1, ", want: `0:get{"a": [1, `},
	{family: "hermes", name: "arguments that are no JSON", text: `<tool_call>{"name":"get","arguments":{"a":'x'}}</tool_call>`, want: `0:get{"a":c('x'}}</tool_call>)`},
	{family: "hermes", name: "without the end tag", text: `<tool_call>{"name":"get","arguments":{"a":1}}`, want: `0:get{"a":1}.`},
	{family: "hermes", name: "numbers, words and escapes", text: `<tool_call>{"name":"get","arguments":{"a":[-0.5e+3,0,12,true,false,null,"\u00e9\"\\"],"b":{}}}</tool_call>`, want: `0:get{"a":[-0.5e+3,0,12,true,false,null,"\u00e9\"\\"],"b":{}}.`},
	{family: "hermes", name: "the end tag in a value", text: `<tool_call>{"name":"get","arguments":{"a":"</tool_call>"}}</tool_call>`, want: `0:get{"a":"</tool_call>"}.`},

	{family: "qwen3-coder", name: "values are text or JSON as the schema says", text: "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=hourly>\nTrue\n</parameter>\n<parameter=zip>\n75001\n</parameter>\n<parameter=where>\n{\"lat\": 1.5}\n</parameter>\n</function>\n</tool_call>",
		want: `0:get_weather{"city":"Paris","days":3,"hourly":true,"zip":"75001","where":{"lat": 1.5}}.`},
	{family: "qwen3-coder", name: "text of many lines, with quotes and tags", text: "I run it.\n\n<tool_call>\n<function=get_weather>\n<parameter=city>\nif a < b {\n\tprint(\"</p>\")\n}\n\n</parameter>\n</function>\n</tool_call>\n", want: `c(I run it.)0:get_weather{"city":"if a < b {\n\tprint(\"</p>\")\n}\n"}.`},
	{family: "qwen3-coder", name: "numbers stay text for strings, and are numbers where both are possible", text: "<tool_call><function=get_weather><parameter=city>12</parameter><parameter=count>12</parameter><parameter=any>[1]</parameter><parameter=other>x</parameter><parameter=units>metric</parameter></function></tool_call>", want: `0:get_weather{"city":"12","count":12,"any":[1],"other":"x","units":"metric"}.`},
	{family: "qwen3-coder", name: "without the outer tag, and no parameters", text: "<function=now>\n</function>\n</tool_call>", want: "0:now{}."},
	{family: "qwen3-coder", name: "reasoning that a call ends", open: true, text: "I must\n<tool_call>\n<function=now>\n</function></tool_call>", want: "r(I must)0:now{}."},
	{family: "qwen3-coder", name: "an unknown function", text: "#include <functional> <function=rm>\n</function>", want: "c(#include <functional> <function=rm>\n</function>)"},
	{family: "qwen3-coder", name: "cut off in a value", text: "<tool_call>\n<function=get_weather>\n<parameter=city>\nPar\n</para", want: "0:get_weather{\"city\":\"Par\\n</para"},
	{family: "qwen3-coder", name: "something else between parameters", text: "<function=get_weather>\n<parameter=city>\nx\n</parameter>\noops", want: `0:get_weather{"city":"x"c(oops)`},
	{family: "qwen3-coder", name: "Hermes' form", text: "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}\n</tool_call>", want: call},
	{family: "seed-oss", name: "a call", text: "<seed:think>hm</seed:think><seed:tool_call>\n<function=get_weather>\n<parameter=city>Paris</parameter>\n</function>\n</seed:tool_call>", want: "r(hm)" + call},

	{family: "glm", name: "GLM 4.5 with lines", text: "<think>hm</think>\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>list</arg_key>\n<arg_value>[\"a\", \"b\"]</arg_value>\n</tool_call>", want: `r(hm)0:get_weather{"city":"Paris","list":["a", "b"]}.`},
	{family: "glm", name: "GLM 4.7 without lines, two calls", text: "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call><tool_call>now</tool_call>", want: call + "1:now{}."},
	{family: "glm", name: "a name that begins with another", text: "<tool_call>get_weathers</tool_call>", want: "c(<tool_call>get_weathers</tool_call>)"},
	{family: "minimax m2", name: "two calls", text: "<think>\nhm\n</think>\n\n<minimax:tool_call>\n<invoke name=\"get_weather\">\n<parameter name=\"city\">Paris</parameter>\n</invoke>\n<invoke name=\"now\">\n</invoke>\n</minimax:tool_call>", want: "r(hm)" + call + "1:now{}."},
	{family: "deepseek v3.2", name: "a call", text: "Sure.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>", want: `c(Sure.)0:get_weather{"city":"Paris","days":3}.`},
	{family: "deepseek v4", name: "reasoning that a call ends", open: true, text: "hm\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>", want: "r(hm)0:now{}."},
	{family: "deepseek r1", name: "two calls", open: true, text: "hm</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\":\"Paris\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", want: "r(hm)" + call + "1:now{}."},
	{family: "deepseek v3.1", name: "two calls", text: "I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\":\"Paris\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", want: "c(I look.)" + call + "1:now{}."},
	{family: "kimi k2", name: "two calls", text: "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\":\"Paris\"}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>", want: `0:get_weather#functions.get_weather:0{"city":"Paris"}.1:now#functions.now:1{}.`},

	{family: "mistral", name: "the old form", text: `[TOOL_CALLS][{"name": "get_weather", "arguments": {"city":"Paris"}, "id": "abcdefghi"}, {"name":"now","arguments":{}}]`, want: call + "1:now{}."},
	{family: "mistral", name: "the new form", text: `[TOOL_CALLS]get_weather[ARGS]{"city":"Paris"}[TOOL_CALLS]now[ARGS]{}`, want: call + "1:now{}."},
	{family: "mistral", name: "with an identifier", text: `I look.[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{"city":"Paris"}`, want: `c(I look.)0:get_weather#abcdefghi{"city":"Paris"}.`},
	{family: "mistral", name: "without the word for arguments", text: `[TOOL_CALLS]get_weather{"city":"Paris"}`, want: call},
	{family: "mistral", name: "reasoning", text: "[THINK]hm[/THINK]Yes [x]", want: "r(hm)c(Yes [x])"},
	{family: "mistral", name: "an unknown function", text: `[TOOL_CALLS]rm[ARGS]{}`, want: `c([TOOL_CALLS]rm[ARGS]{})`},

	{family: "llama 3", name: "JSON alone", text: `{"name": "get_weather", "parameters": {"city":"Paris"}}`, want: call},
	{family: "llama 3", name: "JSON with a type, twice", text: `{"type": "function", "name": "get_weather", "parameters": {"city":"Paris"}}; {"name": "now", "parameters": {}}`, want: call + "1:now{}."},
	{family: "llama 3", name: "python_tag and JSON", text: `<|python_tag|>{"name": "get_weather", "parameters": {"city":"Paris"}}`, want: call},
	{family: "llama 3", name: "a built-in tool", text: `<|python_tag|>get_weather.call(city="Paris", days=[1, 'x'], where={"lat": None})`, want: `0:get_weather{"city":"Paris","days":[1,"x"],"where":{"lat":null}}.`},
	{family: "llama 3", name: "code", text: "<|python_tag|>print(\"a\")\n", want: `0:python{"code":"print(\"a\")\n"}.`},
	{family: "llama 3", name: "JSON that is an answer", text: `{"name": "Paris", "people": 2}`, want: `c({"name": "Paris", "people": 2})`},
	{family: "llama 3", name: "JSON inside of text", text: `Use {"name": "get", "parameters": {}}`, want: `c(Use {"name": "get", "parameters": {}})`},

	{family: "gpt-oss", name: "reasoning and answer", text: "<|channel|>analysis<|message|>hm <b><|end|><|start|>assistant<|channel|>final<|message|>Yes.\n", want: "r(hm <b>)c(Yes.\n)"},
	{family: "gpt-oss", name: "a call in the channel", text: "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Paris\"}<|call|>", want: "r(hm)" + call},
	{family: "gpt-oss", name: "a call in the role", text: " to=functions.get_weather<|channel|>commentary json<|message|>{\"city\":\"Paris\"}", want: call},
	{family: "gpt-oss", name: "a preamble and a call", text: "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.now<|message|><|call|>", want: "c(I look.)0:now{}."},
	{family: "gpt-oss", name: "a call of something else", text: "<|channel|>analysis to=python code<|message|>1+1<|end|>", want: `r(1+1)`},
	{family: "gpt-oss", name: "reasoning that the prompt has opened", open: true, text: "hm<|end|><|start|>assistant<|channel|>final<|message|>Yes", want: "r(hm)c(Yes)"},
	{family: "gpt-oss", name: "no header", text: "Yes <b>.", want: "c(Yes <b>.)"},
	{family: "gpt-oss", name: "cut off in a header", text: "<|channel|>analysis<|message|>hm<|end|><|start|>assist", want: "r(hm)"},

	{family: "gemma 4", name: "a call", text: "<|channel>thought\nhm\n<channel|><|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>,days:3,hourly:true,list:[<|\"|>a \"b\"<|\"|>,<|\"|><|\"|>],where:{lat:-1.5}}<tool_call|>", want: `r(hm)0:get_weather{"city":"Paris","days":3,"hourly":true,"list":["a \"b\"",""],"where":{"lat":-1.5}}.`},
	{family: "gemma 4", name: "two calls", text: "I look.<|tool_call>call:now{}<tool_call|><|tool_call>call:get{a:<|\"|>{x:1}<|\"|>}<tool_call|>", want: `c(I look.)0:now{}.1:get{"a":"{x:1}"}.`},
	{family: "gemma 4", name: "an empty channel at the end", text: "Yes<|channel>thought\n<channel|><channel|>", want: "c(Yes)"},
	{family: "gemma 4", name: "what is no value", text: "<|tool_call>call:get{a:b}<tool_call|>", want: `0:get{"a":c(b}<tool_call|>)`},

	{family: "command r7b", name: "calls", text: "<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"get_weather\", \"parameters\": {\"city\":\"Paris\"}}\n]<|END_ACTION|>", want: `r(hm)0:get_weather#0{"city":"Paris"}.`},
	{family: "command r7b", name: "an answer", text: "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Yes<|END_RESPONSE|>", want: "r(hm)c(Yes)"},
	{family: "command r", name: "a call", text: "Action: ```json\n[\n {\"tool_name\": \"get_weather\", \"parameters\": {\"city\":\"Paris\"}}\n]```", want: call},
	{family: "granite", name: "a list", text: "<|tool_call|>[{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}]", want: call},
	{family: "phi 4", name: "a list", text: "<|tool_call|>[{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}]<|/tool_call|>", want: call},
	{family: "functools", name: "a list", text: " functools[{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}]", want: call},
	{family: "nemotron", name: "a list", text: "<think>hm</think><TOOLCALL>[{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}]</TOOLCALL>", want: "r(hm)" + call},
	{family: "tool_calls", name: "objects in lines", text: "<tool_calls>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}\n{\"name\": \"now\", \"arguments\": {}}\n</tool_calls>", want: call + "1:now{}."},
	{family: "apertus", name: "names as keys", text: "<|inner_prefix|>hm<|inner_suffix|><|tools_prefix|>[{\"get_weather\": {\"city\":\"Paris\"}}, {\"now\": {}}]<|tools_suffix|>", want: "r(hm)" + call + "1:now{}."},
	{family: "solar", name: "a call", text: "<|think|>hm<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>abc<|tool_call:name|>get_weather<|tool_call:args|>{\"city\":\"Paris\"}<|tool_call:end|>", want: `r(hm)0:get_weather#abc{"city":"Paris"}.`},
	{family: "functionary v3.1", name: "a call and code", text: "<function=get_weather>{\"city\":\"Paris\"}</function>", want: call},
	{family: "functionary v3.2", name: "text and a call", text: "all\nI look.>>>get_weather\n{\"city\":\"Paris\"}", want: "c(I look.)" + call},
	{family: "functionary v3.2", name: "a call at once", text: "get_weather\n{\"city\":\"Paris\"}", want: call},
	{family: "lfm2", name: "calls in Python", text: "Sure.<|tool_call_start|>[get_weather(city=\"Paris\"), get(a={'b': [True, None]}, c=\"x\\ny\")]<|tool_call_end|>", want: "c(Sure.)" + call + `1:get{"a":{"b":[true,null]},"c":"x\ny"}.`},
}

func options(c answerCase) answer.Options { return answer.Options{Tools: tools, ReasoningOpen: c.open} }

// A text may be cut inside of what closes a call.
func TestClosingsThatAreCutAreNoContent(t *testing.T) {
	for _, tt := range []struct{ family, text, want string }{
		{"hermes", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}\n</t", call},
		{"hermes", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}\n<", call},
		{"hermes", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}\n</tool_call>\n</t", call},
		{"hermes", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\"}}\n</to go", call + "c(</to go)"},
		{"qwen3-coder", "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool", call},
		{"deepseek v3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\":\"Paris\"}<｜tool▁call▁end", call},
	} {
		if got := written(parse(answer.Detect(templates[tt.family]), answer.Options{Tools: tools}, tt.text)); got != tt.want {
			t.Errorf("%s: %q: %q, want %q", tt.family, tt.text, got, tt.want)
		}
	}
}

func TestFamilies(t *testing.T) {
	for _, c := range cases {
		t.Run(c.family+"/"+c.name, func(t *testing.T) {
			f := answer.Detect(templates[c.family])
			if f.String() != c.family {
				t.Fatalf("the template is taken for %q", f)
			}
			if got := written(parse(f, options(c), c.text)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// However a text is cut, its events say the same.
func TestCutsDoNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range cases {
		f := answer.Detect(templates[c.family])
		check := func(pieces ...string) {
			t.Helper()
			if got := written(parse(f, options(c), pieces...)); got != c.want {
				t.Fatalf("%s/%s in pieces %q:\ngot  %s\nwant %s", c.family, c.name, pieces, got, c.want)
			}
		}
		for i := range len(c.text) {
			check(c.text[:i], c.text[i:])
		}
		check(strings.Split(c.text, "")...)
		for range 50 {
			var pieces []string
			for rest := c.text; rest != ""; {
				n := 1 + r.IntN(min(len(rest), 12))
				pieces, rest = append(pieces, rest[:n]), rest[n:]
			}
			check(pieces...)
		}
	}
}

func TestMarksAreSpecialTokensOfTheFamily(t *testing.T) {
	for family, names := range map[string][]string{
		"hermes": {"<think>", "</think>", "<tool_call>", "</tool_call>"}, "mistral": {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "[THINK]"}, "gpt-oss": {"<|channel|>"},
	} {
		f := answer.Detect(templates[family])
		if f.String() == "" {
			t.Fatalf("no template of %s", family)
		}
		for _, name := range names {
			if !f.Marks(name) {
				t.Errorf("%s: %s is no mark", family, name)
			}
		}
		if family != "gpt-oss" && (f.Marks("<|im_start|>") || f.Marks("<pad>")) {
			t.Errorf("%s: what is no mark", family)
		}
	}
}
