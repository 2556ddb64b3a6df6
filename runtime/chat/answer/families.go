package answer

import "strings"

// family is a format, and by what it is recognised in a template.
type family struct {
	format Format
	all    []string // texts that the template has
}

var (
	thinkSpan    = span{"<think>", "</think>"}
	hermesCalls  = jsonCalls("<tool_call>")
	qwenFunction = opening{head: []element{lit("<function="), toolRef, lit(">")}, body: argumentsXML}
)

// functoolsCalls is what firefunction writes.
var functoolsCalls = opening{head: []element{lit("functools"), ahead("[")}, body: callsJSON}

// jsonCalls is a marker and objects with name and arguments behind it.
func jsonCalls(marker string) opening {
	return opening{head: []element{lit(marker)}, body: callsJSON}
}

// bareCall is an object without a marker.
var bareCall = opening{start: true, head: []element{space}, body: callsJSON}

// qwenPairs are parameters as Qwen3-Coder writes them.
func qwenPairs() pairs {
	return pairs{head: []element{lit("<parameter="), ident, lit(">")}, close: "</parameter>", end: "</function>", newline: true}
}

// invokePairs are parameters in <parameter name="…">, with something in front of the tags' names.
func invokePairs(before string, typed bool) pairs {
	p := pairs{close: "</" + before + "parameter>", end: "</" + before + "invoke>"}
	head := func(rest string) []element {
		return []element{lit("<" + before + `parameter name="`), ident, lit(`"` + rest)}
	}
	if p.head = head(">"); typed {
		p.head, p.typed = head(` string="true">`), head(` string="false">`)
	}
	return p
}

// invokeCalls begin with a section's tag, or with that of a call.
func invokeCalls(section, before string) []opening {
	call := []element{lit("<" + before + `invoke name="`), toolRef, lit(`">`)}
	return []opening{
		{head: append([]element{lit(section), space}, call...), body: argumentsXML},
		{head: call, body: argumentsXML},
	}
}

// sectioned begins a call with or without the marker of a section.
func sectioned(section string, call ...element) []opening {
	return []opening{
		{head: append([]element{lit(section), space}, call...), body: argumentsJSON},
		{head: call, body: argumentsJSON},
	}
}

