package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/models"
)

func TestAModelIsPulledAndUsedByName(t *testing.T) {
	tiny, err := models.Tiny()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(tiny)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/models/org/repo/tree/main":
			json.NewEncoder(w).Encode([]map[string]any{{"type": "file", "path": "a-Q4_K_M.gguf", "size": len(data), "lfs": map[string]any{"oid": fmt.Sprintf("%x", sha256.Sum256(data)), "size": len(data)}}})
		case "/org/repo/resolve/main/a-Q4_K_M.gguf":
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("HF_TOKEN", "")
	t.Setenv("INFER_MODELS", dir)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	path := filepath.Join(dir, "org", "repo", "a-Q4_K_M.gguf")

	if r := call(t, "-m", "org/repo", "-p", "x", "-q"); r.code != exitFailure || !strings.Contains(r.stderr, "infer pull org/repo") {
		t.Errorf("before: %d, %s", r.code, r.stderr)
	}
	if r := call(t, "pull", "org/repo"); r.code != 0 || r.out != path+"\n" || !strings.Contains(r.stderr, "downloaded") {
		t.Fatalf("%d, %q, %s", r.code, r.out, r.stderr)
	}
	if r := call(t, "pull", "--json", "hf.co/org/repo:q4_k_m"); r.code != 0 || !strings.Contains(r.out, `"downloaded_bytes":0`) {
		t.Errorf("again: %d, %q, %s", r.code, r.out, r.stderr)
	}
	if r := call(t, "-m", "org/repo:Q4_K_M", "-p", "Once", "-n", "3", "-q", "--temp", "0"); r.code != 0 || r.out == "" {
		t.Errorf("%d, %s", r.code, r.stderr)
	}
	if r := call(t, "list"); r.code != 0 || !strings.Contains(r.out, "org/repo/a-Q4_K_M.gguf") || !strings.Contains(r.out, "fits") {
		t.Errorf("%d, %q, %s", r.code, r.out, r.stderr)
	}
	for _, tt := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"pull"}, exitUsage, "no model"},
		{[]string{"pull", "x"}, exitUsage, "want org/repo"},
		{[]string{"pull", "org/repo:Q8_0"}, exitFailure, "it has a-Q4_K_M.gguf"},
		{[]string{"pull", "org/other"}, exitFailure, "there is no repository org/other"},
		{[]string{"list", "x"}, exitUsage, "unexpected"},
	} {
		if r := call(t, tt.args...); r.code != tt.code || !strings.Contains(r.stderr, tt.text) || r.out != "" {
			t.Errorf("%q: %d, %q, %s", tt.args, r.code, r.out, r.stderr)
		}
	}
}
