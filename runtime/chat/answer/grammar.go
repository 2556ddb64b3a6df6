package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/runtime/schema"
)

// Choice says which calls a grammar is for.
type Choice struct {
	// Required: the answer is one or more calls. Without it and Name, the grammar holds from a trigger
	// on, which is where a call begins.
	Required bool
	Name     string // the answer is one call of this tool
	Parallel bool   // there may be several calls, unless Name is set
	// Reasoning may come before required calls. ReasoningOpen says that the prompt ended inside of it:
	// then the grammar begins there.
	Reasoning, ReasoningOpen bool
}

// ErrNoGrammar is returned for a family without a grammar of its own for calls, or for one of which
// only required calls have a grammar.
var ErrNoGrammar = errors.New("answer: calls of this family of models have no grammar")

// ErrNoTool is returned where a choice names no tool.
var ErrNoTool = errors.New("answer: there is no such tool")

// shape is how a family writes calls.
type shape struct {
	open, between, close string // around all calls
	begin, middle, end   string // around the name and the arguments of a call
	id                   string // GBNF between the name and the middle
	key, value, next     string // of a parameter in tags: <key>name<value>text<next>
	typed                string // the same as value, for values that are JSON
	until                string // what a value that is text does not have: its closing tag
	body                 body
	onlyRequired         bool // nothing tells where a call begins in an answer
}

// first is the text with which calls begin.
func (s *shape) first() string {
	if s.open != "" {
		return s.open
	}
	return s.begin
}

func listOf(open, name, arguments, close string) shape {
	return shape{open: open + "[", between: ", ", close: "]" + close, begin: `{"` + name + `": "`, middle: `", "` + arguments + `": `, end: "}"}
}

func invokeShape(section, before string, typed bool) shape {
	s := shape{
		open: "<" + before + section + ">\n", close: "</" + before + section + ">", begin: "<" + before + `invoke name="`, middle: "\">\n",
		key: "<" + before + `parameter name="`, value: `">`, next: "</" + before + "parameter>\n", end: "</" + before + "invoke>\n",
		until: "</" + before + "parameter>", body: argumentsXML,
	}
	if typed {
		s.value, s.typed = `" string="true">`, `" string="false">`
	}
	return s
}

func qwenShape(section string) shape {
	return shape{
		between: "\n", begin: "<" + section + ">\n<function=", middle: ">\n", end: "</function>\n</" + section + ">",
		key: "<parameter=", value: ">\n", next: "\n</parameter>\n", until: "</parameter>", body: argumentsXML,
	}
}

