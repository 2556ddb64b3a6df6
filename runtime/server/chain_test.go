//go:build cgo

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/runtime/server"
)

// ask sends a request with headers, given as name, value, name, value.
func ask(t *testing.T, method, url, body string, headers ...string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(t, resp)
}

const short = `{"prompt":"Once","max_tokens":1}`

func TestKeysAreAskedFor(t *testing.T) {
	o := options()
	o.Keys = []string{"first", "second"}
	_, url := newServer(t, o)
	for _, tt := range []struct {
		name, path string
		headers    []string
		want       int
	}{
		{"none", "/v1/completions", nil, 401},
		{"a wrong one", "/v1/completions", []string{"Authorization", "Bearer third"}, 401},
		{"the beginning of one", "/v1/completions", []string{"Authorization", "Bearer firs"}, 401},
		{"an empty one", "/v1/completions", []string{"Authorization", "Bearer "}, 401},
		{"one without its scheme", "/v1/completions", []string{"Authorization", "first"}, 401},
		{"the first", "/v1/completions", []string{"Authorization", "Bearer first"}, 200},
		{"the second, in small letters", "/v1/completions", []string{"authorization", "bearer second"}, 200},
		{"in Anthropic's header", "/v1/completions", []string{"X-Api-Key", "second"}, 200},
		{"of the metrics", "/metrics", nil, 401},
		{"of the memory", "/memory", nil, 401},
		{"of the models", "/v1/models", nil, 401},
		{"of what is not there", "/nothing", nil, 401},
		{"of the health", "/health", nil, 200},
		{"of the page", "/", nil, 200},
		{"of the page's script", "/page.js", nil, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			method, body := http.MethodGet, ""
			if strings.HasSuffix(tt.path, "completions") {
				method, body = http.MethodPost, short
			}
			status, header, text := ask(t, method, url+tt.path, body, tt.headers...)
			if status != tt.want {
				t.Errorf("%d: %s", status, text)
			}
			if status == 401 && (failure(t, text)["code"] != "invalid_api_key" || header.Get("WWW-Authenticate") != "Bearer") {
				t.Errorf("%v: %s", header, text)
			}
		})
	}
}

func TestOnlyKnownHostsAndOriginsAreServed(t *testing.T) {
	o := options()
	o.Hosts = server.LoopbackHosts()
	_, url := newServer(t, o)
	for host, want := range map[string]int{"localhost": 200, "127.0.0.1:1234": 200, "[::1]:80": 200, "LOCALHOST.": 200, "evil.example": 403, "127.0.0.1.evil.example": 403, "": 200} {
		headers := []string{"Host", host}
		if host == "" {
			headers = nil
		}
		if status, _, body := ask(t, http.MethodGet, url+"/health", "", headers...); status != want {
			t.Errorf("%q: %d: %s", host, status, body)
		}
	}
	for _, headers := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
		status, header, body := ask(t, http.MethodPost, url+"/v1/completions", short, append(headers, "Content-Type", "text/plain")...)
		if status != 403 || failure(t, body)["code"] != "cross_origin" || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v: %d: %s", headers, status, body)
		}
	}
	if status, _, body := ask(t, http.MethodPost, url+"/v1/completions", short, "Sec-Fetch-Site", "same-origin", "Origin", url); status != 200 {
		t.Errorf("the page's own: %d: %s", status, body)
	}
	if _, header, _ := ask(t, http.MethodOptions, url+"/v1/completions", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"); header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", header)
	}
}

func TestOriginsCanBeAllowed(t *testing.T) {
	o := options()
	o.Origins = []string{"https://good.example"}
	_, url := newServer(t, o)
	status, header, body := ask(t, http.MethodPost, url+"/v1/completions", short, "Origin", "https://good.example", "Sec-Fetch-Site", "cross-site")
	if status != 200 || header.Get("Access-Control-Allow-Origin") != "https://good.example" || header.Get("Vary") != "Origin" {
		t.Errorf("%d, %v: %s", status, header, body)
	}
	status, header, _ = ask(t, http.MethodOptions, url+"/v1/completions", "", "Origin", "https://good.example", "Access-Control-Request-Method", "POST")
	if status != 204 || !strings.Contains(header.Get("Access-Control-Allow-Headers"), "Authorization") || !strings.Contains(header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("%d, %v", status, header)
	}
	if status, _, _ := ask(t, http.MethodPost, url+"/v1/completions", short, "Origin", "https://evil.example"); status != 403 {
		t.Errorf("%d", status)
	}
	const own = "authorization,content-type,x-stainless-os,anthropic-version"
	_, header, _ = ask(t, http.MethodOptions, url+"/v1/completions", "", "Origin", "https://good.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", own)
	if header.Get("Access-Control-Allow-Headers") != own || !slices.Contains(header.Values("Vary"), "Access-Control-Request-Headers") {
		t.Errorf("%v", header)
	}
	_, header, _ = ask(t, http.MethodOptions, url+"/v1/completions", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", own)
	if header.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("%v", header)
	}
}

