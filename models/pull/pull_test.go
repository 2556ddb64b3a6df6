package pull_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/models/pull"
)

// hub is a server with the interface of Hugging Face, which redirects to another for the files.
type hub struct {
	*httptest.Server
	content *httptest.Server
	mu      sync.Mutex
	files   map[string][]byte // of org/repo
	sums    map[string]string // that the list has instead of the right ones
	private bool
	asked   []string // requests for files, with their ranges
	leaked  bool     // the content server got a token
	fault   func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func newHub(t *testing.T, files map[string][]byte) *hub {
	h := &hub{files: files, sums: map[string]string{}}
	h.content = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.leaked = h.leaked || r.Header.Get("Authorization") != ""
		data, ok := h.files[strings.TrimPrefix(r.URL.Path, "/")]
		if ok {
			h.asked = append(h.asked, r.URL.Path+" "+r.Header.Get("Range"))
		}
		n, fault := len(h.asked), h.fault
		h.mu.Unlock() // wine may never end a write to a client that has gone
		switch {
		case !ok:
			http.NotFound(w, r)
		case fault == nil || !fault(n, w, r, data):
			w.Header().Set("ETag", `"`+sum(data)[:16]+`"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	}))
	closeAtEnd(t, h.content)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.private && r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		const resolve = "/org/repo/resolve/main/"
		switch {
		case r.URL.Path == "/api/models/org/repo/tree/main":
			h.list(w, r)
		case strings.HasPrefix(r.URL.Path, resolve):
			name := strings.TrimPrefix(r.URL.Path, resolve)
			w.Header().Set("X-Linked-Etag", `"`+h.sumOf(name)+`"`)
			w.Header().Set("X-Linked-Size", fmt.Sprint(len(h.files[name])))
			http.Redirect(w, r, h.content.URL+"/"+name+"?signature=x", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	closeAtEnd(t, h.Server)
	return h
}

// closeAtEnd closes a server, also one that still writes.
func closeAtEnd(t *testing.T, s *httptest.Server) {
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
}

func (h *hub) sumOf(name string) string {
	if s := h.sums[name]; s != "" {
		return s
	}
	return sum(h.files[name])
}

// list answers with pages of two entries.
func (h *hub) list(w http.ResponseWriter, r *http.Request) {
	entries := []map[string]any{{"type": "directory", "path": "Q8_0"}, {"type": "file", "path": "README.md", "size": 3}}
	for name, data := range h.files {
		entries = append(entries, map[string]any{"type": "file", "path": name, "size": len(data), "lfs": map[string]any{"oid": h.sumOf(name), "size": len(data)}})
	}
	from := 0
	fmt.Sscan(r.URL.Query().Get("from"), &from)
	if from == 0 && len(entries) > 2 {
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?from=2>; rel="next"`, r.Host, r.URL.Path))
		entries = entries[:2]
	} else {
		entries = entries[min(from, len(entries)):]
	}
	json.NewEncoder(w).Encode(entries)
}

// model is a small model file; pad bytes of a tensor follow the header.
func model(t testing.TB, pad int) []byte {
	t.Helper()
	path, err := models.Tiny()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return append(data, make([]byte, pad)...)
}

func options(h *hub, dir string) pull.Options {
	return pull.Options{Endpoint: h.URL, Dir: dir, Token: "secret", Wait: time.Millisecond, Retries: 3}
}

