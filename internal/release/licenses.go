package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenceFile are the names under which modules keep the texts of their licences.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)`)

// module is one that is linked into the command.
type module struct {
	path, version, dir string
	packages           []string // folders of those that are linked
}

// linkedModules are the modules of which the command has packages on a system, but for the
// main one.
func linkedModules(goos, command string) ([]module, error) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if and .Module (not .Module.Main)}}{{.Module.Path}}\t{{.Module.Version}}\t{{.Module.Dir}}\t{{.Dir}}{{end}}", command)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, &stderr)
	}
	var list []module
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 4 {
			continue
		}
		i := slices.IndexFunc(list, func(m module) bool { return m.path == fields[0] })
		if i < 0 {
			i = len(list)
			list = append(list, module{path: fields[0], version: fields[1], dir: fields[2]})
		}
		list[i].packages = append(list[i].packages, fields[3])
	}
	return list, nil
}

// licences are the texts of a module: those in the folders from its root down to the packages
// that are linked, and in a folder of that name. A module without any is an error.
func (m module) licences() ([]entry, error) {
	dirs := map[string]bool{m.dir: true, filepath.Join(m.dir, "licenses"): true}
	for _, p := range m.packages {
		for dir := p; len(dir) > len(m.dir); dir = filepath.Dir(dir) {
			dirs[dir] = true
		}
	}
	var texts []entry
	for dir := range dirs {
		files, err := os.ReadDir(dir)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if f.IsDir() || strings.HasSuffix(f.Name(), ".go") || !licenceFile.MatchString(f.Name()) && filepath.Base(dir) != "licenses" {
				continue
			}
			file := filepath.Join(dir, f.Name())
			inside, err := filepath.Rel(m.dir, file)
			if err != nil {
				return nil, err
			}
			texts = append(texts, entry{name: path.Join("licenses", m.path+"@"+m.version, filepath.ToSlash(inside)), from: file, mode: 0o644})
		}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s %s has no text of a licence", m.path, m.version)
	}
	return texts, nil
}

// goLicences are the texts of Go itself.
func goLicences() ([]entry, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	root := strings.TrimSpace(string(out))
	var texts []entry
	for _, name := range []string{"LICENSE", "PATENTS"} {
		texts = append(texts, entry{name: "licenses/go/" + name, from: filepath.Join(root, name), mode: 0o644})
	}
	return texts, nil
}
