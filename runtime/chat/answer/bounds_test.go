package answer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime/chat/answer"
	"github.com/seed7adf6694/infer/runtime/schema"
)

// coder is the format whose parameters are in tags.
var coder = answer.Detect("<tool_call> <function= <parameter=")

// withProperties is a tool with n properties that have a schema, and definitions.
func withProperties(n int, property, definitions string) answer.Tool {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"p%d": %s`, i, property))
	}
	return answer.Tool{Name: "get", Parameters: json.RawMessage(`{"type": "object", "properties": {` + strings.Join(list, ",") + `}, "$defs": ` + definitions + `}`)}
}

// The definitions of a tool's schema are not copied for each parameter.
func TestDefinitionsAreNotMultiplied(t *testing.T) {
	large := `{"a": {"type": "integer"}, "b": {"description": "` + strings.Repeat("x", 900<<10) + `"}}`
	grammar := func(tool answer.Tool) error {
		_, _, err := coder.ToolGrammar([]answer.Tool{tool}, answer.Choice{})
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := grammar(withProperties(200, `{"type": "integer"}`, large)); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
	if err := grammar(withProperties(200, `{"$ref": "#/$defs/a"}`, `{"a": {"type": "integer"}}`)); err != nil {
		t.Error(err)
	}
	for name, tool := range map[string]answer.Tool{
		"references to large definitions": withProperties(200, `{"$ref": "#/$defs/a"}`, large),
		"many properties":                 withProperties(257, `{"type": "integer"}`, `{}`),
		"a large schema":                  withProperties(1, `{"type": "integer"}`, `{"b": {"description": "`+strings.Repeat("x", 1<<20)+`"}}`),
	} {
		if err := grammar(tool); !errors.As(err, new(*schema.Error)) || len(err.Error()) > 300 {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

// References that branch take a bounded number of steps; what is not read may be anything.
func TestTypesAreReadInBoundedSteps(t *testing.T) {
	branches := strings.Repeat(`{"$ref": "#/$defs/a"},`, 255) + `{"$ref": "#/$defs/a"}`
	tool := withProperties(3, `{"$ref": "#/$defs/a"}`, `{"a": {"anyOf": [`+branches+`]}}`)
	if _, _, err := coder.ToolGrammar([]answer.Tool{tool}, answer.Choice{}); err != nil && !errors.As(err, new(*schema.Error)) {
		t.Error(err)
	}
	events := parse(coder, answer.Options{Tools: []answer.Tool{tool}}, "<tool_call>\n<function=get>\n<parameter=p1>\n5\n</parameter>\n</function>\n</tool_call>")
	if last := events[len(events)-1]; last.Kind != answer.CallEnd {
		t.Errorf("%v", events)
	}
}