func TestPullByName(t *testing.T) {
	small, large := model(t, 0), model(t, 64)
	h := newHub(t, map[string][]byte{
		"a-Q8_0.gguf": large, "a-Q4_K_M.gguf": small, "a-UD-Q4_K_M.gguf": large, "mmproj-Q4_K_M.gguf": large, "imatrix.gguf": large,
	})
	dir := t.TempDir()
	for _, tt := range []struct{ source, file string }{
		{"org/repo", "a-Q4_K_M.gguf"}, {"hf.co/org/repo:q8_0", "a-Q8_0.gguf"}, {"hf:org/repo:UD-Q4_K_M", "a-UD-Q4_K_M.gguf"},
		{"org/repo/a-Q8_0.gguf", "a-Q8_0.gguf"}, {"https://huggingface.co/org/repo/resolve/main/a-Q8_0.gguf?download=true", "a-Q8_0.gguf"},
		{"https://huggingface.co/org/repo", "a-Q4_K_M.gguf"},
	} {
		r, err := pull.Pull(t.Context(), tt.source, options(h, dir))
		want := filepath.Join(dir, "org", "repo", tt.file)
		if err != nil || r.Path != want {
			t.Fatalf("%s: %+v, %v", tt.source, r, err)
		}
		data, err := os.ReadFile(want)
		if err != nil || sum(data) != sum(h.files[tt.file]) || r.Bytes != uint64(len(data)) {
			t.Errorf("%s: %d bytes, %v", tt.source, len(data), err)
		}
		if path, err := models.Resolve(tt.source, models.ResolveOptions{Dirs: []string{dir}}); err != nil || path != want {
			t.Errorf("%s is found as %s, %v", tt.source, path, err)
		}
	}
	if len(h.asked) != 3 {
		t.Errorf("what was there was downloaded again: %q", h.asked)
	}
	if h.leaked {
		t.Error("the token was sent to another host")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "org", "repo", "*.partial*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	var choice *models.ChoiceError
	_, err := pull.Pull(t.Context(), "org/repo:Q5_K_M", options(h, dir))
	if !errors.As(err, &choice) || len(choice.Have) != 3 || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	list, err := models.List(dir)
	if err != nil || len(list) != 3 || list[0].Name != "org/repo/a-Q4_K_M.gguf" || list[0].Size != uint64(len(small)) {
		t.Errorf("%+v, %v", list, err)
	}
	if path, err := models.Resolve(list[1].Name, models.ResolveOptions{Dirs: []string{dir}}); err != nil || path != list[1].Path {
		t.Errorf("%s: %s, %v", list[1].Name, path, err)
	}
}

func TestShardsArePulledTogether(t *testing.T) {
	data := model(t, 0)
	h := newHub(t, map[string][]byte{"Q8_0/a-Q8_0-00001-of-00002.gguf": data, "Q8_0/a-Q8_0-00002-of-00002.gguf": data})
	dir := t.TempDir()
	r, err := pull.Pull(t.Context(), "org/repo:Q8_0", options(h, dir))
	if err != nil || len(r.Files) != 2 || r.Bytes != 2*uint64(len(data)) || filepath.Base(r.Path) != "a-Q8_0-00001-of-00002.gguf" {
		t.Errorf("%+v, %v", r, err)
	}
	for name := range h.files {
		if _, err := os.Stat(filepath.Join(dir, "org", "repo", filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
	delete(h.files, "Q8_0/a-Q8_0-00002-of-00002.gguf")
	if _, err := pull.Pull(t.Context(), "org/repo", options(h, t.TempDir())); err == nil || !strings.Contains(err.Error(), "one of 2 shards, is missing") {
		t.Error(err)
	}
}

// cut sends the head of an answer and breaks the connection.
func cut(w http.ResponseWriter, r *http.Request, data []byte, n int) bool {
	from := 0
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	w.Header().Set("ETag", `"`+sum(data)[:16]+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(data[from:min(from+n, len(data))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestFaults(t *testing.T) {
	data := model(t, 1000)
	other := model(t, 2000)
	type faultFunc = func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool
	for _, tt := range []struct {
		name  string
		fault faultFunc
		asked int    // requests; 0: any number
		is    error  // nil: it succeeds
		text  string // in the error
	}{
		{"connections that are cut", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			return n < 4 && cut(w, r, data, 700_000)
		}, 4, nil, ""},
		{"a server that is busy", func(n int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			if n < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n < 3
		}, 3, nil, ""},
		{"a server that stays so", func(n int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}, 4, pull.ErrDownload, "502"},
		{"connections that are cut for ever", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			return cut(w, r, data, 1000)
		}, 4, pull.ErrDownload, "ended too early"},
		{"another range than the one that was wanted", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			if n == 1 {
				return cut(w, r, data, 5000)
			}
			if n == 2 {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", 10, len(data)-1, len(data)))
				w.WriteHeader(http.StatusPartialContent)
				w.Write(data[10:])
				return true
			}
			return false
		}, 3, nil, ""},
		{"ranges that are ignored", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			if n == 1 {
				return cut(w, r, data, 5000)
			}
			w.Write(data)
			return true
		}, 2, nil, ""},
		{"more than the file has", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Write(append(data, 1))
			return true
		}, 4, pull.ErrDownload, "sent more than"},
		{"other content", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Write(append(append([]byte(nil), data[:len(data)-1]...), 1))
			return true
		}, 1, pull.ErrChecksum, "is wanted"},
		{"what is no model", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Write([]byte("<!DOCTYPE html>"))
			w.(http.Flusher).Flush()
			w.Write(make([]byte, len(data)))
			return true
		}, 1, gguf.ErrFormat, "magic"},
		{"another size half way", func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
			if n == 1 {
				return cut(w, r, data, 5000)
			}
			return cut(w, r, other, len(other))
		}, 2, pull.ErrDownload, "changed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t, map[string][]byte{"a.gguf": data})
			h.fault = tt.fault
			dir := t.TempDir()
			r, err := pull.Pull(t.Context(), "org/repo", options(h, dir))
			if tt.is == nil {
				got, bad := os.ReadFile(r.Path)
				if err != nil || bad != nil || !bytes.Equal(got, data) {
					t.Errorf("%v, %v, %d bytes", err, bad, len(got))
				}
			} else {
				if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v", err)
				}
				if _, err := os.Stat(filepath.Join(dir, "org", "repo", "a.gguf")); err == nil {
					t.Error("the file is there")
				}
				if info, err := os.Stat(filepath.Join(dir, "org", "repo", "a.gguf.partial")); err == nil && info.Size() == 0 {
					t.Error("an empty unfinished file is left")
				}
			}
			if tt.asked > 0 && len(h.asked) != tt.asked {
				t.Errorf("%d requests: %q", len(h.asked), h.asked)
			}
			// The next call is not troubled by what is left.
			h.fault = nil
			if r, err = pull.Pull(t.Context(), "org/repo", options(h, dir)); err != nil {
				t.Error(err)
			} else if got, _ := os.ReadFile(r.Path); !bytes.Equal(got, data) {
				t.Error("other content")
			}
		})
	}
}

