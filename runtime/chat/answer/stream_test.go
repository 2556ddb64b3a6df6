package answer_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// A call is told as soon as its name is known, and arguments come as they are written.
func TestCallsStream(t *testing.T) {
	tests := []struct{ family, head, more, delta string }{
		{"hermes", `<tool_call>{"name": "get", "arguments": {`, `"a": "Par`, `"a": "Par`},
		{"qwen3-coder", "<tool_call>\n<function=get_weather>", "\n<parameter=city>\nPar", `{"city":"Par`},
		{"qwen3-coder", "<tool_call>\n<function=get_weather>", "\n<parameter=list>\n[\"a", `{"list":["a`},
		{"glm", "<tool_call>get_weather<arg_key>", "city</arg_key><arg_value>Par", `{"city":"Par`},
		{"mistral", "[TOOL_CALLS]get[ARGS]{", `"a": 1`, `"a": 1`},
		{"deepseek v3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get<｜tool▁sep｜>{", `"a"`, `"a"`},
		{"gpt-oss", "<|channel|>commentary to=functions.get <|constrain|>json<|message|>{", `"a"`, `"a"`},
		{"gemma 4", "<|tool_call>call:get{", `a:<|"|>Par`, `"a":"Par`},
		{"llama 3", `{"name": "get", "parameters": {`, `"a"`, `"a"`},
		{"minimax m2", "<minimax:tool_call>\n<invoke name=\"get_weather\">", "\n<parameter name=\"city\">Par", `{"city":"Par`},
		{"deepseek v3.2", "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get\">", "\n<｜DSML｜parameter name=\"city\" string=\"true\">Par", `{"city":"Par`},
	}
	for _, tt := range tests {
		t.Run(tt.family, func(t *testing.T) {
			p := answer.NewParser(answer.Detect(templates[tt.family]), answer.Options{Tools: tools})
			events := p.Push(tt.head)
			if len(events) == 0 || events[0].Kind != answer.CallBegin || !strings.HasPrefix(events[0].Name, "get") {
				t.Fatalf("the call's head: %+v", events)
			}
			var got strings.Builder
			for _, e := range p.Push(tt.more) {
				got.WriteString(e.Text)
			}
			if got.String() != tt.delta {
				t.Errorf("the next arguments are %q, want %q", got.String(), tt.delta)
			}
		})
	}
}

// Only what may become a marker is held back.
func TestTextIsNotHeldBack(t *testing.T) {
	p := answer.NewParser(answer.Detect(templates["hermes"]), answer.Options{Tools: tools})
	for _, tt := range []struct{ push, want string }{
		{"Hello", "c(Hello)"}, {" wor", "c( wor)"}, {"ld ", "c(ld)"}, {"a < b", "c( a < b)"}, {" <to", ""},
		{"ld", "c( <told)"}, {" <tool_call>", ""}, {"\nis a tag", "c( <tool_call>\nis a tag)"},
	} {
		if got := written(p.Push(tt.push)); got != tt.want {
			t.Errorf("behind %q: %q, want %q", tt.push, got, tt.want)
		}
	}
}

// Without tools, what looks like a call is text.
func TestWithoutToolsNothingIsACall(t *testing.T) {
	for _, c := range cases {
		for _, e := range parse(answer.Detect(templates[c.family]), answer.Options{ReasoningOpen: c.open}, c.text) {
			if e.Kind >= answer.CallBegin {
				t.Errorf("%s/%s: %+v", c.family, c.name, e)
			}
		}
	}
}

// What is held back is bounded, and a long head that never becomes a call comes out as text.
func TestWhatIsHeldBackIsBounded(t *testing.T) {
	const piece, pieces = "aaaaaaaa", 40_000
	for family, head := range map[string]string{
		"hermes":           `<tool_call>{"arguments": {"a": "`,
		"llama 3":          `{"parameters": {"a": "`,
		"qwen3-coder":      "<tool_call><function=get_weather><parameter=count>",
		"glm":              "<tool_call>get_weather<arg_key>",
		"gemma 4":          "<|tool_call>call:get{a:",
		"lfm2":             "<|tool_call_start|>[get(a='",
		"gpt-oss":          "<|channel|>",
		"mistral":          "[TOOL_CALLS]get[CALL_ID]",
		"functionary v3.2": "",
	} {
		p := answer.NewParser(answer.Detect(templates[family]), answer.Options{Tools: tools})
		in, out := len(head), 0
		count := func(events []answer.Event) {
			for _, e := range events {
				out += len(e.Text)
			}
		}
		count(p.Push(head))
		for range pieces {
			count(p.Push(piece))
			in += len(piece)
			if held := in - out; held > 80<<10 {
				t.Errorf("%s: %d bytes are held back", family, held)
				break
			}
		}
		count(p.End())
	}
	p := answer.NewParser(answer.Detect(templates["think"]), answer.Options{})
	if got := len(written(p.Push("a" + strings.Repeat("\n", 1<<20)))); got < 1<<20-2000 {
		t.Errorf("of a million line breaks, %d bytes came out", got)
	}
}

// Whatever a model writes: arguments are JSON, or the begin of it, and no text comes out twice.
func FuzzParser(f *testing.F) {
	for _, c := range cases {
		f.Add(c.family, c.text, c.open, uint16(3))
	}
	f.Fuzz(func(t *testing.T, family, text string, open bool, cut uint16) {
		format := answer.Detect(templates[family])
		o := answer.Options{Tools: tools, ReasoningOpen: open}
		whole := parse(format, o, text)
		n := int(cut) % (len(text) + 1)
		if a, b := written(whole), written(parse(format, o, text[:n], text[n:])); a != b {
			t.Errorf("cut at %d:\n%q\n%q", n, a, b)
		}
		if a, b := written(whole), written(parse(format, o, bytesOf(text)...)); a != b {
			t.Errorf("byte by byte:\n%q\n%q", a, b)
		}
		checkCalls(t, whole)
	})
}

func bytesOf(s string) []string {
	out := make([]string, len(s))
	for i := range out {
		out[i] = s[i : i+1]
	}
	return out
}

// checkCalls checks that calls follow each other, and that the arguments of complete ones are objects.
func checkCalls(t *testing.T, events []answer.Event) {
	t.Helper()
	next, open := 0, false
	var arguments strings.Builder
	for _, e := range events {
		switch e.Kind {
		case answer.CallBegin:
			if e.Call != next || e.Name == "" {
				t.Errorf("call %d: %+v", next, e)
			}
			next, open = next+1, true
			arguments.Reset()
		case answer.CallArguments, answer.CallEnd:
			if !open || e.Call != next-1 {
				t.Fatalf("%+v belongs to no call", e)
			}
			arguments.WriteString(e.Text)
			if e.Kind == answer.CallArguments {
				continue
			}
			open = false
			if s := arguments.String(); !json.Valid([]byte(s)) || s[0] != '{' {
				t.Errorf("arguments %q", s)
			}
		default:
			open = false
			if e.Text == "" {
				t.Errorf("an empty event: %+v", e)
			}
		}
	}
}
