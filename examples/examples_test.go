//go:build cgo

// Package examples tests the programs in its folders, each as its user would run it.
package examples

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases/instruct"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/models"
)

func TestMain(m *testing.M) { os.Exit(memtest.Main(m, nil)) }

const story = ", there lived a young boy called Remy."

// run runs an example and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), memtest.Build(t, "./examples/"+name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestTheSecondModelFindsTheFirstOnesMemory(t *testing.T) {
	out := run(t, "pool")
	if strings.Count(out, "tiny: Once upon a time"+story) != 2 || strings.Count(out, "pool: 0 bytes of 64 MiB in use") != 2 {
		t.Error(out)
	}
}

func TestAModelThatDoesNotFitIsRefused(t *testing.T) {
	out := run(t, "pool", "-size", "1", "tiny")
	if !strings.Contains(out, "tiny: refused: ") || !strings.Contains(out, " left by the pool\npool: 0 bytes of 1.0 MiB in use") {
		t.Error(out)
	}
}

func TestTheNearestTextComesFirst(t *testing.T) {
	lines := strings.Split(run(t, "embeddings", "a red ball", "The sun was hot.", "a red ball"), "\n")
	if lines[0] != "1.000  a red ball" {
		t.Errorf("%q", lines)
	}
}

func TestAConversationComputesItsPrefixOnce(t *testing.T) {
	path := t.TempDir() + "/instruct.gguf"
	if err := instruct.Write("../models/tiny/tiny-stories-q4_0.gguf", path, map[string]string{"tokenizer.chat_template": instruct.ChatML}); err != nil {
		t.Fatal(err)
	}
	out := run(t, "chat", "-m", path, "-n", "8", "Name a river.", "And another?")
	if !strings.HasPrefix(out, "> Name a river.\n") || !strings.Contains(out, "(0 tokens were computed before, ") || strings.Count(out, " tokens were computed before, ") != 2 || strings.Count(out, "(0 tokens") != 1 {
		t.Error(out)
	}
}

func TestABudgetIsKept(t *testing.T) {
	path := t.TempDir() + "/model.gguf"
	shape, err := models.ParseShape("layers=24,width=512,heads=8,ffn=1536,vocab=2000")
	if err != nil {
		t.Fatal(err)
	}
	if err := models.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: shape}); err != nil {
		t.Fatal(err)
	}
	out := run(t, "budget", "-m", path, "-budget", "120")
	if !strings.Contains(out, " of 24 layers were streamed") || strings.Contains(out, "\n0 of") {
		t.Error(out)
	}
}

// listening starts an example that serves, and returns its address.
func listening(t *testing.T, name string) (cmd *exec.Cmd, address string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), memtest.Build(t, "./examples/"+name), "-listen", "localhost:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(log)
	for address == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err, cmd.Wait())
		}
		_, address, _ = strings.Cut(strings.TrimSpace(line), "listening on ")
	}
	go io.Copy(io.Discard, lines)
	return cmd, address
}

// interrupt ends an example as Ctrl-C does. Windows can't interrupt one other process.
func interrupt(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if goruntime.GOOS == "windows" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

func TestAServerIsMountedInAService(t *testing.T) {
	cmd, address := listening(t, "serve")
	for _, tt := range []struct{ path, body, want string }{
		{"/llm/v1/completions", `{"prompt": "Once upon a time", "max_tokens": 3, "temperature": 0}`, `", there lived"`},
		{"/llm/v1/nothing", "{}", `"unknown_url"`},
		{"/llm/", "", "<title>infer</title>"},
		{"/hello", "", "hello"},
	} {
		var resp *http.Response
		var err error
		if tt.body == "" {
			resp, err = http.Get(address + tt.path)
		} else {
			resp, err = http.Post(address+tt.path, "application/json", strings.NewReader(tt.body))
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s: %v: %s", tt.path, err, text)
		}
	}
	interrupt(t, cmd)
}

func TestATextIsStreamedOverHTTP(t *testing.T) {
	cmd, address := listening(t, "stream")
	resp, err := http.Post(address, "text/plain", strings.NewReader("Once upon a time"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || len(text) == 0 || len(resp.TransferEncoding) == 0 {
		t.Errorf("%v, %v, %v: %q", err, resp.Status, resp.TransferEncoding, text)
	}
	if resp, err = http.Get(address); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	interrupt(t, cmd)
}
