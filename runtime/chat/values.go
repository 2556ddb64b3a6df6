package chat

import (
	"encoding/json"
	"fmt"

	"github.com/seed7adf6694/infer/runtime/chat/internal/jinja"
)

// own is a text of this package, which may name special tokens.
func own(s string) jinja.Text { return jinja.Text{S: s} }

func messageList(messages []Message) *jinja.List {
	list := &jinja.List{}
	for _, m := range messages {
		d := jinja.NewDict()
		d.Set(own("role"), jinja.User(m.Role))
		d.Set(own("content"), jinja.User(m.Content))
		for _, more := range [][2]string{{"name", m.Name}, {"reasoning_content", m.ReasoningContent}, {"tool_call_id", m.ToolCallID}} {
			if more[1] != "" {
				d.Set(own(more[0]), jinja.User(more[1]))
			}
		}
		if len(m.ToolCalls) > 0 {
			calls := &jinja.List{}
			for _, c := range m.ToolCalls {
				calls.Items = append(calls.Items, toolCall(c))
			}
			d.Set(own("tool_calls"), calls)
		}
		list.Items = append(list.Items, d)
	}
	return list
}

// toolCall has OpenAI's form, with the arguments as an object, as transformers wants them.
func toolCall(c ToolCall) *jinja.Dict {
	f := jinja.NewDict()
	f.Set(own("name"), jinja.User(c.Name))
	arguments, err := jinja.FromJSON(c.Arguments, jinja.User)
	if err != nil { // a model wrote them
		arguments = jinja.User(string(c.Arguments))
	}
	f.Set(own("arguments"), arguments)
	d := jinja.NewDict()
	if c.ID != "" {
		d.Set(own("id"), jinja.User(c.ID))
	}
	d.Set(own("type"), own("function"))
	d.Set(own("function"), f)
	return d
}

func toolList(tools []Tool) (*jinja.List, int, error) {
	list, size := &jinja.List{}, 0
	for _, t := range tools {
		f := jinja.NewDict()
		f.Set(own("name"), jinja.User(t.Name))
		if t.Description != "" {
			f.Set(own("description"), jinja.User(t.Description))
		}
		if len(t.Parameters) > 0 {
			parameters, err := jinja.FromJSON(t.Parameters, jinja.User)
			if err != nil {
				return nil, 0, fmt.Errorf("parameters of tool %q: %w", t.Name, err)
			}
			f.Set(own("parameters"), parameters)
		}
		d := jinja.NewDict()
		d.Set(own("type"), own("function"))
		d.Set(own("function"), f)
		list.Items = append(list.Items, d)
		size += len(t.Description) + len(t.Parameters)
	}
	return list, size, nil
}

func extra(v any) (jinja.Value, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jinja.FromJSON(data, jinja.User)
}