// TestRefusalsHaveTheFormOfTheirAPI looks at errors of requests that come to no handler.
func TestRefusalsHaveTheFormOfTheirAPI(t *testing.T) {
	o := options()
	o.Keys, o.Hosts = []string{"key"}, server.LoopbackHosts()
	s, url := newServer(t, o)
	check := func(path string, status int, kind string, headers ...string) {
		t.Helper()
		got, header, body := ask(t, http.MethodPost, url+path, "{", headers...)
		var e struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if err := json.Unmarshal(body, &e); err != nil || got != status || e.Type != "error" || e.Error.Type != kind || e.Error.Message == "" {
			t.Errorf("%s: %d, %v: %s", path, got, err, body)
		}
		if status == 503 && header.Get("Retry-After") != "5" || status == 401 && header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%v", header)
		}
	}
	const key = "X-Api-Key"
	check("/v1/messages", 401, "authentication_error")
	check("/v1/messages", 403, "permission_error", key, "key", "Host", "evil.example")
	check("/v1/messages/count_tokens", 400, "invalid_request_error", key, "key")
	check("/v1/messages/batches", 404, "not_found_error", key, "key")
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	check("/v1/messages", 503, "overloaded_error", key, "key")
}

func TestOtherAddressesAndMethodsAreRefused(t *testing.T) {
	_, url := newServer(t, options())
	for _, tt := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/v1/chat/completions", 405, "POST"}, {"PUT", "/v1/completions", 405, "GET"}, {"POST", "/health", 405, "GET"}, {"DELETE", "/v1/models/x", 405, "GET"},
		{"GET", "/v2/models", 404, ""}, {"POST", "/v1/images/generations", 404, ""}, {"GET", "/web/index.html", 404, ""},
	} {
		status, header, body := ask(t, tt.method, url+tt.path, "")
		if status != tt.want || tt.method != "PUT" && header.Get("Allow") != tt.allow || failure(t, body)["message"] == "" {
			t.Errorf("%s %s: %d, %q: %s", tt.method, tt.path, status, header.Get("Allow"), body)
		}
	}
}

// safeBuffer is a buffer for a log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestALineIsLoggedAndNoText(t *testing.T) {
	var log safeBuffer
	o := options()
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, url := newServer(t, o)
	_, header, body := ask(t, http.MethodPost, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"Persimmon"}],"max_tokens":4}`, "X-Request-Id", "mine-1", "Authorization", "Bearer hush")
	content := strings.Fields(at(t, decode(t, 200, body), "choices", 0, "message", "content").(string))
	if header.Get("X-Request-Id") != "mine-1" {
		t.Errorf("%v", header)
	}
	_, header, _ = ask(t, http.MethodPost, url+"/v1/completions", `{"prompt":"Persimmon","foo":1}`, "X-Request-Id", "bad id\tid")
	if id := header.Get("X-Request-Id"); !strings.HasPrefix(id, "req-") {
		t.Errorf("%q", id)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	for strings.Count(log.String(), "msg=request") < 2 { // a line follows its answer; the test's time limit ends it
		runtime.Gosched()
	}
	text := log.String()
	if strings.Count(text, "msg=request") != 2 || !strings.Contains(text, "id=mine-1") || !strings.Contains(text, "completion_tokens=4") || !strings.Contains(text, "status=400") {
		t.Errorf("%s", text)
	}
	for _, secret := range append(content, "Persimmon", "hush") {
		if len(secret) > 3 && strings.Contains(text, secret) {
			t.Errorf("the log has %q:\n%s", secret, text)
		}
	}
}
