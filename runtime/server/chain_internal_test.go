//go:build cgo

package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

func TestAPanicIsAnError(t *testing.T) {
	s, err := New(context.Background(), Options{Path: "../../models/tiny/tiny-stories-f16.gguf", Open: runtime.Options{Packed: runtime.PackedOff}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.mux.Handle("POST /panic", s.computing(func(*call) error { panic("on purpose") }))
	s.mux.Handle("POST /late", s.computing(func(c *call) error {
		c.w.WriteHeader(http.StatusOK)
		_ = c.w.flush()
		panic("on purpose")
	}))
	h := httptest.NewServer(s)
	defer h.Close()
	resp, err := http.Post(h.URL+"/panic", "", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%v", resp)
	}
	if resp, err := http.Post(h.URL+"/late", "", strings.NewReader("{}")); err == nil {
		if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
			t.Error("an answer that a panic has cut looks complete")
		}
		resp.Body.Close()
	}
	resp, err = http.Get(h.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), `infer_http_requests_total{route="/panic",status="500"} 1`) {
		t.Errorf("%v: %s", err, text)
	}
	if s.Running() != 0 {
		t.Errorf("%d requests run", s.Running())
	}
}
