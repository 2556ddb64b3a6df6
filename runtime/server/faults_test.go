//go:build cgo

package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/server"
)

// until waits until a condition holds, for two minutes: a busy machine takes long.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("%s does not hold after two minutes", what)
}

// busy returns how many slots and waiting requests the only model has.
func busy(t *testing.T, url string) (slots, waiting int) {
	t.Helper()
	status, _, body := get(t, url+"/memory")
	b := at(t, decode(t, status, body), "models", 0, "batch")
	return int(at(t, b, "busy_slots").(float64)), int(at(t, b, "waiting_requests").(float64))
}

// endless is a request whose answer ends when its context is full.
const endless = `{"prompt":"Once upon a time","ignore_eos":true,"stream":true}`

// open sends a request for a completion and returns the connection after the head of the answer.
func open(t *testing.T, url, body string) (net.Conn, *bufio.Reader) {
	t.Helper()
	return openAt(t, url, "/v1/completions", body)
}

func openAt(t *testing.T, url, path, body string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, " 200 ") {
		t.Fatalf("%v: %q", err, line)
	}
	return c, r
}

// large are options with so much context that an endless answer takes long.
func large() server.Options {
	o := options()
	o.Batch.Context, o.Batch.RequestContext = 8192, 4096
	return o
}

func TestAClientThatGoesAwayFreesItsPlace(t *testing.T) {
	_, url := newServer(t, large())
	for range 2 {
		var all []net.Conn
		for range 2 { // each waits for room for 512 tokens
			c, _ := open(t, url, endless)
			all = append(all, c)
		}
		if n, _ := busy(t, url); n == 0 {
			t.Error("nothing runs")
		}
		for _, c := range all {
			c.Close()
		}
		until(t, "no slot busy", func() bool { n, w := busy(t, url); return n+w == 0 })
	}
	status, _, body := post(t, url+"/v1/completions", short)
	decode(t, status, body)
}

func TestASlowReaderHoldsNobody(t *testing.T) {
	o := large()
	o.WriteTimeout = 500 * time.Millisecond
	_, url := newServer(t, o)
	open(t, url, endless) // and nothing of the answer is read
	for range 5 {
		status, _, body := post(t, url+"/v1/completions", short)
		decode(t, status, body)
	}
}

func TestASlowSenderIsCutOff(t *testing.T) {
	o := options()
	o.BodyTimeout = 200 * time.Millisecond
	o.Keys = []string{"key"}
	s, url := newServer(t, o)
	for name, head := range map[string]string{
		"with a key": "POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: 100\r\n\r\n{",
		"in chunks":  "POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"without":    "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, head)
			c.SetReadDeadline(time.Now().Add(time.Minute))
			all, err := io.ReadAll(c) // until the server closes it
			want := "HTTP/1.1 408 "
			if name == "without" {
				want = "HTTP/1.1 401 "
			}
			if err != nil || !strings.HasPrefix(string(all), want) {
				t.Errorf("%v: %s", err, all)
			}
		})
	}
	if s.Running() != 0 {
		t.Errorf("%d requests run", s.Running())
	}
}