// families are those that are known. The first that fits a template is taken.
var families = []family{
	{all: []string{"<|channel|>", "<|message|>"}, format: Format{name: "gpt-oss", harmony: true}},
	{all: []string{"<|tool_call>call:"}, format: Format{
		name: "gemma 4", anywhere: true, spans: []span{{"<|channel>thought", "<channel|>"}}, drop: []string{"<channel|>"},
		openings: []opening{{head: []element{lit("<|tool_call>call:"), toolRef, ahead("{")}, body: argumentsGemma}},
		closers:  []string{"<tool_call|>"},
	}},
	{all: []string{"DSML", "function_calls"}, format: dsml("deepseek v3.2", "function_calls")},
	{all: []string{"DSML"}, format: dsml("deepseek v4", "tool_calls")},
	{all: []string{"<｜tool▁call▁begin｜>", "```json"}, format: deepseek("deepseek r1",
		lit("<｜tool▁call▁begin｜>"), maybe("function"), lit("<｜tool▁sep｜>"), toolRef, space, maybe("```json"), space)},
	{all: []string{"<｜tool▁call▁begin｜>"}, format: deepseek("deepseek v3.1",
		lit("<｜tool▁call▁begin｜>"), toolRef, lit("<｜tool▁sep｜>"), space)},
	{all: []string{"<|tool_call_begin|>", "<|tool_calls_section_begin|>"}, format: Format{
		name: "kimi k2", spans: []span{thinkSpan}, callsEnd: true,
		openings: sectioned("<|tool_calls_section_begin|>", lit("<|tool_call_begin|>"), space, idOpen, maybe("functions."), toolRef,
			maybe(":"), digits, idClose, space, lit("<|tool_call_argument_begin|>"), space),
		closers: []string{"<|tool_call_end|>", "<|tool_calls_section_end|>"},
	}},
	{all: []string{"<arg_key>"}, format: Format{
		name: "glm", spans: []span{thinkSpan, {"<|begin_of_thought|>", "<|end_of_thought|>"}},
		openings: []opening{{head: []element{lit("<tool_call>"), space, toolRef, space, ahead("<arg_key>", "</tool_call>")}, body: argumentsXML}},
		pairs: pairs{head: []element{lit("<arg_key>"), ident, lit("</arg_key>"), space, lit("<arg_value>")},
			close: "</arg_value>", end: "</tool_call>"},
	}},
	{all: []string{"<minimax:tool_call>"}, format: Format{
		name: "minimax m2", spans: []span{thinkSpan}, openings: invokeCalls("<minimax:tool_call>", ""),
		closers: []string{"</minimax:tool_call>"}, pairs: invokePairs("", false),
	}},
	{all: []string{"<seed:tool_call>"}, format: Format{
		name: "seed-oss", spans: []span{{"<seed:think>", "</seed:think>"}}, pairs: qwenPairs(), closers: []string{"</seed:tool_call>"},
		openings: []opening{{head: []element{lit("<seed:tool_call>"), space, lit("<function="), toolRef, lit(">")}, body: argumentsXML}, qwenFunction},
	}},
	{all: []string{"<tool_call>", "<function=", "<parameter="}, format: Format{
		name: "qwen3-coder", spans: []span{thinkSpan}, callsEnd: true, pairs: qwenPairs(), closers: []string{"</tool_call>"},
		openings: []opening{{head: []element{lit("<tool_call>"), space, lit("<function="), toolRef, lit(">")}, body: argumentsXML}, qwenFunction, hermesCalls},
	}},
	{all: []string{">>>all", "recipient"}, format: Format{
		name: "functionary v3.2", first: []string{"all\n"}, drop: []string{">>>all\n"},
		openings: []opening{
			{start: true, head: []element{toolRef, lit("\n"), space}, body: argumentsJSON},
			{head: []element{lit(">>>"), toolRef, lit("\n"), space}, body: argumentsJSON},
		},
	}},
	{all: []string{"<function=", "<|python_tag|>"}, format: Format{
		name: "functionary v3.1", closers: []string{"</function>"},
		openings: []opening{
			{head: []element{lit("<function="), toolRef, lit(">"), space}, body: argumentsJSON},
			{head: []element{lit("<|python_tag|>")}, body: codePython},
		},
	}},
	{all: []string{"[TOOL_CALLS]"}, format: Format{
		name: "mistral", spans: []span{{"[THINK]", "[/THINK]"}, thinkSpan},
		openings: []opening{
			{head: []element{lit("[TOOL_CALLS]"), space, toolRef, space, lit("[CALL_ID]"), ident, lit("[ARGS]"), space}, body: argumentsJSON},
			{head: []element{lit("[TOOL_CALLS]"), space, toolRef, space, maybe("[ARGS]"), space}, body: argumentsJSON},
			jsonCalls("[TOOL_CALLS]"),
		},
	}},
	{all: []string{"[THINK]"}, format: Format{name: "mistral", spans: []span{{"[THINK]", "[/THINK]"}}}},
	{all: []string{"<|START_ACTION|>"}, format: Format{
		name: "command r7b", spans: []span{{"<|START_THINKING|>", "<|END_THINKING|>"}},
		drop:     []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"},
		openings: []opening{jsonCalls("<|START_ACTION|>")}, closers: []string{"<|END_ACTION|>"},
	}},
	{all: []string{"Action:", "```json", "tool_name"}, format: Format{
		name:     "command r",
		openings: []opening{{head: []element{lit("Action:"), space, lit("```json"), space}, body: callsJSON}}, closers: []string{"```"},
	}},
	{all: []string{"<|tools_prefix|>"}, format: Format{
		name: "apertus", spans: []span{{"<|inner_prefix|>", "<|inner_suffix|>"}},
		openings: []opening{{head: []element{lit("<|tools_prefix|>")}, body: callsKeyed}}, closers: []string{"<|tools_suffix|>"},
	}},
	{all: []string{"<|tool_call:begin|>"}, format: Format{
		name: "solar", spans: []span{{"<|think|>", "<|end|>"}}, drop: []string{"<|begin|>assistant", "<|content|>"},
		openings: sectioned("<|tool_calls|>", lit("<|tool_call:begin|>"), ident, lit("<|tool_call:name|>"), toolRef, lit("<|tool_call:args|>"), space),
		closers:  []string{"<|tool_call:end|>"},
	}},
	{all: []string{"<|tool_call_start|>"}, format: lfm()},
	{all: []string{"<|tool_list_start|>"}, format: lfm()},
	{all: []string{"<TOOLCALL>"}, format: Format{
		name: "nemotron", spans: []span{thinkSpan}, openings: []opening{jsonCalls("<TOOLCALL>")}, closers: []string{"</TOOLCALL>"},
	}},
	{all: []string{"<tool_calls>"}, format: Format{
		name: "tool_calls", spans: []span{thinkSpan}, closers: []string{"</tool_calls>"},
		openings: []opening{jsonCalls("<tool_calls>"), {again: true, head: []element{space}, body: callsJSON}},
	}},
	{all: []string{"<|tool_call|>"}, format: Format{
		name: "granite", spans: []span{thinkSpan}, drop: []string{"<response>", "</response>"},
		openings: []opening{jsonCalls("<|tool_call|>"), jsonCalls("<tool_call>")},
		closers:  []string{"<|/tool_call|>", "</tool_call>"},
	}},
	{all: []string{"<|/tool|>"}, format: Format{
		name: "phi 4", spans: []span{thinkSpan}, openings: []opening{jsonCalls("<|tool_call|>"), functoolsCalls}, closers: []string{"<|/tool_call|>"},
	}},
	{all: []string{"functools"}, format: Format{name: "functools", openings: []opening{functoolsCalls}}},
	{all: []string{"<tool_call>"}, format: Format{
		name: "hermes", spans: []span{thinkSpan}, openings: []opening{hermesCalls}, closers: []string{"</tool_call>"},
	}},
	{all: []string{"<|python_tag|>"}, format: llama3()},
	{all: []string{"<|start_header_id|>", `"parameters"`}, format: llama3()},
	{all: []string{"<|start_header_id|>ipython"}, format: llama3()},
	{all: []string{"<think>"}, format: Format{name: "think", spans: []span{thinkSpan}}},
	{all: []string{"</think>"}, format: Format{name: "think", spans: []span{thinkSpan}}},
}

