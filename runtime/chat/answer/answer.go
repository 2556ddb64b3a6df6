package answer

import (
	"encoding/json"
	"slices"
	"strings"
)

// Tool is a function that the model may call.
type Tool struct {
	Name       string
	Parameters json.RawMessage // JSON schema of the arguments; nil: any
}

// Options are the options of [NewParser].
type Options struct {
	Tools []Tool // functions that may be called; none: calls are text

	// ReasoningOpen says that the prompt ended inside a span of reasoning.
	ReasoningOpen bool
}

// Kind is the kind of an [Event].
type Kind int

const (
	Content       Kind = iota // Text is part of the answer
	Reasoning                 // Text is part of the reasoning before it
	CallBegin                 // a call of Name begins
	CallArguments             // Text is the next part of the call's arguments, which are a JSON object
	CallEnd                   // the call is complete
)

func (k Kind) String() string {
	if k < Content || k > CallEnd {
		return "unknown"
	}
	return [...]string{"content", "reasoning", "call begin", "call arguments", "call end"}[k]
}

// Event is a piece of an answer.
type Event struct {
	Kind Kind
	Text string // of Content, Reasoning and CallArguments; never empty there
	Call int    // number of the call, from 0, of the three kinds for calls
	ID   string // of a CallBegin, if the model writes identifiers before arguments
	Name string // of a CallBegin
}

// Bounds on what is held back.
const (
	maxHead   = 64 << 10 // of a call, until its name and the begin of its arguments are known
	maxSpace  = 1 << 10  // white space that may be before a marker
	maxName   = 256      // of a parameter
	maxScalar = 256      // of a number, true, false or null
	maxDepth  = 512      // of nested arrays and objects in arguments
)

// span is a pair of markers around reasoning.
type span struct{ open, close string }

// Format is how a family of models writes reasoning and calls. The zero value is plain text.
type Format struct {
	name     string
	spans    []span
	anywhere bool // reasoning may begin behind content
	callsEnd bool // a call ends reasoning that was not ended
	openings []opening
	closers  []string // behind a call; dropped
	drop     []string // dropped wherever they are in content
	first    []string // dropped where the answer begins
	harmony  bool
	list     bool  // calls are a list, where later models of the family write them one by one
	pairs    pairs // how parameters are written in tags
}

// String is the family's name: "" for plain text.
func (f Format) String() string { return f.name }

// Calls reports whether the family's calls of functions are known.
func (f Format) Calls() bool { return f.harmony || len(f.openings) > 0 }

// Marks reports whether a special token of this name is a part of how the family writes reasoning and
// calls. Others are no text: it is for SpecialOnly of runtime.GenerateOptions.
func (f Format) Marks(name string) bool {
	if f.harmony {
		return true
	}
	marks := slices.Concat(f.closers, f.drop, f.first, []string{f.pairs.close, f.pairs.end})
	add := func(head []element) {
		for _, e := range head {
			marks = append(append(marks, e.text), e.list...)
		}
	}
	for _, s := range f.spans {
		marks = append(marks, s.open, s.close)
	}
	for _, o := range f.openings {
		if add(o.head); o.body == argumentsGemma {
			marks = append(marks, gemmaQuote)
		}
	}
	add(f.pairs.head)
	add(f.pairs.typed)
	return slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(mark, name) })
}

// ReasoningOpen reports whether a prompt ends inside a span of reasoning.
func (f Format) ReasoningOpen(prompt string) bool {
	prompt = strings.TrimRight(prompt, blanks)
	for _, s := range f.spans {
		if strings.HasSuffix(prompt, strings.TrimRight(s.open, blanks)) {
			return true
		}
	}
	return f.harmony && strings.HasSuffix(prompt, channelMarker+"analysis"+messageMarker)
}

// opening is how calls begin.
type opening struct {
	head  []element // the first may be the marker, a literal
	body  body
	start bool // only where an answer begins, or what follows reasoning or a call
	again bool // only behind a call
}

// body is what follows the head of a call.
type body int

const (
	argumentsJSON body = iota // an object
	callsJSON                 // an object with name and arguments, or an array of them
	callsKeyed                // the same, as {"name": arguments}
	argumentsXML              // parameters in tags
	argumentsGemma
	argumentsPython // k=v, …)
	codePython      // the code of the tool "python", up to the end
)