func TestBodiesAreBounded(t *testing.T) {
	o := options()
	o.MaxBody, o.MaxBodies = 100<<10, 200<<10
	_, url := newServer(t, o)
	big := `{"prompt":"` + strings.Repeat("a", 200<<10) + `"}`
	for name, body := range map[string]io.Reader{"of known length": strings.NewReader(big), "in chunks": io.MultiReader(strings.NewReader(big))} {
		resp, err := http.Post(url+"/v1/completions", "application/json", body)
		if err != nil {
			t.Fatal(name, err)
		}
		status, _, text := answerOf(t, resp)
		if e := failure(t, text); status != 413 || e["code"] != "body_too_large" || e["max_bytes"] != float64(100<<10) {
			t.Errorf("%s: %d: %s", name, status, text)
		}
	}
	// Clients that read no answer before they have sent all get it too.
	for name, head := range map[string]string{"of known length": "Content-Length: 33554432\r\n\r\n", "in chunks": "Transfer-Encoding: chunked\r\n\r\n"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "POST /v1/completions HTTP/1.1\r\nHost: x\r\n"+head)
		mebibyte := strings.Repeat(" ", 1<<20)
		if name == "in chunks" {
			mebibyte = "100000\r\n" + mebibyte + "\r\n"
		}
		for range 32 {
			if _, err := io.WriteString(c, mebibyte); err != nil {
				t.Fatal(name, err)
			}
		}
		if name == "in chunks" {
			io.WriteString(c, "0\r\n\r\n")
		}
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 413 {
			t.Error(name, err, resp)
		}
	}
	// Two clients that have sent most of a body leave no room for a third.
	part := "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n" + strings.Repeat(" ", 80000)
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, part)
		held = append(held, c)
	}
	until(t, "bodies held", func() bool { // before: a third would take the place of one of them
		_, _, text := ask(t, http.MethodGet, url+"/metrics", "")
		return strings.Contains(string(text), "infer_request_body_bytes 180002")
	})
	full := func() bool {
		status, header, _ := post(t, url+"/v1/completions", `{"prompt":"a","max_tokens":1}`+strings.Repeat(" ", 40000))
		return status == 503 && header.Get("Retry-After") != ""
	}
	until(t, "bodies full", full)
	for _, c := range held {
		c.Close()
	}
	until(t, "room again", func() bool { status, _, _ := post(t, url+"/v1/completions", short); return status == 200 })
}

func TestAFullQueueIsRefusedWithFigures(t *testing.T) {
	o := large()
	o.Batch.Slots, o.Batch.Queue = 1, 1
	_, url := newServer(t, o)
	open(t, url, endless)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // waits
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", strings.NewReader(endless))
		if resp, err := http.DefaultClient.Do(req); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	until(t, "one waits", func() bool { _, n := busy(t, url); return n == 1 })
	status, header, body := post(t, url+"/v1/completions", short)
	e := failure(t, body)
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if status != 429 || err != nil || seconds < 1 || e["code"] != "queue_full" || e["waiting"] != 1.0 || e["queue"] != 1.0 || e["type"] != "rate_limit_error" {
		t.Errorf("%d, %v: %s", status, header, body)
	}
}

// census counts what may leak.
func census(t *testing.T) (goroutines, descriptors int) {
	t.Helper()
	goroutines = goruntime.NumGoroutine()
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		descriptors = len(list)
	}
	return goroutines, descriptors
}

func TestManyClientsLeaveNothingBehind(t *testing.T) {
	clients := 300
	if s := os.Getenv("INFER_TEST_CONNECTIONS"); s != "" {
		clients, _ = strconv.Atoi(s)
	}
	o := options()
	o.Batch.Queue = 64
	o.MaxRequests = 128
	s, url := newServer(t, o)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	client := &http.Client{Transport: transport}
	warm := func() int {
		resp, err := client.Post(url+"/v1/completions", "application/json", strings.NewReader(short))
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	warm()
	transport.CloseIdleConnections()
	until(t, "rest", func() bool { return s.Running() == 0 })
	goroutines, descriptors := census(t)

	var ok, refused, gone, bad atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			body := fmt.Sprintf(`{"prompt":"Once upon a time","max_tokens":%d,"stream":%v}`, 1+i%24, i%2 == 0)
			if i%10 == 9 {
				body = `{"prompt":`
			}
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", strings.NewReader(body))
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if i%7 == 3 { // goes away
				gone.Add(1)
				return
			}
			text, err := io.ReadAll(resp.Body)
			switch {
			case err != nil:
				t.Error(err)
			case resp.StatusCode == 200 && (strings.HasSuffix(string(text), "data: [DONE]\n\n") || json.Valid(text)):
				ok.Add(1)
			case (resp.StatusCode == 429 || resp.StatusCode == 503) && resp.Header.Get("Retry-After") != "" && json.Valid(text):
				refused.Add(1)
			case resp.StatusCode == 400 && i%10 == 9:
				bad.Add(1)
			default:
				t.Errorf("%d: %s", resp.StatusCode, text)
			}
		}()
	}
	all.Wait()
	if ok.Load() == 0 || bad.Load() == 0 || gone.Load() == 0 {
		t.Errorf("%d complete, %d refused, %d gone, %d bad", ok.Load(), refused.Load(), gone.Load(), bad.Load())
	}
	transport.CloseIdleConnections()
	until(t, "rest", func() bool {
		n, d := census(t)
		return s.Running() == 0 && n <= goroutines+2 && d <= descriptors+2
	})
	n, w := busy(t, url)
	if n+w != 0 {
		t.Errorf("%d run, %d wait", n, w)
	}
	transport.CloseIdleConnections()
}

