package engines_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// library returns a file that looks like a library for a system and processor; no system loads it.
func library(system, arch, text string) []byte {
	head := make([]byte, 128)
	switch system {
	case "windows":
		copy(head, "MZ")
		head[60] = 64
		copy(head[64:], "PE\x00\x00")
		binary.LittleEndian.PutUint16(head[68:], map[string]uint16{"386": 0x14c, "amd64": 0x8664, "arm64": 0xaa64}[arch])
		binary.LittleEndian.PutUint16(head[86:], 0x2000)
	case "darwin":
		binary.LittleEndian.PutUint32(head, 0xfeedfacf)
		binary.LittleEndian.PutUint32(head[4:], map[string]uint32{"amd64": 0x01000007, "arm64": 0x0100000c}[arch])
	default:
		copy(head, "\x7fELF\x02\x01")
		binary.LittleEndian.PutUint16(head[16:], 3)
		binary.LittleEndian.PutUint16(head[18:], map[string]uint16{"386": 3, "arm": 40, "amd64": 62, "arm64": 183, "riscv64": 243, "loong64": 258, "ppc64le": 21}[arch])
	}
	return append(head, text...)
}

// own is a library for this process.
func own(text string) []byte { return library(runtime.GOOS, runtime.GOARCH, text) }

// file is the name that a library has on this system.
func file(name string) string {
	switch runtime.GOOS {
	case "windows":
		return name + ".dll"
	case "darwin":
		return "lib" + name + ".dylib"
	}
	return "lib" + name + ".so"
}

// engineFiles are the files of an engine with Vulkan.
func engineFiles(version string) map[string][]byte {
	return map[string][]byte{
		file("llama.vulkan." + version): own("llama " + version), file("ggml.vulkan." + version): own("ggml " + version),
		file("ggml-base"): own("base " + version), file("ggml-vulkan"): own("vulkan " + version),
	}
}

// makeFiles writes files to a folder, which it makes.
func makeFiles(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// userFolder gives this process an empty home folder, and returns its folder of engines.
func userFolder(t testing.TB) string {
	t.Helper()
	home := privateDir(t)
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "LocalAppData", "USERPROFILE", "AppData"} {
		t.Setenv(name, home)
	}
	for _, name := range []string{"NPM_CONFIG_PREFIX", "npm_config_prefix"} {
		t.Setenv(name, "")
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "infer", "engines")
	}
	return filepath.Join(home, "infer", "engines")
}

// privateDir is a temporary folder without symbolic links.
func privateDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantLine checks that an error is one line without the name of an unfinished file. Errors of Windows
// end with a full stop.
func wantLine(t testing.TB, err error) {
	t.Helper()
	text := err.Error()
	if runtime.GOOS == "windows" && errors.As(err, new(syscall.Errno)) {
		text = strings.TrimSuffix(text, ".")
	}
	if strings.ContainsAny(text, "\n\x1b") || strings.HasSuffix(text, ".") || strings.Contains(text, "partial") {
		t.Errorf("%q", text)
	}
}

// wantFiles checks the names in a folder.
func wantFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	var got []string
	if _, err := os.Stat(dir); err == nil {
		for _, name := range memtest.FileNames(t, dir) {
			if name != "lock" {
				got = append(got, name)
			}
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s has %q, want %q", dir, got, want)
	}
}