// shapes are how families write calls, by name.
var shapes = map[string]shape{
	"hermes":      {between: "\n", begin: "<tool_call>\n{\"name\": \"", middle: `", "arguments": `, end: "}\n</tool_call>"},
	"qwen3-coder": qwenShape("tool_call"),
	"seed-oss":    qwenShape("seed:tool_call"),
	"glm": {between: "\n", begin: "<tool_call>", middle: "\n", key: "<arg_key>", value: "</arg_key>\n<arg_value>", next: "</arg_value>\n",
		until: "</arg_value>", end: "</tool_call>", body: argumentsXML},
	"minimax m2":    invokeShape("minimax:tool_call", "", false),
	"deepseek v3.2": invokeShape("function_calls", "｜DSML｜", true),
	"deepseek v4":   invokeShape("tool_calls", "｜DSML｜", true),
	"deepseek r1": {open: "<｜tool▁calls▁begin｜>", between: "\n", close: "<｜tool▁calls▁end｜>",
		begin: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>", middle: "\n```json\n", end: "\n```<｜tool▁call▁end｜>"},
	"deepseek v3.1": {open: "<｜tool▁calls▁begin｜>", close: "<｜tool▁calls▁end｜>",
		begin: "<｜tool▁call▁begin｜>", middle: "<｜tool▁sep｜>", end: "<｜tool▁call▁end｜>"},
	"kimi k2": {open: "<|tool_calls_section_begin|>", close: "<|tool_calls_section_end|>", begin: "<|tool_call_begin|>functions.",
		id: `":" [0-9]{1,3}`, middle: "<|tool_call_argument_begin|>", end: "<|tool_call_end|>"},
	"mistral":      {begin: "[TOOL_CALLS]", id: `("[CALL_ID]" [a-zA-Z0-9]{9})?`, middle: "[ARGS]"},
	"mistral list": listOf("[TOOL_CALLS]", "name", "arguments", ""),
	"llama 3":      {begin: `{"name": "`, middle: `", "parameters": `, end: "}", between: "; ", onlyRequired: true},
	"gpt-oss":      {begin: "<|channel|>commentary to=functions.", middle: " <|constrain|>json<|message|>"},
	"gemma 4":      {begin: "<|tool_call>call:", end: "<tool_call|>", body: argumentsGemma},
	"command r7b":  listOf("<|START_ACTION|>", "tool_name", "parameters", "<|END_ACTION|>"),
	"command r":    listOf("Action: ```json\n", "tool_name", "parameters", "```"),
	"granite":      listOf("<|tool_call|>", "name", "arguments", ""),
	"phi 4":        listOf("<|tool_call|>", "name", "arguments", "<|/tool_call|>"),
	"functools":    listOf("functools", "name", "arguments", ""),
	"nemotron":     listOf("<TOOLCALL>", "name", "arguments", "</TOOLCALL>"),
	"tool_calls":   listOf("<tool_calls>", "name", "arguments", "</tool_calls>"),
	"apertus":      {open: "<|tools_prefix|>[", between: ", ", close: "]<|tools_suffix|>", begin: `{"`, middle: `": `, end: "}"},
	"solar": {open: "<|tool_calls|>", begin: "<|tool_call:begin|>call<|tool_call:name|>", middle: "<|tool_call:args|>",
		end: "<|tool_call:end|>"},
	"functionary v3.1": {begin: "<function=", middle: ">", end: "</function>"},
	"functionary v3.2": {between: ">>>", middle: "\n", onlyRequired: true},
	"lfm2":             {open: "<|tool_call_start|>[", between: ", ", close: "]<|tool_call_end|>", middle: "(", end: ")", body: argumentsPython},
}

// ToolGrammar returns a grammar in GBNF, with the start rule "root", for calls as the family writes
// them, with arguments that obey the schemas of the tools. If calls are not required, the grammar begins
// with one of the triggers: it holds from where an answer has one. Of values that are written as text
// (Qwen3-Coder, GLM, MiniMax, DeepSeek V3.2, Gemma 4) it checks enum and const, but no patterns,
// formats and lengths; of objects and arrays of Gemma 4 only the syntax.
//
// The error is ErrNoGrammar, ErrNoTool, or a *schema.Error about the parameters of a tool.
func (f Format) ToolGrammar(tools []Tool, c Choice) (grammar string, triggers []string, err error) {
	s, ok := shapes[f.shape()]
	if !ok || s.onlyRequired && !c.Required && c.Name == "" {
		return "", nil, fmt.Errorf("%w (%s)", ErrNoGrammar, f)
	}
	if c.Name != "" {
		i := slices.IndexFunc(tools, func(t Tool) bool { return t.Name == c.Name })
		if i < 0 {
			return "", nil, fmt.Errorf("%w: %q", ErrNoTool, c.Name)
		}
		tools = tools[i : i+1]
	}
	if len(tools) == 0 {
		return "", nil, ErrNoTool
	}
	g := &gbnf{}
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = fmt.Sprintf("call-%d", i)
		arguments, err := g.arguments(&s, t, names[i])
		if err != nil {
			return "", nil, fmt.Errorf("the parameters of %s: %w", t.Name, err)
		}
		g.rule(names[i], literals(s.begin, t.Name), s.id, literals(s.middle), arguments, literals(s.end))
	}
	g.rule("call", strings.Join(names, " | "))
	calls := []string{literals(s.open), "call"}
	if c.Parallel && c.Name == "" && !f.harmony {
		more := "(" + joined(literals(s.between), "call") + ")*"
		calls = append(calls, more)
	}
	g.rule("calls", append(calls, literals(s.close))...)
	if c.Required || c.Name != "" {
		g.rule("root", f.before(g, c), "calls")
	} else {
		g.rule("root", "calls")
		triggers = []string{s.first()}
	}
	return g.String(), triggers, nil
}

// shape names how the family writes calls.
func (f Format) shape() string {
	if f.list {
		return f.name + " list"
	}
	return f.name
}