// All requests of a model whose file changes end with an error, and the next one opens it again.
func TestAFileThatChangesUnderManyRequests(t *testing.T) {
	data, err := os.ReadFile(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	o := large()
	o.Path = filepath.Join(t.TempDir(), "model.gguf")
	o.Open.Load = runtime.LoadMMap
	if err := os.WriteFile(o.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, url := newServer(t, o)
	fixed := object{"prompt": "Once upon a time", "max_tokens": 5, "temperature": 0}
	answer := func() string {
		t.Helper()
		status, _, body := post(t, url+"/v1/completions", fixed)
		return at(t, decode(t, status, body), "choices", 0, "text").(string)
	}
	want, at := answer(), time.Now()
	for round := range 3 {
		var streams []*bufio.Reader
		for range 4 {
			_, r := open(t, url, endless)
			streams = append(streams, r)
		}
		at = at.Add(time.Hour)
		if err := os.Chtimes(o.Path, at, at); err != nil {
			t.Fatal(err)
		}
		for i, r := range streams {
			text := readUntil(t, r, `{"error":`)
			_, end, _ := strings.Cut(text, `{"error":`)
			if !strings.Contains(end, `"code":"model_changed"`) && !strings.Contains(end, `"code":"closed"`) {
				t.Errorf("round %d, request %d ends with %q", round, i, end)
			}
		}
		if got := answer(); got != want {
			t.Errorf("round %d: %q, want %q", round, got, want)
		}
	}
}

func TestADrainLetsRequestsFinish(t *testing.T) {
	s, url := newServer(t, large())
	_, r := open(t, url, `{"prompt":"Once upon a time","ignore_eos":true,"stream":true,"max_tokens":400}`)
	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	until(t, "draining", func() bool { status, _, _ := get(t, url+"/health"); return status == 503 })
	if status, header, body := post(t, url+"/v1/completions", short); status != 503 || header.Get("Retry-After") == "" || failure(t, body)["code"] != "shutting_down" {
		t.Errorf("%d: %s", status, body)
	}
	text := readUntil(t, r, "[DONE]")
	if !strings.Contains(text, `"finish_reason":"length"`) {
		t.Errorf("%s", text)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// While a service ends, new connections are told so, as load balancers open one for each look.
func TestAServiceThatDrainsAnswersNewConnections(t *testing.T) {
	s, err := server.New(t.Context(), large())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	url := "http://" + l.Addr().String()
	c, _ := open(t, url, endless)
	end()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	until(t, "draining", func() bool {
		resp, err := client.Get(url + "/health")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == 503
	})
	resp, err := client.Post(url+"/v1/completions", "", strings.NewReader(short))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := client.Get(url + "/health"); err == nil {
		t.Error("it listens after its end")
	}
}

func readUntil(t *testing.T, r *bufio.Reader, end string) string {
	t.Helper()
	var text strings.Builder
	for !strings.Contains(text.String(), end) {
		line, err := r.ReadString('\n')
		text.WriteString(line)
		if err != nil {
			t.Fatalf("%v after %d bytes: …%s", err, text.Len(), text.String()[max(0, text.Len()-300):])
		}
	}
	return text.String()
}

func TestADrainThatTakesTooLongEndsWithErrors(t *testing.T) {
	s, url := newServer(t, large())
	_, r := open(t, url, endless)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err != context.Canceled {
		t.Error(err)
	}
	if text := readUntil(t, r, `"error"`); strings.Contains(text, "[DONE]") {
		t.Errorf("%s", text)
	}
}
