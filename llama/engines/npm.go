package engines

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// npmScope has the packages of libraries; npmPackage depends on them.
const npmScope, npmPackage = "@node-llama-cpp", "node-llama-cpp"

// npmPlatform is the beginning of the names of the packages for this system.
func npmPlatform() string {
	systems := map[string]string{"windows": "win", "darwin": "mac"}
	archs := map[string]string{"amd64": "x64", "arm": "armv7l"}
	name := func(names map[string]string, own string) string {
		if n, ok := names[own]; ok {
			return n
		}
		return own
	}
	return name(systems, runtime.GOOS) + "-" + name(archs, runtime.GOARCH)
}

// moduleFolders are the folders node_modules of npm's global prefix and of the home folder. npm is not
// run: it takes long. The prefix is $NPM_CONFIG_PREFIX, that of ~/.npmrc, or where node is.
func moduleFolders(s surroundings) (list []string) {
	prefixes := []string{s.getenv("NPM_CONFIG_PREFIX"), s.getenv("npm_config_prefix")}
	if filepath.IsAbs(s.home) {
		prefixes = append(prefixes, npmrcPrefix(filepath.Join(s.home, ".npmrc"), s.home))
	}
	if runtime.GOOS == "windows" {
		prefixes = append(prefixes, filepath.Join(s.getenv("AppData"), "npm"))
	}
	if s.node != "" {
		prefixes = append(prefixes, nodePrefix(s.node))
	}
	add := func(dir string) {
		if filepath.IsAbs(dir) && !slices.Contains(list, dir) {
			list = append(list, dir)
		}
	}
	for _, prefix := range prefixes {
		if filepath.IsAbs(prefix) {
			add(globalModules(prefix))
		}
	}
	usual := []string{"/usr/local", "/usr"}
	switch runtime.GOOS {
	case "windows":
		usual = nil
	case "darwin":
		usual = []string{"/opt/homebrew", "/usr/local"}
	}
	for _, prefix := range usual {
		add(globalModules(prefix))
	}
	if filepath.IsAbs(s.home) {
		add(filepath.Join(s.home, "node_modules"))
	}
	return list
}

// globalModules is the folder of a prefix's packages.
func globalModules(prefix string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(prefix, "node_modules")
	}
	return filepath.Join(prefix, "lib", "node_modules")
}

// nodePrefix is npm's default prefix for a program node.
func nodePrefix(node string) string {
	dir := filepath.Dir(node)
	if runtime.GOOS == "windows" {
		return dir
	}
	return filepath.Dir(dir)
}

// findNode returns the path of node without links, or "". Folders of $PATH that are not absolute do not
// count.
func findNode() string {
	path, err := exec.LookPath("node")
	if err != nil || !filepath.IsAbs(path) {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	return path
}

// npmrcPrefix returns the prefix that a file of npm's settings sets, or "".
func npmrcPrefix(path, home string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	prefix := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok || strings.TrimSpace(key) != "prefix" {
			continue
		}
		prefix = strings.Trim(strings.TrimSpace(value), `"'`)
		if rest, ok := strings.CutPrefix(prefix, "~"); ok {
			prefix = home + rest
		}
		prefix = strings.ReplaceAll(prefix, "${HOME}", home)
	}
	return prefix
}

// lookInModules looks at the packages in a folder node_modules, and at those that the package
// node-llama-cpp has there for itself.
func lookInModules(dir string) (folders []Folder, err error) {
	if _, err := os.ReadDir(dir); err != nil {
		return nil, err
	}
	packages := matches(dir, npmScope, npmPlatform()+"*", "bins", "*")
	packages = append(packages, matches(dir, npmPackage, "node_modules", npmScope, npmPlatform()+"*", "bins", "*")...)
	for _, p := range packages {
		// Extensions of other packages have their libraries further below.
		if f := inspect(p); len(f.files) > 0 || !errors.Is(f.Err, ErrNoEngine) {
			folders = append(folders, f)
		}
	}
	return folders, nil
}
