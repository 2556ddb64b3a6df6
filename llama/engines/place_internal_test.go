package engines

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func folder(t *testing.T, path ...string) string {
	t.Helper()
	dir := filepath.Join(path...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPlacesAreAbsolute(t *testing.T) {
	root := t.TempDir()
	for _, c := range candidates(surroundings{getenv: func(string) string { return "bin" }, home: ".", program: "here", user: "there"}) {
		if !filepath.IsAbs(c.dir) {
			t.Errorf("%s", c.dir)
		}
	}
	var kinds []Kind
	for _, c := range candidates(surroundings{getenv: func(string) string { return root }, home: root, program: filepath.Join(root, "bin"), user: filepath.Join(root, "user")}) {
		if len(kinds) == 0 || kinds[len(kinds)-1] != c.kind {
			kinds = append(kinds, c.kind)
		}
	}
	if want := []Kind{BesideProgram, UserFolder, SystemFolder, NPMFolder}; !slices.Equal(kinds, want) {
		t.Errorf("%v", kinds)
	}
}

func TestWhereNPMInstalls(t *testing.T) {
	root := t.TempDir()
	modules := func(prefix string) string { return globalModules(filepath.Join(root, prefix)) }
	home := folder(t, root, "home")
	s := surroundings{getenv: func(name string) string {
		if name == "NPM_CONFIG_PREFIX" {
			return filepath.Join(root, "env")
		}
		return ""
	}, home: home, node: filepath.Join(root, "node", "bin", "node")}
	if runtime.GOOS == "windows" {
		s.node = filepath.Join(root, "node", "node.exe")
	}
	if err := os.WriteFile(filepath.Join(home, ".npmrc"), []byte("; prefix=/no\nfund = false\nprefix = ~/global\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := moduleFolders(s)
	want := []string{modules("env"), modules("home/global"), modules("node")}
	if len(got) < 4 || !slices.Equal(got[:3], want) || got[len(got)-1] != filepath.Join(home, "node_modules") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for name, text := range map[string]string{"quoted": `prefix="${HOME}/global"`, "spaces": "  prefix =~/global  ", "the last": "prefix=/a\nprefix=~/global"} {
		path := filepath.Join(home, ".npmrc")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := npmrcPrefix(path, home); got != home+"/global" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestPackagesOfNPM(t *testing.T) {
	modules := t.TempDir()
	own := npmPlatform()
	var want []string
	for _, path := range []string{
		"@node-llama-cpp/" + own + "/bins/" + own,
		"@node-llama-cpp/" + own + "-vulkan/bins/" + own + "-vulkan",
		"node-llama-cpp/node_modules/@node-llama-cpp/" + own + "/bins/" + own,
	} {
		dir := folder(t, modules, filepath.FromSlash(path))
		if err := os.WriteFile(filepath.Join(dir, plainName("ggml-base", system)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		want = append(want, dir)
	}
	for _, path := range []string{"@node-llama-cpp/" + own + "-cuda-ext/bins/" + own + "-cuda/fallback", "@node-llama-cpp/other-x64/bins/other-x64", "@other/" + own + "/bins/" + own} {
		folder(t, modules, filepath.FromSlash(path))
	}
	found, err := lookInModules(modules)
	var got []string
	for _, f := range found {
		got = append(got, f.Path)
	}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%q, %v", got, err)
	}
	for i := range got {
		if !sameFile(t, got[i], want[i]) {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(x, y)
}
