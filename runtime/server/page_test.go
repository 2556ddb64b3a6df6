//go:build cgo && linux

package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// browser is a headless Chromium with one page, which is driven over pipes by its DevTools protocol.
type browser struct {
	t    *testing.T
	to   *os.File
	from *bufio.Reader
	id   int
	page string // session of the page
	// seen are the addresses that the page has asked for, and errors of its script.
	seen   []string
	errors []string
}

// newBrowser starts Chromium; the test is skipped where it is missing.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("missing chromium: apt-get install chromium")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
		"--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "--window-size=1100,750", "about:blank")
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{in, out} // 3 and 4
	// The folder is removed when all of its processes have ended: they share a group and this pipe.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr, cmd.WaitDelay = new(bytes.Buffer), 10*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &browser{t: t, to: to, from: bufio.NewReaderSize(from, 1<<20)}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		to.Close()
		from.Close()
	})
	target := b.call("", "Target.createTarget", object{"url": "about:blank"})["targetId"]
	b.page = b.call("", "Target.attachToTarget", object{"targetId": target, "flatten": true})["sessionId"].(string)
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		b.do(domain+".enable", nil)
	}
	return b
}

// call calls a method and returns its result.
func (b *browser) call(session, method string, params object) object {
	b.t.Helper()
	b.id++
	m := object{"id": b.id, "method": method, "params": params}
	if session != "" {
		m["sessionId"] = session
	}
	text, err := json.Marshal(m)
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatal(method, err)
	}
	for {
		text, err := b.from.ReadBytes(0)
		if err != nil {
			b.t.Fatal(method, err)
		}
		var got struct {
			ID     int
			Method string
			Result object
			Error  object
			Params struct {
				Request          struct{ URL string }
				Entry            object
				ExceptionDetails object
			}
		}
		if err := json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &got); err != nil {
			b.t.Fatal(err)
		}
		switch {
		case got.Method == "Network.requestWillBeSent":
			b.seen = append(b.seen, got.Params.Request.URL)
		case got.Method == "Log.entryAdded":
			b.errors = append(b.errors, fmt.Sprint(got.Params.Entry["text"]))
		case got.Method == "Runtime.exceptionThrown":
			b.errors = append(b.errors, fmt.Sprint(got.Params.ExceptionDetails))
		case got.ID == b.id && got.Error != nil:
			b.t.Fatalf("%s: %v", method, got.Error)
		case got.ID == b.id:
			return got.Result
		}
	}
}

func (b *browser) do(method string, params object) object {
	b.t.Helper()
	return b.call(b.page, method, params)
}

// eval returns the value of an expression in the page.
func (b *browser) eval(script string) any {
	b.t.Helper()
	r := b.do("Runtime.evaluate", object{"expression": script, "returnByValue": true, "awaitPromise": true})
	if r["exceptionDetails"] != nil {
		b.t.Fatalf("%s: %v", script, r["exceptionDetails"])
	}
	return at(b.t, r, "result", "value")
}

// write types a message and sends it.
func (b *browser) write(text string) {
	b.t.Helper()
	b.do("Input.insertText", object{"text": text})
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.do("Input.dispatchKeyEvent", object{"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"})
	}
}

