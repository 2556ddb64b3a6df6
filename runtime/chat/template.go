package chat

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat/internal/jinja"
)

// Message is one message of a conversation.
type Message struct {
	Role    string `json:"role"` // "system", "user", "assistant", "tool", or others that the template knows
	Content string `json:"content"`
	Name    string `json:"name,omitempty"`
	// ReasoningContent is what a model thought before it answered; most templates leave it out of
	// earlier turns.
	ReasoningContent string     `json:"reasoning_content,omitempty"`
	ToolCalls        []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID       string     `json:"tool_call_id,omitempty"` // of a tool's result
}

// ToolCall is a call of a tool by a model.
type ToolCall struct {
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // an object
}

// Tool is a function that a model may call.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON schema; its keys keep their order
}

// Options are the options of a rendering.
type Options struct {
	Tools []Tool
	// NoGenerationPrompt leaves out the beginning of the assistant's next message.
	NoGenerationPrompt bool
	// EnableThinking is enable_thinking of templates that have it; nil: the template's default.
	EnableThinking *bool
	// Now is the time of strftime_now; zero: the present time.
	Now time.Time
	// Extra are further values for the template, such as documents. They are what encoding/json reads or
	// writes: values of other types are encoded first.
	Extra map[string]any
}

// ParseOptions are the options of [Parse].
type ParseOptions struct {
	BOS, EOS string // bos_token and eos_token of the template
}

// Template is a chat template. It is safe for concurrent use.
type Template struct {
	source    string
	main      *jinja.Template
	tools     *jinja.Template // for conversations with tools; nil: main
	tokens    ParseOptions
	fromModel bool
}

// Parse parses a template of at most 1 MiB. Errors are a [*TemplateError].
func Parse(source string, o ParseOptions) (*Template, error) {
	main, err := jinja.Parse(source)
	if err != nil {
		return nil, templateError(err)
	}
	return &Template{source: source, main: main, tokens: o}, nil
}

// Source is what [ForModel] reads of a model: a [runtime.Model] or a [runtime.Vocabulary].
type Source interface {
	ChatTemplate(name string) (string, error)
	SpecialTokens() (runtime.SpecialTokens, error)
}

// ForModel returns a template with the model's special tokens. "" stands for the model's own
// template and, for conversations with tools, its template named tool_use if there is one; otherwise
// it is the name of a template of the model's metadata, the name of a known template ([Names]), or
// the text of a template. A model without a template is an [ErrNoTemplate].
func ForModel(m Source, nameOrSource string) (*Template, error) {
	special, err := m.SpecialTokens()
	if err != nil {
		return nil, err
	}
	o := ParseOptions{BOS: special.BOSText, EOS: special.EOSText}
	if isSource(nameOrSource) {
		return Parse(nameOrSource, o)
	}
	source, err := m.ChatTemplate(nameOrSource)
	if err != nil {
		return nil, err
	}
	switch {
	case source != "":
	case nameOrSource == "":
		return nil, ErrNoTemplate
	case builtin[nameOrSource] != "":
		return Parse(builtin[nameOrSource], o)
	default:
		return nil, fmt.Errorf("%w: %q is no template of the model, and none of %s", ErrTemplate, nameOrSource, strings.Join(Names(), ", "))
	}
	t, err := Parse(source, o)
	if err != nil {
		return nil, err
	}
	t.fromModel = true
	if nameOrSource != "" {
		return t, nil
	}
	if source, err = m.ChatTemplate("tool_use"); err != nil || source == "" {
		return t, err
	}
	if t.tools, err = jinja.Parse(source); err != nil {
		return nil, templateError(err)
	}
	return t, nil
}

// Check returns the error of [ForModel] that needs no model: that of a template's text.
func Check(nameOrSource string) error {
	if !isSource(nameOrSource) {
		return nil
	}
	_, err := Parse(nameOrSource, ParseOptions{})
	return err
}

func isSource(s string) bool { return strings.Contains(s, "{{") || strings.Contains(s, "{%") }

// Names lists the templates that [ForModel] knows by name, in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(builtin)) }

// Source returns the text of the template.
func (t *Template) Source() string { return t.source }

// FromModel reports whether the template is of the model's metadata.
func (t *Template) FromModel() bool { return t.fromModel }

// Prompt is a rendered conversation.
type Prompt struct {
	Text string
	// Foreign are the bytes that are not the template's own, in order: what users, models and tools
	// wrote. Names of special tokens in them are text.
	Foreign []Range
}

// Range is a range of bytes.
type Range struct{ From, To int }

// Render renders a conversation. Errors are a [*TemplateError]; [ErrRefused] if the template refuses
// the conversation.
//
// A rendering takes at most 20 million operations, 16 MiB of output and 128 MiB of texts on the way,
// and more only in proportion to the size of the conversation.
func (t *Template) Render(messages []Message, o Options) (Prompt, error) {
	names := map[string]jinja.Value{
		"messages": messageList(messages), "add_generation_prompt": !o.NoGenerationPrompt,
		"bos_token": jinja.Text{S: t.tokens.BOS}, "eos_token": jinja.Text{S: t.tokens.EOS},
	}
	size := 0
	for _, m := range messages {
		size += len(m.Content) + len(m.ReasoningContent)
		for _, c := range m.ToolCalls {
			size += len(c.Arguments)
		}
	}
	if o.EnableThinking != nil {
		names["enable_thinking"] = *o.EnableThinking
	}
	main := t.main
	if len(o.Tools) > 0 {
		list, n, err := toolList(o.Tools)
		if err != nil {
			return Prompt{}, err
		}
		names["tools"], size = list, size+n
		if t.tools != nil {
			main = t.tools
		}
	}
	for k, v := range o.Extra {
		value, err := extra(v)
		if err != nil {
			return Prompt{}, fmt.Errorf("value %q for the chat template: %w", k, err)
		}
		names[k] = value
	}
	text, err := main.Render(names, jinja.Limits{
		Now: o.Now, Steps: 20_000_000 + 8*size + 20_000*len(messages), Bytes: 128<<20 + 256*size, Output: 16<<20 + 8*size,
	})
	if err != nil {
		return Prompt{}, templateError(err)
	}
	p := Prompt{Text: text.S}
	for _, m := range text.Marks {
		p.Foreign = append(p.Foreign, Range(m))
	}
	return p, nil
}
