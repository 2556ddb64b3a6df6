package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama/engines"
)

// engineFolder gives this process an empty folder for data, and returns its folder of engines.
func engineFolder(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "LocalAppData"} {
		t.Setenv(name, home)
	}
	dir, err := engines.UserDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// engineLibrary is the beginning of a library for this system, which no system loads.
func engineLibrary(t *testing.T) []byte {
	t.Helper()
	head := make([]byte, 128)
	switch arch := goruntime.GOARCH; goruntime.GOOS {
	case "windows":
		copy(head, "MZ")
		head[60] = 64
		copy(head[64:], "PE\x00\x00")
		binary.LittleEndian.PutUint16(head[68:], map[string]uint16{"amd64": 0x8664, "arm64": 0xaa64}[arch])
		binary.LittleEndian.PutUint16(head[86:], 0x2000)
	case "darwin":
		binary.LittleEndian.PutUint32(head, 0xfeedfacf)
		binary.LittleEndian.PutUint32(head[4:], map[string]uint32{"amd64": 0x01000007, "arm64": 0x0100000c}[arch])
	default:
		copy(head, "\x7fELF\x02\x01")
		binary.LittleEndian.PutUint16(head[16:], 3)
		binary.LittleEndian.PutUint16(head[18:], map[string]uint16{"amd64": 62, "arm64": 183}[arch])
	}
	return head
}

// engineZip is a zip with an engine in each of some folders.
func engineZip(t *testing.T, dirs ...string) []byte {
	t.Helper()
	name := map[string]string{"windows": "%s.dll", "darwin": "lib%s.dylib", "linux": "lib%s.so"}[goruntime.GOOS]
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, dir := range dirs {
		for _, library := range []string{"llama", "ggml", "ggml-base", "ggml-cpu-x64", "ggml-cpu-zen4", "ggml-vulkan"} {
			f, err := w.Create(dir + "/" + strings.Replace(name, "%s", library, 1))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(engineLibrary(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEnginesAreAddedListedAndRemoved(t *testing.T) {
	user := engineFolder(t)
	archive := engineZip(t, "build/bin")
	path := filepath.Join(t.TempDir(), "llama-b1-bin.zip")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := call(t, "engine", "list"); r.code != 0 || !strings.Contains(r.out, "no engines") || !strings.Contains(r.out, user) {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "add", path); r.code != 0 || r.stderr != "" || !strings.HasPrefix(r.out, "added llama-b1-bin: ") || !strings.Contains(r.out, "(backends: cpu, vulkan)") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "add", path); r.code != exitFailure || !strings.Contains(r.stderr, "--force replaces it") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "add", "--force", "-q", path); r.code != 0 || r.out != "" {
		t.Errorf("%+v", r)
	}
	sum := sha256.Sum256(archive)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(archive) }))
	defer server.Close()
	if r := call(t, "engine", "add", server.URL+"/x.zip"); r.code != exitUsage || !strings.Contains(r.stderr, "give --sha256 HEX or --integrity") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "add", "--json", "--name", "new", "--sha256", hex.EncodeToString(sum[:]), server.URL+"/x.zip"); r.code != 0 || !strings.Contains(r.out, `"name":"new"`) || !strings.Contains(r.out, `"state":"usable"`) {
		t.Errorf("%+v", r)
	}
	r := call(t, "engine", "list")
	if r.code != 0 || strings.Count(r.out, "usable") != 2 || !strings.Contains(r.out, "cpu, vulkan") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "list", "--json"); r.code != 0 || !strings.Contains(r.out, `"name":"llama-b1-bin"`) || !strings.Contains(r.out, `"kind":"npm"`) {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "remove", "--json", "new"); r.code != 0 || r.out != "{\"removed\":\"new\"}\n" {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "remove", "new"); r.code != exitFailure || !strings.Contains(r.stderr, "'infer engine list'") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "remove", "llama-b1-bin"); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if left, err := filepath.Glob(filepath.Join(user, "*")); err != nil || len(left) != 1 || filepath.Base(left[0]) != "lock" {
		t.Errorf("%q, %v", left, err)
	}
}

func TestAnEngineOfSeveralIsChosen(t *testing.T) {
	engineFolder(t)
	path := filepath.Join(t.TempDir(), "two.zip")
	if err := os.WriteFile(path, engineZip(t, "a", "b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := call(t, "engine", "add", path); r.code != exitFailure || !strings.Contains(r.stderr, "in a and b: choose one with --folder\n") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "add", "--folder", "b", path); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

func TestWrongUsageOfEngines(t *testing.T) {
	engineFolder(t)
	for _, tt := range []struct{ args, want string }{
		{"engine", "want list, check, use, add"},
		{"engine lits", "did you mean list?"},
		{"engine add", "give a file, a folder or a URL"},
		{"engine add a b", `unexpected argument "b"`},
		{"engine add --sha256 abc .", "64 hexadecimal digits"},
		{"engine add --name auto .", "reserved"},
		{"engine remove", "give its name"},
		{"engine remove ../x", "letters, digits"},
		{"engine list x", `unexpected argument "x"`},
	} {
		if r := call(t, strings.Fields(tt.args)...); r.code != exitUsage || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: %+v", tt.args, r)
		}
	}
	if r := call(t, "help", "engine", "add"); r.code != 0 || !strings.Contains(r.out, "--integrity TEXT") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "cache", "--help"); !strings.Contains(r.out, "\nCommands:\n") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "bench", "--help"); !strings.Contains(r.out, "\nExperiments:\n") {
		t.Errorf("%+v", r)
	}
}
