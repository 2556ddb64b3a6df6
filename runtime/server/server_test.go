//go:build cgo

package server_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestATextIsContinued(t *testing.T) {
	_, url := newServer(t, options())
	status, header, body := post(t, url+"/v1/completions", object{"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0})
	o := decode(t, status, body)
	text := at(t, o, "choices", 0, "text").(string)
	if !strings.HasPrefix(text, ", there lived") || at(t, o, "choices", 0, "finish_reason") != "length" || o["object"] != "text_completion" {
		t.Errorf("%s", body)
	}
	if at(t, o, "usage", "completion_tokens") != 8.0 || at(t, o, "usage", "prompt_tokens") != 5.0 || at(t, o, "usage", "total_tokens") != 13.0 {
		t.Errorf("usage: %s", body)
	}
	if header.Get("X-Request-Id") == "" || header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%v", header)
	}
	status, header, body = post(t, url+"/v1/completions", object{"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0, "stream": true, "stream_options": object{"include_usage": true}})
	list, done := streamed(t, body)
	all := ""
	for _, part := range list[:len(list)-1] {
		all += at(t, part, "choices", 0, "text").(string)
	}
	if status != http.StatusOK || !done || all != text || !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("%d, %v, %q, want %q: %s", status, done, all, text, body)
	}
	if at(t, list[len(list)-1], "usage", "completion_tokens") != 8.0 {
		t.Errorf("usage: %v", list[len(list)-1])
	}
}
