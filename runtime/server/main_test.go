//go:build cgo

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/server"
)

const (
	tinyF16 = "../../models/tiny/tiny-stories-f16.gguf"
	// template is for the embedded model, which has none.
	template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
)

func TestMain(m *testing.M) {
	enginetest.Use()
	os.Exit(memtest.Main(m, nil))
}

// options are those of the tests: the embedded model, with few threads.
func options() server.Options {
	o := server.Options{Path: tinyF16, ChatTemplate: template}
	o.Open.Packed = runtime.PackedOff
	o.Batch.Context, o.Batch.Threads, o.Batch.Slots, o.Batch.Queue = 2048, 1, 4, 16
	return o
}

// newServer returns a server and its address.
func newServer(t *testing.T, o server.Options) (*server.Server, string) {
	t.Helper()
	return newServerBehind(t, o, func(h http.Handler) http.Handler { return h })
}

// newServerBehind is newServer with a handler in front of the server.
func newServerBehind(t *testing.T, o server.Options, front func(http.Handler) http.Handler) (*server.Server, string) {
	t.Helper()
	s, err := server.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(front(s))
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, h.URL
}

// object is a JSON object.
type object = map[string]any

// post sends an object and returns the status, the header and the body.
func post(t *testing.T, url string, body any) (int, http.Header, []byte) {
	t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	resp, err := http.Post(url, "application/json", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(t, resp)
}

func get(t *testing.T, url string) (int, http.Header, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(t, resp)
}

func answerOf(t *testing.T, resp *http.Response) (int, http.Header, []byte) {
	t.Helper()
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, all
}

// decode reads an answer of status 200.
func decode(t *testing.T, status int, body []byte) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(body, &o); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	return o
}

// failure reads the error of an answer.
func failure(t *testing.T, body []byte) object {
	t.Helper()
	var o struct{ Error object }
	if err := json.Unmarshal(body, &o); err != nil || o.Error == nil {
		t.Fatalf("%v: %s", err, body)
	}
	return o.Error
}

// at follows a path of keys and indices.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(object)
			if !ok {
				t.Fatalf("%v: no object at %v", v, p)
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				t.Fatalf("%v: no element %v", v, p)
			}
			v = l[p]
		}
	}
	return v
}

// streamed returns the objects of server-sent events, and whether [DONE] was the last.
func streamed(t *testing.T, body []byte) (list []object, done bool) {
	t.Helper()
	for part := range bytes.SplitSeq(body, []byte("\n\n")) {
		text, ok := strings.CutPrefix(string(part), "data: ")
		switch {
		case !ok:
		case text == "[DONE]":
			done = true
		default:
			var o object
			if err := json.Unmarshal([]byte(text), &o); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			list = append(list, o)
		}
	}
	return list, done
}

func user(text string) []object { return []object{{"role": "user", "content": text}} }
