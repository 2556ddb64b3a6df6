package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A model's file that changes is an error of the requests that it concerns, and never the end of the
// server: the next request opens the file again.
func TestAFileThatChangesWhileItIsServed(t *testing.T) {
	needEngine(t)
	sound, err := os.ReadFile(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	write := func(data []byte) { // in place
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(sound)
	args := []string{"-m", path, "--load", "mmap", "--temp", "0", "-c", "512", "-np", "2"}
	cmd, url, log := serving(t, args...)
	ask := func() (status int, text string) {
		t.Helper()
		resp, err := http.Post(url+"/v1/completions", "", strings.NewReader(`{"prompt":"Once upon a time","max_tokens":12}`))
		if err != nil {
			t.Fatalf("%v: %s", err, log)
		}
		defer resp.Body.Close()
		var o struct {
			Choices []struct{ Text string }
			Error   struct{ Code, Message string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
			t.Fatal(err)
		}
		if len(o.Choices) > 0 {
			return resp.StatusCode, o.Choices[0].Text
		}
		return resp.StatusCode, o.Error.Code + ": " + o.Error.Message
	}
	_, want := ask()
	answers := func(when string) {
		t.Helper()
		if status, text := ask(); status != http.StatusOK || text != want {
			t.Errorf("%s: %d, %q, want %q", when, status, text, want)
		}
	}

	replace([]byte("no model")) // the server keeps the file that it has open
	answers("a file that was replaced")
	replace(sound)

	stream := func() *bufio.Scanner {
		t.Helper()
		resp, err := http.Post(url+"/v1/completions", "", strings.NewReader(`{"prompt":"One day","max_tokens":500,"ignore_eos":true,"stream":true}`))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		lines := bufio.NewScanner(resp.Body)
		if lines.Scan(); !strings.HasPrefix(lines.Text(), "data: {") {
			t.Fatal(lines.Text())
		}
		return lines
	}
	// Cut short while a text is generated: what is written ends with an error.
	stopServing(t, cmd) // which has the file that is no longer there
	cmd, url, log = serving(t, args...)
	lines := stream()
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if lines.Err() != nil || !strings.Contains(last, `"code":"model_changed"`) {
		t.Errorf("the stream ends with %q, %v", last, lines.Err())
	}
	if status, text := ask(); status != http.StatusInternalServerError || !strings.Contains(text, "file is truncated") {
		t.Errorf("while the file is cut short: %d, %s", status, text)
	}
	write(sound)
	answers("the file is whole again")

	// Written in place, with the same size.
	other := append([]byte(nil), sound...)
	for i := len(other) / 2; i < len(other); i++ {
		other[i] = 0
	}
	future := time.Now().Add(time.Hour) // writes within a tick of the clock are not seen otherwise
	write(other)
	if err := os.Chtimes(path, future, future); err != nil {
		t.Fatal(err)
	}
	if status, text := ask(); status != http.StatusServiceUnavailable || !strings.HasPrefix(text, "model_changed: ") {
		t.Errorf("overwritten: %d, %s", status, text)
	}
	write(sound)
	if err := os.Chtimes(path, future.Add(time.Hour), future.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	answers("written again before it was opened")
	resp, err := http.Get(url + "/health")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", resp, err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	stopServing(t, cmd)
	if !strings.Contains(log.String(), "model closed") {
		t.Errorf("%s", log)
	}
}