func TestADownloadGoesOnInAnotherCall(t *testing.T) {
	data := model(t, 0)
	h := newHub(t, map[string][]byte{"a.gguf": data})
	h.fault = func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
		return n == 1 && cut(w, r, data, 1_000_000)
	}
	dir := t.TempDir()
	o := options(h, dir)
	o.Retries = -1
	if _, err := pull.Pull(t.Context(), "org/repo", o); !errors.Is(err, pull.ErrDownload) {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "org", "repo", "a.gguf.partial"))
	if err != nil || info.Size() == 0 {
		t.Fatal(info, err)
	}
	if path, err := models.Resolve("org/repo", models.ResolveOptions{Dirs: []string{dir}}); err == nil {
		t.Errorf("found %s", path)
	}
	r, err := pull.Pull(t.Context(), "org/repo", o)
	if err != nil || r.Downloaded != uint64(len(data))-uint64(info.Size()) {
		t.Errorf("%+v, %v", r, err)
	}
	// The file has changed since: it is downloaded as a whole.
	changed := model(t, 512)
	h.files["a.gguf"] = changed
	if r, err = pull.Pull(t.Context(), "org/repo", o); err != nil || r.Downloaded != uint64(len(changed)) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTwoPullTheSame(t *testing.T) {
	data := model(t, 0)
	h := newHub(t, map[string][]byte{"a.gguf": data})
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := pull.Pull(t.Context(), "org/repo", options(h, dir)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(h.asked) != 1 {
		t.Errorf("%d downloads", len(h.asked))
	}
	o := options(h, t.TempDir())
	for range 4 {
		wg.Go(func() {
			if _, err := pull.Pull(t.Context(), h.content.URL+"/a.gguf", o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPrivateRepositories(t *testing.T) {
	h := newHub(t, map[string][]byte{"a.gguf": model(t, 0)})
	h.private = true
	if _, err := pull.Pull(t.Context(), "org/repo", options(h, t.TempDir())); err != nil || h.leaked {
		t.Error(err, h.leaked)
	}
	o := options(h, t.TempDir())
	o.Token = "other-secret"
	_, err := pull.Pull(t.Context(), "org/repo", o)
	var e *pull.DownloadError
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestPullByURL(t *testing.T) {
	data := model(t, 0)
	h := newHub(t, map[string][]byte{"a.gguf": data, "b-00001-of-00002.gguf": data})
	dir := t.TempDir()
	o := options(h, dir)
	o.SHA256 = sum(data)
	r, err := pull.Pull(t.Context(), h.content.URL+"/a.gguf", o)
	if err != nil || r.Path != filepath.Join(dir, "a.gguf") || h.leaked {
		t.Fatalf("%+v, %v", r, err)
	}
	o.SHA256, o.Dir = sum(nil), t.TempDir()
	if _, err := pull.Pull(t.Context(), h.content.URL+"/a.gguf", o); !errors.Is(err, pull.ErrChecksum) {
		t.Error(err)
	}
	for source, want := range map[string]string{
		"http://example.org/a.gguf": "without https", "https://example.org/a.zip": "GGUF", "nonsense": "want org/repo", "": "want org/repo",
		"https://example.org/": "GGUF", "https://example.org/con?.gguf": "GGUF", "../org/repo": "want", h.content.URL + "/b-00001-of-00002.gguf": "one SHA-256",
	} {
		o := o
		if strings.HasPrefix(source, "http://example") {
			o.SHA256 = ""
		}
		if _, err := pull.Pull(t.Context(), source, o); !errors.Is(err, pull.ErrSource) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
	if _, err := pull.Pull(t.Context(), h.content.URL+"/absent.gguf", options(h, dir)); !errors.Is(err, pull.ErrDownload) || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
}

func TestAPullCanBeCancelled(t *testing.T) {
	h := newHub(t, map[string][]byte{"a.gguf": model(t, 0)})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	o := options(h, t.TempDir())
	o.Progress = func(p pull.Progress) { cancel(why) }
	if _, err := pull.Pull(ctx, "org/repo", o); !errors.Is(err, why) {
		t.Error(err)
	}
}

// TestAFileOfAnotherURLIsNotTaken pulls files of one name from several URLs, whose hash is not given.
func TestAFileOfAnotherURLIsNotTaken(t *testing.T) {
	first, second := model(t, 0), model(t, 64)
	h := newHub(t, map[string][]byte{"one/a.gguf": first, "two/a.gguf": second, "same/a.gguf": model(t, 0)})
	dir := t.TempDir()
	o := options(h, dir)
	path := filepath.Join(dir, "a.gguf")
	check := func(folder string, downloaded int, content []byte) {
		t.Helper()
		r, err := pull.Pull(t.Context(), h.content.URL+folder+"/a.gguf", o)
		if got, _ := os.ReadFile(path); err != nil || r.Downloaded != uint64(downloaded) || r.Bytes != uint64(len(content)) || !bytes.Equal(got, content) {
			t.Errorf("%s: %+v, %v", folder, r, err)
		}
	}
	refused := func(folder, source string) {
		t.Helper()
		before, _ := os.ReadFile(path)
		_, err := pull.Pull(t.Context(), h.content.URL+folder+"/a.gguf", o)
		var e *pull.TakenError
		if !errors.As(err, &e) || !errors.Is(err, pull.ErrTaken) || e.File != path || e.Source != source || !strings.Contains(err.Error(), "a.gguf") {
			t.Errorf("%s: %v", folder, err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Error("the file was changed")
		}
	}
	check("/one", len(first), first)
	check("/one", 0, first)
	refused("/two", h.content.URL+"/one/a.gguf")
	refused("/same", h.content.URL+"/one/a.gguf")

	// Another version, of the same size, at the same URL.
	changed := bytes.Clone(first)
	changed[len(changed)-1]++
	h.files["one/a.gguf"] = changed
	check("/one", len(changed), changed)
	check("/one", 0, changed)

	// The hash says which file is wanted.
	o.SHA256 = sum(second)
	check("/two", len(second), second)
	o.SHA256 = ""
	check("/two", 0, second)
	refused("/one", h.content.URL+"/two/a.gguf")

	// A file that nobody has pulled.
	if err := os.Remove(path + ".origin.json"); err != nil {
		t.Fatal(err)
	}
	refused("/one", "")
	check("/two", 0, second)
	if err := os.WriteFile(path, second[:1000], 0o666); err != nil {
		t.Fatal(err)
	}
	refused("/two", "")
	if _, err := os.Stat(path + ".partial"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unfinished file is left: %v", err)
	}
	// A server that says the hash tells a file of the same size from its own.
	h.files["b.gguf"] = first
	for _, mine := range [][]byte{changed, first} {
		path := filepath.Join(dir, "b.gguf")
		if err := os.WriteFile(path, mine, 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := pull.Pull(t.Context(), h.URL+"/org/repo/resolve/main/b.gguf", o)
		if same := bytes.Equal(mine, first); same != (err == nil) || !same && !errors.Is(err, pull.ErrTaken) || r.Downloaded > 0 {
			t.Errorf("%v: %+v, %v", same, r, err)
		}
	}
	if list, err := models.List(dir); err != nil || len(list) > 2 {
		t.Errorf("%v, %v", list, err)
	}
}
