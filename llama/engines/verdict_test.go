package engines_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/llama/engines"
)

func hash(t testing.TB, f engines.Folder) string {
	t.Helper()
	h, err := f.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTheHashIsOfNamesAndContents(t *testing.T) {
	userFolder(t)
	dir := privateDir(t)
	makeFiles(t, dir, engineFiles("v0.5.0"))
	f, err := engines.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := hash(t, f)
	if len(first) != 64 || hash(t, f) != first {
		t.Fatal(first)
	}
	copied := privateDir(t)
	makeFiles(t, copied, engineFiles("v0.5.0"))
	makeFiles(t, copied, map[string][]byte{"README.md": nil, file("other"): nil})
	if f, err := engines.Open(copied); err != nil || hash(t, f) != first {
		t.Error("a copy has another hash", err)
	}
	lib := filepath.Join(dir, file("ggml-vulkan"))
	info, err := os.Stat(lib)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{first: true}
	for _, tt := range []struct {
		name   string
		change func() error
	}{
		{"another content of the same size and time", func() error {
			text := own("vulkan v0.5.1")
			return errors.Join(os.WriteFile(lib, text, 0o644), os.Chtimes(lib, info.ModTime(), info.ModTime()))
		}},
		{"a library more", func() error { return os.WriteFile(filepath.Join(dir, file("ggml-cpu-x64")), own(""), 0o644) }},
		{"a library less", func() error { return os.Remove(lib) }},
		{"another name", func() error {
			return os.Rename(filepath.Join(dir, file("ggml-cpu-x64")), filepath.Join(dir, file("ggml-cpu-zen4")))
		}},
	} {
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		h := hash(t, f)
		if seen[h] {
			t.Errorf("%s: the same hash", tt.name)
		}
		seen[h] = true
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if h, err := f.Hash(); err == nil {
		t.Error(h)
	}
}

func TestVerdictsAreKept(t *testing.T) {
	user := userFolder(t)
	h := strings.Repeat("0a", 32)
	if v, ok := engines.StoredVerdict(h, "test"); ok {
		t.Fatalf("%+v", v)
	}
	want := engines.Verdict{Hash: h, OK: true, ABI: "v0.5", Version: "0.5.0-dev", Time: time.Now(), Checker: "test"}
	if err := engines.StoreVerdict(want); err != nil {
		t.Fatal(err)
	}
	v, ok := engines.StoredVerdict(h, "test")
	if !ok || !v.OK || v.ABI != want.ABI || v.Version != want.Version || !v.Time.Equal(want.Time) || v.Machine == "" {
		t.Fatalf("%+v, %v", v, ok)
	}
	if _, ok := engines.StoredVerdict(h, "another version"); ok {
		t.Error("another checker's verdict is taken")
	}
	want.OK, want.Reason = false, strings.Repeat("ä", 5000)
	if err := engines.StoreVerdict(want); err != nil {
		t.Fatal(err)
	}
	if v, ok := engines.StoredVerdict(h, "test"); !ok || v.OK || v.Reason != strings.Repeat("ä", 2048) {
		t.Errorf("%d bytes, %v", len(v.Reason), ok)
	}
	for _, h := range []string{"", "../x", strings.Repeat("0A", 32), strings.Repeat("0a", 31), strings.Repeat("zz", 32)} {
		if err := engines.StoreVerdict(engines.Verdict{Hash: h}); err == nil {
			t.Errorf("%q is taken for a hash", h)
		}
		if _, ok := engines.StoredVerdict(h, ""); ok {
			t.Errorf("%q has a verdict", h)
		}
	}
	path := filepath.Join(filepath.Dir(user), "verdicts", h+".json")
	wantFiles(t, filepath.Dir(path), h+".json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set := func(key string, value any) []byte {
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		m[key] = value
		changed, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if _, ok := engines.StoredVerdict(h, "test"); !ok {
		t.Fatal("not read before it is damaged")
	}
	for name, damaged := range map[string][]byte{
		"empty": nil, "cut": text[:len(text)/2], "zeros": make([]byte, 100), "a list": []byte("[]"), "null": []byte("null"), "large": append(make([]byte, 1<<20), text...),
		"of another hash": set("hash", strings.Repeat("0b", 32)), "of another machine": set("machine", "none"), "of another type": set("ok", "yes"), "two": append(append([]byte{}, text...), text...),
	} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, ok := engines.StoredVerdict(h, "test"); ok || v != (engines.Verdict{}) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if err := engines.StoreVerdict(want); err != nil {
		t.Error(err)
	}
	if _, ok := engines.StoredVerdict(h, "test"); !ok {
		t.Error("a damaged one is not replaced")
	}
}
