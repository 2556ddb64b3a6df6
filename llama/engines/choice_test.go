package engines_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/seed7adf6694/infer/llama/engines"
)

func TestTheChoiceIsKept(t *testing.T) {
	home := privateDir(t)
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData"} {
		t.Setenv(name, home)
	}
	want := func(name string) {
		t.Helper()
		if got, err := engines.Choice(); err != nil || got != name {
			t.Errorf("%q, %v, want %q", got, err, name)
		}
	}
	want(engines.Builtin)
	for _, name := range []string{"v0.5.0", filepath.Join(home, "a folder"), engines.Builtin} {
		if err := engines.SetChoice(name); err != nil {
			t.Fatal(err)
		}
		want(name)
	}
	for _, name := range []string{"", "auto", "./here", "../x", "a/b"} {
		if err := engines.SetChoice(name); !errors.Is(err, engines.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	want(engines.Builtin)
	dir, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "infer", "engine.json")
	for _, text := range []string{"", "{}", "[]", `{"engine":"../x"}`, "\x00"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := engines.Choice(); !errors.Is(err, engines.ErrChoice) || got != "" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if err := engines.SetChoice("v0.5.0"); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := engines.Choice(); !errors.Is(err, engines.ErrChoice) || !errors.Is(err, engines.ErrUntrusted) {
			t.Errorf("a file that others can write to: %v", err)
		}
	}
}
