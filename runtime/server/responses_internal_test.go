//go:build cgo

package server

import (
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

// TestItemsBecomeMessages gives conversations in the form of the Responses API, and what chat templates see.
func TestItemsBecomeMessages(t *testing.T) {
	for _, tt := range []struct{ name, fields, want string }{
		{"a text", `"input":"Hello"`, `[{"role":"user","content":"Hello"}]`},
		{"instructions, and what a developer says first", `"instructions":"Be kind.","input":[{"role":"developer","content":"Be short."},{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]}]`,
			`[{"role":"system","content":"Be kind.\n\nBe short."},{"role":"user","content":"a\nb"}]`},
		{"what a developer says later", `"input":[{"role":"user","content":"a"},{"role":"developer","content":"b"},{"role":"system","content":"c"}]`,
			`[{"role":"user","content":"a"},{"role":"system","content":"b"},{"role":"system","content":"c"}]`},
		{"a turn with thoughts, a text and calls", `"input":[{"role":"user","content":"Weather?"},
			{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"I ask."}],"encrypted_content":"infer:I ask.","status":"completed"},
			{"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"Wait.","annotations":[],"logprobs":[]}]},
			{"type":"function_call","id":"fc_1","call_id":"call_1","name":"weather","arguments":"{\"city\":\"Rome\"}","status":"completed"},
			{"type":"function_call","call_id":"call_2","name":"news","arguments":""},
			{"type":"function_call_output","call_id":"call_1","output":"Sunny."},
			{"type":"function_call_output","id":"fco_2","call_id":"call_2","output":[{"type":"input_text","text":"None."}]}]`,
			`[{"role":"user","content":"Weather?"},{"role":"assistant","content":"Wait.","reasoning_content":"I ask.","tool_calls":[{"id":"call_1","name":"weather","arguments":{"city":"Rome"}},{"id":"call_2","name":"news","arguments":{}}]},{"role":"tool","content":"Sunny.","tool_call_id":"call_1"},{"role":"tool","content":"None.","tool_call_id":"call_2"}]`},
		{"a call of a function in a namespace", `"input":[{"type":"function_call","call_id":"c","name":"weather","namespace":"far","arguments":"{}","parsed_arguments":null},{"type":"function_call_output","call_id":"c","name":"weather","namespace":"far","output":"Sunny."}]`,
			`[{"role":"assistant","content":"","tool_calls":[{"id":"c","name":"far__weather","arguments":{}}]},{"role":"tool","content":"Sunny.","name":"far__weather","tool_call_id":"c"}]`},
		{"thoughts as their summary", `"input":[{"type":"reasoning","summary":[{"type":"summary_text","text":"I ask."}]},{"role":"assistant","content":"a"}]`, `[{"role":"assistant","content":"a","reasoning_content":"I ask."}]`},
		{"thoughts that are sealed", `"input":[{"type":"reasoning","summary":[],"encrypted_content":"infer:I ask."},{"role":"assistant","content":"a"}]`, `[{"role":"assistant","content":"a","reasoning_content":"I ask."}]`},
		{"thoughts that another server has sealed", `"input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},{"role":"assistant","content":"a"}]`, `[{"role":"assistant","content":"a"}]`},
		{"a call that was broken off", `"input":[{"role":"user","content":"a"},{"role":"assistant","content":"Wait."},{"type":"function_call","call_id":"c","name":"f","arguments":"{\"city\": ","status":"incomplete"},{"role":"user","content":"b"}]`,
			`[{"role":"user","content":"a"},{"role":"assistant","content":"Wait."},{"role":"user","content":"b"}]`},
		{"a call that is whole in an answer that is not", `"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}","status":"incomplete"}]`, `[{"role":"assistant","content":"","tool_calls":[{"id":"c","name":"f","arguments":{}}]}]`},
		{"thoughts that another server has sealed, and no answer", `"input":[{"role":"user","content":"a"},{"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},{"role":"user","content":"b"}]`, `[{"role":"user","content":"a"},{"role":"user","content":"b"}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, bad := parseFields([]byte(`{` + tt.fields + `}`))
			if bad != nil {
				t.Fatal(bad)
			}
			q := f.responsesRequest(runtime.GenerateOptions{})
			if err := f.done(); err != nil {
				t.Fatal(err)
			}
			if got := mustEncode(q.messages); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestLongTurnsAreJoinedOnce has thousands of items that become one message: each text is copied a few times,
// and not once for each item that follows.
func TestLongTurnsAreJoinedOnce(t *testing.T) {
	for _, item := range []string{
		`{"role":"assistant","content":"` + strings.Repeat("x", 500) + `"}`,
		`{"role":"system","content":"` + strings.Repeat("x", 500) + `"}`,
		`{"type":"reasoning","summary":[{"type":"summary_text","text":"` + strings.Repeat("x", 500) + `"}]}`,
	} {
		body := []byte(`{"input":[` + item + strings.Repeat(","+item, 3999) + `]}`)
		f, bad := parseFields(body)
		if bad != nil {
			t.Fatal(bad)
		}
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		list := f.conversation()
		goruntime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; f.err != nil || len(list) != 1 || took > 50*uint64(len(body)) {
			t.Errorf("%.60s: %v, %d messages, %d bytes for a body of %d", item, f.err, len(list), took, len(body))
		}
	}
}

func TestFunctionsOfANamespace(t *testing.T) {
	f, _ := parseFields([]byte(`{"input":"x","tools":[{"type":"function","name":"a"},{"type":"namespace","name":"far","description":"Far away.","tools":[{"type":"function","name":"a","description":"One."},{"type":"function","name":"b","description":"Two."}]}]}`))
	q := f.responsesRequest(runtime.GenerateOptions{})
	if err := f.done(); err != nil {
		t.Fatal(err)
	}
	var got [][2]string
	for _, tool := range q.options.Tools {
		got = append(got, [2]string{tool.Name, tool.Description})
	}
	if want := [][2]string{{"a", ""}, {"far__a", "Far away.\n\nOne."}, {"far__b", "Two."}}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	many := `{"type":"function","name":"a"}` + strings.Repeat(`,{"type":"function","name":"a"}`, mostTools-1)
	f, _ = parseFields([]byte(`{"input":"x","tools":[{"type":"function","name":"a"},{"type":"namespace","name":"far","tools":[` + many + `]}]}`))
	f.responsesRequest(runtime.GenerateOptions{})
	if err := f.done(); err == nil || err.param != "tools[1].tools" || !strings.Contains(err.message, "at most 128") {
		t.Errorf("%v", err)
	}
}

// Without a stream, nothing is put together before the end.
func TestAResponseBeginsOnce(t *testing.T) {
	r := &responding{object: map[string]any{}}
	if err := r.begin(); err != nil || r.object["status"] != "in_progress" {
		t.Fatal(err, r.object)
	}
	r.set("completed")
	if err := r.begin(); err != nil || r.object["status"] != "completed" {
		t.Error(err, r.object)
	}
}
