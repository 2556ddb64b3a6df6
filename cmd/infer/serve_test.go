package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestWrongUsageOfServe(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"a model beside a folder", []string{"--models", ".", "-m", "x.gguf"}, "--models serves the models of a folder by their names: it excludes --model and --alias"},
		{"a port that is none", []string{"--port", "65536"}, `--port "65536": out of range (0 to 65535)`},
		{"no places", []string{"-np", "0"}, `--parallel "0": out of range (1 to 256)`},
		{"an empty key", []string{"--api-key", "a,,b"}, `--api-key "a,,b": a key is empty`},
		{"a file without keys", []string{"--api-key-file", empty}, "--api-key-file: " + empty + " has no keys"},
		{"a time that is none", []string{"--drain-timeout", "soon"}, `--drain-timeout "soon": want seconds, or a time such as 90s, 10m or 1h30m`},
		{"a time of nothing", []string{"--timeout", "0"}, `--timeout "0": out of range: want more than 0 and at most 1000h`},
		{"an origin that is none", []string{"--cors-origin", "example.com"}, `--cors-origin "example.com": want an origin such as https://example.com, or *`},
		{"an origin with a path", []string{"--cors-origin", "https://example.com/a"}, `--cors-origin "https://example.com/a": want an origin such as https://example.com, or *`},
		{"two templates", []string{"--chat-template", "x", "--chat-template-file", "y"}, "--chat-template and --chat-template-file exclude each other"},
		{"what is always on", []string{"--slots=false"}, `--slots "false": it is always on: leave it out`},
		{"an argument", []string{"x"}, `unexpected argument "x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, append([]string{"serve"}, tt.args...)...)
			if want := "infer: " + tt.want + "\nRun 'infer serve --help'\n"; r.code != exitUsage || r.out != "" || r.stderr != want {
				t.Errorf("exit code %d, stdout %q, stderr\n%s\nwant\n%s", r.code, r.out, r.stderr, want)
			}
		})
	}
}

// serving starts the server in a process of its own, and returns it with its address.
func serving(t *testing.T, args ...string) (cmd *exec.Cmd, url string, stderr fmt.Stringer) {
	t.Helper()
	cmd, log := program(t, append([]string{"serve", "--port", "0", "-m", tinyF16, "--packed", "off", "-t", "1", "--chat-template", "{{ messages[0].content }}"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	if err != nil || !ok || !strings.HasPrefix(url, "http://127.0.0.1:") {
		cmd.Wait()
		t.Fatalf("%v: %q: %s", err, line, log)
	}
	return cmd, url, log
}

func TestServeAnswers(t *testing.T) {
	needEngine(t)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("one\r\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, url, _ := serving(t, "--api-key-file", keys, "-a", "stories", "-n", "3", "--temp", "0", "-np", "2", "-c", "512", "--jinja", "-cb", "--metrics")
	for key, want := range map[string]string{"two": `"model":"stories"`, "three": "invalid_api_key"} {
		req, _ := http.NewRequest(http.MethodPost, url+"/v1/completions", strings.NewReader(`{"prompt":"Once upon a time"}`))
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(text), want) || key == "two" && !strings.Contains(string(text), `", there lived"`) {
			t.Errorf("%s: %s", key, text)
		}
	}
	resp, err := http.Get(url + "/health")
	if err != nil || resp.StatusCode != 200 {
		t.Error(err, resp)
	}
	resp.Body.Close()
	if resp, err = http.Get(strings.Replace(url, "127.0.0.1", "127.0.0.2", 1) + "/health"); err == nil {
		resp.Body.Close()
		t.Error("it listens on other addresses than 127.0.0.1")
	}
	second := call(t, "serve", "-m", tinyF16, "--port", url[strings.LastIndexByte(url, ':')+1:])
	if second.code != exitFailure || !strings.Contains(second.stderr, "in use") && goruntime.GOOS != "windows" || second.out != "" {
		t.Errorf("a port in use: %+v", second)
	}
	stopServing(t, cmd)
}

func TestServeKnowsItsNames(t *testing.T) {
	needEngine(t)
	cmd, url, _ := serving(t, "--allow-host", "Proxy.example", "-q")
	for host, want := range map[string]int{"localhost": 200, "127.0.0.1:80": 200, "proxy.example": 200, "evil.example": 403} {
		req, _ := http.NewRequest(http.MethodGet, url+"/health", nil)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, resp.StatusCode, want)
		}
	}
	stopServing(t, cmd)
	for args, want := range map[string]int{"": 4, "--host 0.0.0.0": 0, "--api-key k": 0, "--host ::1 --allow-host x": 5, "--allow-host *": 0} {
		c := &serveConfig{generateConfig: generateConfig{flags: newFlags()}}
		c.serverFlags(c.flags)
		if err := c.flags.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if n := len(c.knownHosts()); n != want {
			t.Errorf("%q: %q", args, c.knownHosts())
		}
	}
}

// stopServing ends the server as a service manager does. Windows can't signal one other process.
func stopServing(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if goruntime.GOOS == "windows" {
		cmd.Process.Kill()
		cmd.Wait()
		return
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestSIGTERMUnderLoadLetsAnswersFinish(t *testing.T) {
	needEngine(t)
	if goruntime.GOOS == "windows" {
		t.Skip("missing signals to one other process on Windows")
	}
	cmd, url, log := serving(t, "-np", "4", "-q")
	var all sync.WaitGroup
	var complete, refused atomic.Int64
	begun := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for range 6 {
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", strings.NewReader(`{"prompt":"Once upon a time","ignore_eos":true,"max_tokens":60,"stream":true}`))
				resp, err := http.DefaultClient.Do(req)
				if err != nil { // the listener is closed, or a connection that was idle
					refused.Add(1)
					return
				}
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				switch {
				case resp.StatusCode == 503 && err == nil:
					refused.Add(1)
					return
				case resp.StatusCode != 200 || err != nil || !strings.HasSuffix(string(text), "data: [DONE]\n\n"):
					t.Errorf("%d, %v: …%s", resp.StatusCode, err, text[max(0, len(text)-200):])
					return
				}
				complete.Add(1)
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		}()
	}
	<-begun
	stopServing(t, cmd)
	all.Wait()
	if complete.Load() == 0 || refused.Load() != 6 {
		t.Errorf("%d complete, %d refused: %s", complete.Load(), refused.Load(), log)
	}
}

func TestASecondSignalEndsTheServerAtOnce(t *testing.T) {
	needEngine(t)
	if goruntime.GOOS == "windows" {
		t.Skip("missing signals to one other process on Windows")
	}
	cmd, url, _ := serving(t, "-c", "100000", "--drain-timeout", "1h")
	resp, err := http.Post(url+"/v1/completions", "", strings.NewReader(`{"prompt":"Once upon a time","ignore_eos":true,"stream":true}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(err, resp)
	}
	defer resp.Body.Close()
	cmd.Process.Signal(syscall.SIGTERM)
	for { // until it drains, signals are one
		r, err := http.Get(url + "/health")
		if err != nil {
			break
		}
		r.Body.Close()
		if r.StatusCode == 503 {
			break
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	err = cmd.Wait()
	var exit *exec.ExitError
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !errors.As(err, &exit) || ok && !status.Signaled() && exit.ExitCode() != 143 {
		t.Errorf("%v", err)
	}
}

func TestOriginsOfAppsAreTaken(t *testing.T) {
	c := &serveConfig{}
	for _, origin := range []string{"*", "https://example.com", "http://[::1]:8080", "app://obsidian.md", "chrome-extension://abcdefgh", "tauri://localhost"} {
		if err := c.addOrigin(origin); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
