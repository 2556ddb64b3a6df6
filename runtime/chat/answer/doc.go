// Package answer tells apart what a model writes while it streams: reasoning, calls of functions and
// the rest, which is text.
//
// [Detect] finds a model's [Format] by the text of its chat template. A [Parser] takes the text of the
// tokens, with the names of special tokens in it, and returns events:
//
//	f := answer.Detect(template)
//	p := answer.NewParser(f, answer.Options{Tools: tools, ReasoningOpen: strings.HasSuffix(prompt, "<think>\n")})
//	for token := range tokens {
//		for _, e := range p.Push(token.Text) {
//			...
//		}
//	}
//	events := p.End()
//
// The events of a text do not depend on how it is cut, but for where texts and arguments are divided.
// What looks like a call and is none, or a call of a function that is not among the tools, comes out as
// text; without tools, there are no calls. White space around reasoning and calls is left out. Text is
// held back only while it may still become a marker or the head of a call, and at most 64 KiB of it.
//
// Arguments come as parts of one JSON object. They are checked while they stream: what is not JSON
// ends the call, and comes out as text. A call that is complete ends with [CallEnd]; without it, its
// arguments are cut off and must not be used. Families that write values as text (Qwen3-Coder, GLM,
// MiniMax, DeepSeek V3.2) need the tools' schemas: text is a string where the schema wants one.
//
// [Format.ToolGrammar] returns a grammar for calls whose arguments obey the tools' schemas.
package answer