func dsml(name, section string) Format {
	const before = "｜DSML｜"
	return Format{
		name: name, spans: []span{thinkSpan}, callsEnd: true,
		openings: invokeCalls("<"+before+section+">", before), closers: []string{"</" + before + section + ">"},
		pairs: invokePairs(before, true),
	}
}

func deepseek(name string, call ...element) Format {
	return Format{
		name: name, spans: []span{thinkSpan}, openings: sectioned("<｜tool▁calls▁begin｜>", call...),
		closers: []string{"```", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"},
	}
}

func llama3() Format {
	return Format{
		name: "llama 3", closers: []string{";"},
		openings: []opening{
			{head: []element{lit("<|python_tag|>"), space, toolRef, lit(".call(")}, body: argumentsPython},
			jsonCalls("<|python_tag|>"),
			{head: []element{lit("<|python_tag|>")}, body: codePython},
			bareCall,
		},
	}
}

func lfm() Format {
	return Format{
		name: "lfm2", spans: []span{thinkSpan}, closers: []string{"]", "<|tool_call_end|>"},
		openings: []opening{
			{head: []element{lit("<|tool_call_start|>"), space, maybe("["), space, toolRef, lit("(")}, body: argumentsPython},
			{again: true, head: []element{lit(","), space, toolRef, lit("(")}, body: argumentsPython},
			jsonCalls("<|tool_call_start|>"),
		},
	}
}

// Detect returns the format of the models with a chat template, by the template's text. What is not
// known is plain text: no reasoning, no calls.
func Detect(template string) Format {
	for _, f := range families {
		if f.fits(template) {
			f.format.list = f.format.name == "mistral" && !strings.Contains(template, "[ARGS]")
			return f.format
		}
	}
	return Format{}
}

func (f *family) fits(template string) bool {
	for _, s := range f.all {
		if !strings.Contains(template, s) {
			return false
		}
	}
	return true
}
