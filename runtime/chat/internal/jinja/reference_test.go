package jinja_test

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/runtime/chat/internal/jinja"
)

// differences are the renderings that are not Jinja2's, by template, with the reason. There are no
// others.
var differences = map[string]string{
	"Kimi-K2-Instruct.jinja": "it calls append, which changes a list: transformers' sandbox refuses that, llama.cpp does not",
	"Kimi-K2-Thinking.jinja": "it calls append, which changes a list: transformers' sandbox refuses that, llama.cpp does not",

	"meetkai-functionary-medium-v3.1.jinja": "it has |safe, which makes HTML in Jinja2: what is added to it is escaped; llama.cpp leaves the text, and models were trained with that",
}

// reference is what Jinja2 makes of a template and a conversation: testdata/references.py.
type reference struct {
	Text  *string
	Error string
}

func references(t *testing.T) map[string]map[string]reference {
	t.Helper()
	f, err := os.Open("../../testdata/references.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]reference
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// conversations are the values of each case.
func conversations(t *testing.T) map[string]map[string]json.RawMessage {
	t.Helper()
	data, err := os.ReadFile("../../testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]map[string]json.RawMessage
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func values(t *testing.T, raw map[string]json.RawMessage) map[string]jinja.Value {
	t.Helper()
	names := map[string]jinja.Value{}
	for k, v := range raw {
		value, err := jinja.FromJSON(v, jinja.User)
		if err != nil {
			t.Fatal(err)
		}
		names[k] = value
	}
	return names
}

// Templates of 70 models give, for 7 conversations each, the text that Jinja2 gives.
func TestTemplatesOfModelsAsJinja2RendersThem(t *testing.T) {
	cases, all := conversations(t), references(t)
	if len(all) < 60 || len(cases) < 7 {
		t.Fatalf("%d templates, %d conversations", len(all), len(cases))
	}
	limits := jinja.Limits{Now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	for name, want := range all {
		t.Run(strings.TrimSuffix(name, ".jinja"), func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join("../../testdata/templates", name))
			if err != nil {
				t.Fatal(err)
			}
			tmpl, err := jinja.Parse(string(src))
			if err != nil {
				t.Fatal(err)
			}
			differs := false
			for c, ref := range want {
				got, err := tmpl.Render(values(t, cases[c]), limits)
				same := err != nil && ref.Text == nil || err == nil && ref.Text != nil && got.S == *ref.Text
				if differs = differs || !same; !same && differences[name] == "" {
					t.Errorf("%s: %v\n got %q\nwant %v %s", c, err, got.S, ref.Text, ref.Error)
				}
			}
			if !differs && differences[name] != "" {
				t.Errorf("it does not differ: %s", differences[name])
			}
		})
	}
}

// Expressions have the values that Jinja2 gives them, or are refused as there.
func TestExpressionsAsJinja2EvaluatesThem(t *testing.T) {
	data, err := os.ReadFile("../../testdata/expressions.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Source, Text, Error string }
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 100 {
		t.Fatalf("%d expressions", len(list))
	}
	names := values(t, map[string]json.RawMessage{"l": []byte(`[3, 1.0, "it's", null, true]`), "d": []byte(`{"b": 1, "a": [1, {"x": "y"}], "items": 2}`), "s": []byte(`" Grüße, 😀 "`),
		"people": []byte(`[{"name": "Bo", "age": 3}, {"name": "al", "age": 2}, {"name": "Cy"}]`)})
	limits := jinja.Limits{Now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	for _, e := range list {
		got := ""
		tmpl, err := jinja.Parse(e.Source)
		if err == nil {
			var text jinja.Text
			text, err = tmpl.Render(names, limits)
			got = text.S
		}
		if (err != nil) != (e.Error != "") || got != e.Text {
			t.Errorf("%s\n got %q, %v\nwant %q, %s", e.Source, got, err, e.Text, e.Error)
		}
	}
}
