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

// licenceFile matches the names of files with licences.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)`)

// module is a module that is linked into the command.
type module struct {
	path, version, dir string
	packages           []string // folders of the linked packages
}

// linkedModules returns the modules with packages in the command for a system, except the main module.
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

// licences returns the licence files of a module: those in its folder "licenses", and in folders from
// its root down to the linked packages. A module without any is an error.
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
		return nil, fmt.Errorf("%s %s has no licence file", m.path, m.version)
	}
	return texts, nil
}

// goLicences returns the licence files of Go.
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
