package engines_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama/engines"
)

// entry is one of an archive that a test makes.
type entry struct {
	name, text, link string
	kind             byte // of tar; 0 is a file
}

// tgz makes a tar.gz.
func tgz(t testing.TB, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o644, Size: int64(len(e.text))}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zipped makes a zip.
func zipped(t testing.TB, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		text := e.text
		switch e.kind {
		case tar.TypeDir:
			h.Name = strings.TrimSuffix(h.Name, "/") + "/"
		case tar.TypeSymlink:
			h.SetMode(fs.ModeSymlink | 0o777)
			text = e.link
		case tar.TypeFifo:
			h.SetMode(fs.ModeNamedPipe)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// engineIn are the entries of an engine in a folder of an archive.
func engineIn(dir string) (list []entry) {
	all := engineFiles("v0.5.0")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, entry{name: dir + name, text: string(all[name])})
	}
	return list
}

// archiveFile writes an archive to a file.
func archiveFile(t testing.TB, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnArchiveBecomesAnEngine(t *testing.T) {
	npm := append(append([]entry{{name: "package", kind: tar.TypeDir}}, engineIn("package/bins/linux-x64/")...),
		entry{name: "package/LICENSE", text: "MIT"}, entry{name: "package/package.json", text: "{}"}, entry{name: "package/bins/linux-x64/llama-addon.node", text: "x"},
		entry{name: "package/other/LICENSE", text: "of something else"})
	names := slices.Sorted(maps.Keys(engineFiles("v0.5.0")))
	for _, tt := range []struct {
		name, file string
		archive    []byte
		options    engines.Options
		want       string   // name
		extra      []string // files beside the libraries
	}{
		{"npm's package", "node-llama-cpp-linux-x64-3.22.1.tgz", tgz(t, npm), engines.Options{}, "node-llama-cpp-linux-x64-3.22.1", []string{"LICENSE"}},
		{"a zip", "llama-b1-bin.zip", zipped(t, append(engineIn("build/bin/"), entry{name: "build", kind: tar.TypeDir})), engines.Options{}, "llama-b1-bin", nil},
		{"files without a folder", "flat.tar.gz", tgz(t, engineIn("./")), engines.Options{Name: "mine"}, "mine", nil},
		{"a chosen folder of two", "two.tgz", tgz(t, append(engineIn("a/"), engineIn("b/")...)), engines.Options{Folder: "b"}, "two", nil},
		{"another ending", "archive.bin", tgz(t, engineIn("")), engines.Options{}, "archive.bin", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := userFolder(t)
			path := archiveFile(t, tt.file, tt.archive)
			sum, long := sha256.Sum256(tt.archive), sha512.Sum512(tt.archive)
			tt.options.SHA256 = strings.ToUpper(hex.EncodeToString(sum[:]))
			tt.options.Integrity = "sha256-AAAA sha512-" + base64.StdEncoding.EncodeToString(long[:])
			steps := map[string]uint64{}
			tt.options.Progress = func(step string, done, total uint64) {
				if done < steps[step] || done > total {
					t.Errorf("%s: %d of %d after %d", step, done, total, steps[step])
				}
				steps[step] = done
			}
			f, err := engines.Add(t.Context(), path, tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if f.Name != tt.want || f.Path != filepath.Join(user, tt.want) || f.Usable() != nil || f.Engines[0].Variant != "vulkan" {
				t.Errorf("%+v", f)
			}
			want := append(slices.Clone(tt.extra), names...)
			slices.Sort(want)
			wantFiles(t, f.Path, want...)
			wantFiles(t, user, tt.want)
			if steps["copying"] != uint64(len(tt.archive)) || steps["unpacking"] == 0 {
				t.Errorf("%v", steps)
			}
			if found, err := engines.Open(tt.want); err != nil || found.Path != f.Path {
				t.Errorf("%+v, %v", found, err)
			}
			if _, err := engines.Add(t.Context(), path, tt.options); !errors.Is(err, engines.ErrExists) {
				t.Errorf("added twice: %v", err)
			} else {
				wantLine(t, err)
			}
			tt.options.Replace, steps = true, map[string]uint64{}
			if err := os.WriteFile(filepath.Join(f.Path, "old"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := engines.Add(t.Context(), path, tt.options); err != nil {
				t.Error(err)
			}
			wantFiles(t, f.Path, want...)
			wantFiles(t, user, tt.want)
			if err := engines.Remove(t.Context(), tt.want); err != nil {
				t.Error(err)
			}
			wantFiles(t, user)
			if err := engines.Remove(t.Context(), tt.want); !errors.Is(err, engines.ErrNotFound) {
				t.Errorf("removed twice: %v", err)
			}
		})
	}
}

func TestLinksInArchivesBecomeNamesOfOneFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("libraries have links on Linux")
	}
	userFolder(t)
	entries := []entry{
		{name: "x/libllama.so", link: "libllama.so.0", kind: tar.TypeSymlink}, {name: "x/libllama.so.0", link: "libllama.so.0.0.7", kind: tar.TypeSymlink},
		{name: "x/libllama.so.0.0.7", text: string(own("llama"))}, {name: "x/libggml.so.0", text: string(own("ggml"))},
		{name: "x/libggml.so", link: "x/libggml.so.0", kind: tar.TypeLink}, {name: "x/libggml-base.so", text: string(own("base"))},
		{name: "x/llama-cli", link: "llama", kind: tar.TypeSymlink}, {name: "x/current", link: "../x", kind: tar.TypeSymlink},
	}
	f, err := engines.Add(t.Context(), archiveFile(t, "x.tar.gz", tgz(t, entries)), engines.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantFiles(t, f.Path, "libggml-base.so", "libggml.so", "libggml.so.0", "libllama.so", "libllama.so.0", "libllama.so.0.0.7")
	for _, name := range []string{"libllama.so", "libllama.so.0"} {
		a, err := os.Lstat(filepath.Join(f.Path, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.Lstat(filepath.Join(f.Path, "libllama.so.0.0.7"))
		if err != nil || !a.Mode().IsRegular() || !os.SameFile(a, b) {
			t.Errorf("%s is a file of its own: %v", name, err)
		}
	}
	// A folder that has links is copied like that too.
	g, err := engines.Add(t.Context(), f.Path, engines.Options{Name: "copied"})
	if err != nil || hash(t, g) != hash(t, f) {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestArchivesThatAreRefused(t *testing.T) {
	good := engineIn("x/")
	with := func(more ...entry) []entry { return append(slices.Clone(good), more...) }
	lib := "x/" + file("llama.vulkan.v0.5.0")
	arch := "arm64"
	if runtime.GOARCH == arch {
		arch = "amd64"
	}
	elsewhere := slices.Clone(good)
	for i := range elsewhere {
		elsewhere[i].text = string(library(runtime.GOOS, arch, ""))
	}
	otherSystem := []entry{{name: "llama.dll"}, {name: "ggml.dll"}, {name: "ggml-base.dll"}}
	if runtime.GOOS == "windows" {
		otherSystem = []entry{{name: "libllama.so"}, {name: "libggml.so"}, {name: "libggml-base.so"}}
	}
	for _, tt := range []struct {
		name    string
		entries []entry
		limits  engines.Limits
		want    error
		text    string
	}{
		{"a path that leaves", with(entry{name: "../evil"}), engines.Limits{}, engines.ErrArchive, "leads out"},
		{"a path that leaves in its middle", with(entry{name: "x/../../evil"}), engines.Limits{}, engines.ErrArchive, "leads out"},
		{"a path that comes back", with(entry{name: "x/../x/file"}), engines.Limits{}, engines.ErrArchive, "leads out"},
		{"a folder that leaves", with(entry{name: "../evil", kind: tar.TypeDir}), engines.Limits{}, engines.ErrArchive, "leads out"},
		{"a path from the root", with(entry{name: "/etc/evil"}), engines.Limits{}, engines.ErrArchive, "root"},
		{"a path of Windows", with(entry{name: `x\..\evil`}), engines.Limits{}, engines.ErrArchive, `\`},
		{"a drive", with(entry{name: "C:/evil"}), engines.Limits{}, engines.ErrArchive, "colon"},
		{"a stream of NTFS", with(entry{name: "x/file:stream"}), engines.Limits{}, engines.ErrArchive, "colon"},
		{"a device", with(entry{name: "x/NUL"}), engines.Limits{}, engines.ErrArchive, "device"},
		{"a device with an ending", with(entry{name: "x/com1.dll"}), engines.Limits{}, engines.ErrArchive, "device"},
		{"a device as a folder", with(entry{name: "aux/file"}), engines.Limits{}, engines.ErrArchive, "device"},
		{"a dot at the end", with(entry{name: "x/file."}), engines.Limits{}, engines.ErrArchive, "dot"},
		{"a line in a name", with(entry{name: "x/a\nb"}), engines.Limits{}, engines.ErrArchive, "control"},
		{"a name that is no UTF-8", with(entry{name: "x/\xff"}), engines.Limits{}, engines.ErrArchive, "UTF-8"},
		{"a name that is too long", with(entry{name: "x/" + strings.Repeat("n", 256)}), engines.Limits{}, engines.ErrArchive, "256 bytes"},
		{"a path that is too long", with(entry{name: strings.Repeat("n/", 600) + "n"}), engines.Limits{}, engines.ErrArchive, "bytes"},
		{"a file twice", with(entry{name: lib, text: "another"}), engines.Limits{}, engines.ErrArchive, "twice"},
		{"a file twice on some systems", with(entry{name: strings.ToUpper(lib), text: "another"}), engines.Limits{}, engines.ErrArchive, "some systems"},
		{"a link out", with(entry{name: "x/" + file("a"), link: "../../etc/passwd", kind: tar.TypeSymlink}), engines.Limits{}, engines.ErrArchive, "links out"},
		{"a link to the root", with(entry{name: "x/" + file("a"), link: "/etc/passwd", kind: tar.TypeSymlink}), engines.Limits{}, engines.ErrArchive, "links out"},
		{"a link to a file of another folder", with(entry{name: "y/" + file("b")}, entry{name: "x/" + file("a"), link: "../y/" + file("b"), kind: tar.TypeSymlink}), engines.Limits{}, engines.ErrArchive, "no library beside it"},
		{"a link to nothing", with(entry{name: "x/" + file("a"), link: file("b"), kind: tar.TypeSymlink}), engines.Limits{}, engines.ErrArchive, "not there"},
		{"a link to itself", with(entry{name: "x/" + file("a"), link: file("a"), kind: tar.TypeSymlink}), engines.Limits{}, engines.ErrArchive, "circle"},
		{"a pipe", with(entry{name: "x/pipe", kind: tar.TypeFifo}), engines.Limits{}, engines.ErrArchive, "neither"},
		{"more files than allowed", with(), engines.Limits{Entries: 3}, engines.ErrArchive, "more than 3 files"},
		{"more bytes than allowed", with(entry{name: "zeros", text: strings.Repeat("\x00", 1<<20)}), engines.Limits{Unpacked: 1 << 20}, engines.ErrArchive, "larger than 1.0 MiB"},
		{"a larger archive than allowed", with(), engines.Limits{Archive: 100}, engines.ErrArchive, "larger than 100 bytes"},
		{"several engines", append(engineIn("a/"), engineIn("b/")...), engines.Limits{}, engines.ErrArchive, "in a and b"},
		{"none", []entry{{name: "README"}}, engines.Limits{}, engines.ErrNoEngine, "missing"},
		{"no files", nil, engines.Limits{}, engines.ErrNoEngine, "missing"},
		{"a part of one", good[1:], engines.Limits{}, engines.ErrNoEngine, "missing"},
		{"of another system", otherSystem, engines.Limits{}, engines.ErrNoEngine, "its libraries are for"},
		{"of another processor", elsewhere, engines.Limits{}, engines.ErrNoEngine, arch},
	} {
		for kind, archive := range map[string]func(testing.TB, []entry) []byte{"tgz": tgz, "zip": zipped} {
			t.Run(tt.name+", "+kind, func(t *testing.T) {
				user := userFolder(t)
				path := archiveFile(t, "a."+kind, archive(t, tt.entries))
				_, err := engines.Add(t.Context(), path, engines.Options{Limits: tt.limits})
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), path) {
					t.Fatalf("%v", err)
				}
				wantLine(t, err)
				wantFiles(t, user)
			})
		}
	}
}

func TestDamagedArchives(t *testing.T) {
	user := userFolder(t)
	noise := sha512.Sum512(nil)
	entries := append(engineIn("x/"), entry{name: "x/" + file("noise"), text: strings.Repeat(string(noise[:]), 64)})
	for kind, archive := range map[string][]byte{"tgz": tgz(t, entries), "zip": zipped(t, entries)} {
		for n := 0; n < len(archive); n += max(len(archive)/40, 1) {
			_, err := engines.Add(t.Context(), archiveFile(t, "a", archive[:n]), engines.Options{})
			if !errors.Is(err, engines.ErrArchive) {
				t.Errorf("%d bytes of %d, %s: %v", n, len(archive), kind, err)
			} else {
				wantLine(t, err)
			}
		}
		broken := slices.Clone(archive)
		broken[30+len(entries[0].name)+2] ^= 0x55 // of a zip, in the first file's data
		if _, err := engines.Add(t.Context(), archiveFile(t, "a", broken), engines.Options{}); err == nil {
			t.Errorf("%s: a changed byte is not noticed", kind)
		}
	}
	for name, text := range map[string]string{"empty": "", "text": "no archive at all", "xz": "\xfd7zXZ\x00...", "an encrypted zip's beginning": "PK\x03\x04"} {
		if _, err := engines.Add(t.Context(), archiveFile(t, "a", []byte(text)), engines.Options{}); !errors.Is(err, engines.ErrArchive) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantFiles(t, user)
}

func TestAFolderBecomesAnEngine(t *testing.T) {
	user := userFolder(t)
	dir := filepath.Join(privateDir(t), "linux-x64")
	makeFiles(t, filepath.Join(dir, "bins", "x"), engineFiles("v0.5.0"))
	makeFiles(t, filepath.Join(dir, "bins", "x"), map[string][]byte{"model.gguf": nil, "LICENSE": nil})
	f, err := engines.Add(t.Context(), dir, engines.Options{})
	if err != nil || f.Name != "linux-x64" || f.Usable() != nil {
		t.Fatalf("%+v, %v", f, err)
	}
	wantFiles(t, f.Path, slices.Sorted(maps.Keys(map[string][]byte{"LICENSE": nil, file("llama.vulkan.v0.5.0"): nil, file("ggml.vulkan.v0.5.0"): nil, file("ggml-base"): nil, file("ggml-vulkan"): nil}))...)
	makeFiles(t, filepath.Join(dir, "bins", "y"), engineFiles("v0.6.0"))
	if _, err := engines.Add(t.Context(), dir, engines.Options{Name: "two"}); !errors.Is(err, engines.ErrArchive) {
		t.Errorf("two engines: %v", err)
	}
	if f, err := engines.Add(t.Context(), dir, engines.Options{Name: "two", Folder: "bins/y"}); err != nil || f.Engines[0].Version != "v0.6.0" {
		t.Errorf("%+v, %v", f, err)
	}
	for source, want := range map[string]error{privateDir(t): engines.ErrNoEngine, filepath.Join(dir, "none"): fs.ErrNotExist} {
		if _, err := engines.Add(t.Context(), source, engines.Options{Name: "three"}); !errors.Is(err, want) {
			t.Errorf("%s: %v", source, err)
		}
	}
	if _, err := engines.Add(t.Context(), dir, engines.Options{Name: "three", SHA256: strings.Repeat("00", 32)}); !errors.Is(err, engines.ErrBadChecksum) {
		t.Errorf("%v", err)
	}
	wantFiles(t, user, "linux-x64", "two")
}

func TestAnEngineInAnotherFolder(t *testing.T) {
	user := userFolder(t)
	t.Chdir(privateDir(t))
	dir, err := filepath.Abs("engines")
	if err != nil {
		t.Fatal(err)
	}
	f, err := engines.Add(t.Context(), archiveFile(t, "a.tgz", tgz(t, engineIn(""))), engines.Options{Dir: "engines"})
	if err != nil || f.Name != "" || f.Path != filepath.Join(dir, "a") || f.Usable() != nil {
		t.Errorf("%+v, %v", f, err)
	}
	wantFiles(t, dir, "a")
	wantFiles(t, user)
}

func TestNamesOfEngines(t *testing.T) {
	user := userFolder(t)
	path := archiveFile(t, "a.tgz", tgz(t, engineIn("")))
	for _, name := range []string{".", "..", "a/b", `a\b`, ".hidden", "-flag", "a b", "ä", "auto", "BuiltIn", "NUL", "com1.x", "end.", strings.Repeat("n", 101), "lock"} {
		if _, err := engines.Add(t.Context(), path, engines.Options{Name: name}); !errors.Is(err, engines.ErrName) {
			t.Errorf("%q: %v", name, err)
		} else {
			wantLine(t, err)
		}
		if err := engines.Remove(t.Context(), name); !errors.Is(err, engines.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := engines.Remove(t.Context(), ""); !errors.Is(err, engines.ErrName) {
		t.Error(err)
	}
	if _, err := engines.Add(t.Context(), archiveFile(t, "auto.tgz", tgz(t, engineIn(""))), engines.Options{}); !errors.Is(err, engines.ErrName) || !strings.Contains(err.Error(), "choose a name") {
		t.Error(err)
	}
	wantFiles(t, user)
}

func TestChecksumsOfArchives(t *testing.T) {
	user := userFolder(t)
	archive := tgz(t, engineIn(""))
	path := archiveFile(t, "a.tgz", archive)
	sum, long := sha256.Sum256(archive), sha512.Sum512(archive)
	right := base64.StdEncoding.EncodeToString(long[:])
	wrong := base64.StdEncoding.EncodeToString(make([]byte, 64))
	for _, tt := range []struct {
		name, sha256, integrity string
		want                    error
	}{
		{"another SHA-256", strings.Repeat("00", 32), "", engines.ErrChecksum},
		{"another integrity", "", "sha512-" + wrong, engines.ErrChecksum},
		{"one of two is another", hex.EncodeToString(sum[:]), "sha512-" + wrong, engines.ErrChecksum},
		{"the weaker of two is right", "", "sha512-" + wrong + " sha256-" + base64.StdEncoding.EncodeToString(sum[:]), engines.ErrChecksum},
		{"cut", "abc", "", engines.ErrBadChecksum},
		{"SHA-1", "", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", engines.ErrBadChecksum},
		{"no base64", "", "sha512-***", engines.ErrBadChecksum},
		{"words", "", "latest", engines.ErrBadChecksum},
	} {
		_, err := engines.Add(t.Context(), path, engines.Options{SHA256: tt.sha256, Integrity: tt.integrity})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		wantLine(t, err)
	}
	var e *engines.ChecksumError
	if _, err := engines.Add(t.Context(), path, engines.Options{Integrity: "sha512-" + wrong}); !errors.As(err, &e) || e.Got != "sha512-"+right || e.Algorithm != "sha512" {
		t.Errorf("%+v", e)
	}
	wantFiles(t, user)
	if _, err := engines.Add(t.Context(), path, engines.Options{Integrity: "sha512-" + wrong + " sha512-" + right}); err != nil {
		t.Error("one of several is right:", err)
	}
}

func TestDownloads(t *testing.T) {
	user := userFolder(t)
	archive := tgz(t, engineIn("package/"))
	sum := sha256.Sum256(archive)
	want := hex.EncodeToString(sum[:])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	mux := http.NewServeMux()
	send := func(w http.ResponseWriter, r *http.Request) {
		if e := r.Header.Get("Accept-Encoding"); e != "identity" {
			t.Errorf("encodings %q", e)
		}
		w.Write(archive)
	}
	mux.HandleFunc("/@x/engine.tgz", send)
	mux.Handle("/moved.tgz", http.RedirectHandler("/@x/engine.tgz", http.StatusFound))
	mux.Handle("/circle.tgz", http.RedirectHandler("/circle.tgz", http.StatusFound))
	mux.HandleFunc("/short.tgz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		w.Write(archive)
	})
	mux.HandleFunc("/endless.tgz", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(archive); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/silent.tgz", func(w http.ResponseWriter, r *http.Request) {
		w.Write(archive[:10])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/cancelled.tgz", func(w http.ResponseWriter, r *http.Request) {
		w.Write(archive[:10])
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer server.CloseClientConnections()
	for _, path := range []string{"/@x/engine.tgz", "/moved.tgz?token=1#x"} {
		f, err := engines.Add(t.Context(), server.URL+path, engines.Options{SHA256: want})
		if err != nil || f.Usable() != nil {
			t.Errorf("%s: %+v, %v", path, f, err)
		}
	}
	wantFiles(t, user, "engine", "moved")
	for _, tt := range []struct {
		path    string
		options engines.Options
		want    error
		text    string
	}{
		{"/nothing.tgz", engines.Options{SHA256: want}, engines.ErrDownload, "status 404 Not Found"},
		{"/circle.tgz", engines.Options{SHA256: want}, engines.ErrDownload, "redirects"},
		{"/short.tgz", engines.Options{SHA256: want}, engines.ErrDownload, "ended too early"},
		{"/short.tgz", engines.Options{SHA256: want, Limits: engines.Limits{Archive: 999999}}, engines.ErrArchive, "limit of an archive"},
		{"/endless.tgz", engines.Options{SHA256: want, Limits: engines.Limits{Archive: 1 << 20}}, engines.ErrArchive, "limit of an archive"},
		{"/silent.tgz", engines.Options{SHA256: want, Stall: 1}, engines.ErrDownload, "sends nothing"},
		{"/@x/engine.tgz", engines.Options{Name: "other"}, engines.ErrNoChecksum, "needs its SHA-256"},
		{"/@x/engine.tgz", engines.Options{Name: "other", SHA256: strings.Repeat("00", 32)}, engines.ErrChecksum, want},
	} {
		_, err := engines.Add(t.Context(), server.URL+tt.path, tt.options)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		wantLine(t, err)
	}
	if _, err := engines.Add(ctx, server.URL+"/cancelled.tgz", engines.Options{SHA256: want}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	secret := strings.Replace(server.URL, "://", "://user:secret@", 1)
	if _, err := engines.Add(t.Context(), secret+"/nothing.tgz", engines.Options{SHA256: want}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	server.Close()
	var e *engines.DownloadError
	if _, err := engines.Add(t.Context(), server.URL+"/gone.tgz", engines.Options{SHA256: want}); !errors.As(err, &e) || e.Status != 0 || e.Err == nil {
		t.Errorf("%v", err)
	}
	wantFiles(t, user, "engine", "moved")
}

func TestAnInterruptedAddLeavesNothing(t *testing.T) {
	archive := archiveFile(t, "a.tgz", tgz(t, engineIn("")))
	dir := privateDir(t)
	makeFiles(t, dir, engineFiles("v0.5.0"))
	stop := errors.New("stopped")
	for _, tt := range []struct{ source, step string }{{archive, "copying"}, {archive, "unpacking"}, {dir, "copying"}} {
		user := userFolder(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		_, err := engines.Add(ctx, tt.source, engines.Options{Name: "a", Progress: func(step string, _, _ uint64) {
			if step == tt.step {
				cancel(stop)
			}
		}})
		if !errors.Is(err, stop) {
			t.Errorf("%s: %v", tt.step, err)
		}
		wantFiles(t, user)
		if err := engines.Remove(ctx, "a"); !errors.Is(err, engines.ErrNotFound) && !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
	}
}

func TestWhatAKilledProcessLeavesIsRemoved(t *testing.T) {
	user := userFolder(t)
	makeFiles(t, filepath.Join(user, ".a.infer-partial-0123456789abcdef", "engine"), engineFiles("v0.5.0"))
	makeFiles(t, filepath.Join(user, ".mine"), nil)
	if _, err := engines.Add(t.Context(), archiveFile(t, "a.tgz", tgz(t, engineIn(""))), engines.Options{}); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, user, ".mine", "a")
}

func TestAddsWaitForEachOther(t *testing.T) {
	user := userFolder(t)
	archive := archiveFile(t, "a.tgz", tgz(t, engineIn("")))
	ctx, cancel := context.WithCancel(t.Context())
	waited := error(nil)
	_, err := engines.Add(t.Context(), archive, engines.Options{Progress: func(step string, _, _ uint64) {
		if step == "unpacking" && waited == nil {
			cancel()
			_, waited = engines.Add(ctx, archive, engines.Options{Name: "b"})
		}
	}})
	if err != nil || !errors.Is(waited, context.Canceled) {
		t.Errorf("%v, %v", err, waited)
	}
	wantFiles(t, user, "a")
}

func TestNothingIsAddedWhereOthersCanWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has access lists instead of modes")
	}
	user := userFolder(t)
	makeFiles(t, user, nil)
	if err := os.Chmod(user, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := engines.Add(t.Context(), archiveFile(t, "a.tgz", tgz(t, engineIn(""))), engines.Options{}); !errors.Is(err, engines.ErrUntrusted) {
		t.Error(err)
	}
	wantFiles(t, user)
}

func TestAFullDiskIsNamedWithTheEngine(t *testing.T) {
	entries := append(engineIn(""), entry{name: file("ggml-large"), text: strings.Repeat("x", 4<<20)})
	archive := tgz(t, entries)
	dir := privateDir(t)
	makeFiles(t, dir, engineFiles("v0.5.0"))
	makeFiles(t, dir, map[string][]byte{file("ggml-large"): make([]byte, 4<<20)})
	noise := make([]byte, 4<<20)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	large := tgz(t, append(engineIn(""), entry{name: file("ggml-large"), text: string(noise)}))
	for name, source := range map[string]string{"archive": archiveFile(t, "a.tgz", archive), "folder": dir, "an archive that does not fit": archiveFile(t, "b.tgz", large)} {
		user := userFolder(t)
		makeFiles(t, user, nil)
		undo, err := memtest.SmallDisk(user, 1<<20)
		memtest.Need(t, err)
		defer undo()
		if err := os.Chmod(user, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err = engines.Add(t.Context(), source, engines.Options{Name: "a"})
		want := "write " + filepath.Join(user, "a", file("ggml-large")) + ": no space left on device"
		if strings.HasSuffix(source, "b.tgz") {
			want = "write " + filepath.Join(user, "a") + ": no space left on device"
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		wantFiles(t, user)
	}
}