// before returns what may be in front of required calls: reasoning and white space.
func (f Format) before(g *gbnf, c Choice) string {
	spans := f.spans
	if f.harmony {
		spans = []span{{channelMarker + "analysis" + messageMarker, "<|end|>" + startMarker + "assistant"}}
	}
	if len(spans) == 0 || !c.Reasoning && !c.ReasoningOpen {
		return ""
	}
	g.until("thought", spans[0].close)
	rest := joined("thought", literals(spans[0].close), `"\n"{0,2}`)
	if c.ReasoningOpen {
		return rest
	}
	return "(" + joined(literals(spans[0].open), rest) + ")?"
}

// gbnf is a grammar that is being written.
type gbnf struct {
	b       strings.Builder
	schemas int // bytes of the schemas of properties so far
	work    schema.Work
}

func (g *gbnf) String() string { return g.b.String() }

func (g *gbnf) rule(name string, parts ...string) {
	g.b.WriteString(name + " ::= " + joined(parts...) + "\n")
}

// joined returns parts that follow each other.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), " ")
}

// literals returns texts as one literal; "" for none.
func literals(texts ...string) string {
	s := strings.Join(texts, "")
	if s == "" {
		return ""
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}

// until defines a rule for texts without a word, which follows it.
func (g *gbnf) until(name, word string) {
	r := []rune(word)
	state := func(i int) string {
		if i == 0 {
			return name
		}
		return fmt.Sprintf("%s-%d", name, i)
	}
	var chars []rune // of the word
	for _, c := range r {
		if !slices.Contains(chars, c) {
			chars = append(chars, c)
		}
	}
	class := func(not string, list ...rune) string {
		var b strings.Builder
		for _, c := range list {
			fmt.Fprintf(&b, `\U%08X`, c)
		}
		return "[" + not + b.String() + "]"
	}
	for i := range r {
		alternatives := []string{`""`, class("^", chars...) + " " + name}
		for _, c := range chars {
			seen := append(slices.Clone(r[:i]), c)
			n := len(seen) // of the word's begin that this character completes
			for !slices.Equal(r[:n], seen[len(seen)-n:]) {
				n--
			}
			if n < len(r) {
				alternatives = append(alternatives, class("", c)+" "+state(n))
			}
		}
		g.rule(state(i), strings.Join(alternatives, " | "))
	}
}

// json adds the rules of a schema with a prefix, and returns the name of their root.
func (g *gbnf) json(s json.RawMessage, prefix string) (string, error) {
	if len(bytes.TrimSpace(s)) == 0 {
		s = json.RawMessage(`{"type": "object"}`)
	}
	text, err := schema.Grammar(s, schema.Options{Work: &g.work})
	if err != nil {
		return "", err
	}
	g.b.WriteString(renamed(text, prefix+"-"))
	return prefix + "-" + schema.Root, nil
}

// ofObject returns the schema of arguments, which are an object whatever it leaves open.
func ofObject(s json.RawMessage) json.RawMessage {
	var root struct{ Type json.RawMessage }
	s = bytes.TrimSpace(s)
	rest, ok := bytes.CutPrefix(s, []byte("{"))
	switch {
	case ok && len(bytes.TrimSpace(rest)) == 1:
		return json.RawMessage(`{"type": "object"}`)
	case !ok || json.Unmarshal(s, &root) != nil || root.Type != nil:
		return s
	}
	return slices.Concat(json.RawMessage(`{"type": "object", `), rest)
}

// renamed returns a grammar whose rules have a prefix.
func renamed(grammar, prefix string) string {
	isWord := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
	}
	var b strings.Builder
	for i := 0; i < len(grammar); {
		from := i
		switch c := grammar[i]; {
		case c == '"' || c == '[' || c == '{':
			end := map[byte]byte{'"': '"', '[': ']', '{': '}'}[c]
			for i++; i < len(grammar) && grammar[i] != end; i++ {
				if grammar[i] == '\\' {
					i++
				}
			}
			i = min(i+1, len(grammar))
		case isWord(c):
			for i < len(grammar) && isWord(grammar[i]) {
				i++
			}
			b.WriteString(prefix)
		default:
			i++
		}
		b.WriteString(grammar[from:i])
	}
	return b.String()
}