// shoot keeps a picture of the page in the folder $INFER_TEST_PICTURES, if that is set.
func (b *browser) shoot(name string) {
	dir := os.Getenv("INFER_TEST_PICTURES")
	if dir == "" {
		return
	}
	data := b.do("Page.captureScreenshot", object{"format": "png"})["data"].(string)
	png, err := base64.StdEncoding.DecodeString(data)
	if err == nil {
		err = os.WriteFile(dir+"/"+name+".png", png, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// neverEnding holds back an answer after its first parts until its client goes away: it still streams,
// however long a browser takes to look.
type neverEnding struct {
	http.ResponseWriter
	gone  <-chan struct{}
	parts int
}

func (n *neverEnding) Write(b []byte) (int, error) {
	if n.parts++; n.parts > 200 {
		<-n.gone
	}
	return n.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (n *neverEnding) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func TestThePageInABrowser(t *testing.T) {
	if memtest.Race {
		t.Skip("without the race detector: the others use the server as much")
	}
	b := newBrowser(t)
	o := large()
	o.Defaults.IgnoreEOG = true
	o.Defaults.Sampling.Greedy = true
	_, url := newServerBehind(t, o, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(&neverEnding{ResponseWriter: w, gone: r.Context().Done()}, r)
		})
	})
	b.do("Page.navigate", object{"url": url + "/"})
	until(t, "models and memory shown", func() bool {
		return b.eval(`document.querySelectorAll("#model option").length === 1 && document.querySelectorAll(".bar span").length > 0`) == true
	})
	b.write("Tell me a <b>story</b>")
	until(t, "an answer streams", func() bool {
		return b.eval(`(document.querySelector(".assistant .content") || {}).textContent?.length > 100`) == true
	})
	if b.eval(`document.querySelector("#stop").hidden`) != false {
		t.Error("no button to stop")
	}
	b.eval(`document.querySelector("#stop").click()`)
	until(t, "stopped", func() bool { n, w := busy(t, url); return n+w == 0 })
	if got := b.eval(`document.querySelector(".user .content").textContent`); got != "Tell me a <b>story</b>" {
		t.Errorf("%q", got)
	}
	if got := b.eval(`document.querySelector(".assistant .figures").textContent`); got != "stopped" {
		t.Errorf("%q", got)
	}
	b.eval(`ask = ((first) => async (text) => { window.ended = false; await first(text); window.ended = true; })(ask)`)
	b.eval(`document.querySelector("#text").focus()`)
	b.write("Another one")
	until(t, "another answer streams", func() bool {
		return b.eval(`(document.querySelectorAll(".assistant .content")[1] || {}).textContent?.length > 100`) == true
	})
	b.eval(`document.querySelector("#clear").click()`)
	until(t, "it has ended", func() bool { return b.eval(`window.ended`) == true })
	if got := b.eval(`messages.length + document.querySelector("#log").children.length`); got != 0.0 {
		t.Errorf("a new conversation has %v messages of the old one", got)
	}
	if b.eval(`document.querySelector("#stop").hidden && document.querySelector("#error").hidden`) != true {
		t.Error("a new conversation begins with a button to stop, or an error")
	}
	until(t, "memory in words", func() bool {
		text, _ := b.eval(`document.querySelector("#memory").innerText`).(string)
		return strings.Contains(text, "KV cache") && strings.Contains(text, "weights resident") && strings.Contains(text, "of 4 texts at once")
	})
	b.shoot("wide")
	b.do("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": "dark"}}})
	b.do("Emulation.setDeviceMetricsOverride", object{"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": true})
	if b.eval(`document.documentElement.scrollWidth <= window.innerWidth`) != true {
		t.Error("a narrow window has to be scrolled sideways")
	}
	if got := b.eval(`getComputedStyle(document.body).backgroundColor`); got != "rgb(22, 24, 28)" {
		t.Errorf("in dark mode: %v", got)
	}
	b.shoot("narrow")
	b.eval(`document.querySelector("#clear").click()`)
	b.eval(`document.querySelector("#text").focus()`)
	b.write(strings.Repeat("word ", 20000))
	until(t, "an error is shown", func() bool {
		text, _ := b.eval(`document.querySelector("#error").textContent`).(string)
		return strings.Contains(text, "does not fit into the context")
	})
	for _, u := range b.seen {
		if !strings.HasPrefix(u, url+"/") && !strings.HasPrefix(u, "data:") && u != "about:blank" {
			t.Errorf("the page asks %s", u)
		}
	}
	for _, e := range b.errors {
		if !strings.Contains(e, "status of 400") { // the text that did not fit
			t.Errorf("script: %s", e)
		}
	}
}

func TestThePageAllowsNothingButItself(t *testing.T) {
	_, url := newServer(t, options())
	for _, path := range []string{"/", "/page.js", "/page.css"} {
		status, header, body := get(t, url+path)
		policy := header.Get("Content-Security-Policy")
		if status != http.StatusOK || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") || len(body) == 0 {
			t.Errorf("%s: %d, %q", path, status, policy)
		}
		if strings.Contains(string(body), "https://") || strings.Contains(string(body), "innerHTML") {
			t.Errorf("%s asks others, or writes HTML", path)
		}
	}
	o := options()
	o.NoPage = true
	_, url = newServer(t, o)
	if status, _, _ := get(t, url+"/"); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
}
