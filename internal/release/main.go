// Command release writes the archives of a release, and SHA256SUMS: `make release`.
//
//	release --root . --programs DIR --out DIR --time SECONDS --text NAME=FILE ...
//
// The programs are DIR/linux/infer, DIR/linux/infer-v2, DIR/windows/infer.exe and
// DIR/windows/infer-v2.exe. Each archive also has the README, this project's licence, and the licences
// of everything that is linked: of Go, of each module, and those given by --text (for one system:
// windows/mingw-w64=FILE). The archives depend only on these files and the time.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/spf13/pflag"
)

type release struct {
	root, programs, out string
	at                  time.Time
	texts               []string
}

// target is a system for which there are archives.
type target struct {
	goos, archive string
	programs      []string
	write         func(w io.Writer, top string, entries []entry, at time.Time) error
}

var targets = []target{
	{"linux", "infer-linux-amd64.tar.gz", []string{"infer", "infer-v2"}, writeTarGz},
	{"windows", "infer-windows-amd64.zip", []string{"infer.exe", "infer-v2.exe"}, writeZip},
}

func main() {
	var r release
	var seconds int64
	pflag.StringVar(&r.root, "root", ".", "folder of the module")
	pflag.StringVar(&r.programs, "programs", "", "folder of the programs")
	pflag.StringVar(&r.out, "out", "", "folder to write to")
	pflag.Int64Var(&seconds, "time", 0, "time of all files, in seconds since 1970")
	pflag.StringArrayVar(&r.texts, "text", nil, "SYSTEM/NAME=FILE: another licence")
	pflag.Parse()
	r.at = time.Unix(seconds, 0).UTC()
	if err := r.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run writes all archives and prints their checksums.
func (r *release) run(w io.Writer) error {
	var sums strings.Builder
	for _, t := range targets {
		entries, err := r.entries(t)
		if err != nil {
			return err
		}
		sum := sha256.New()
		top := strings.TrimSuffix(strings.TrimSuffix(t.archive, ".zip"), ".tar.gz")
		err = files.WriteFile(filepath.Join(r.out, t.archive), func(f *os.File) error {
			return t.write(io.MultiWriter(f, sum), top, entries, r.at)
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sum.Sum(nil), t.archive)
	}
	fmt.Fprint(w, sums.String())
	return files.WriteFile(filepath.Join(r.out, "SHA256SUMS"), func(f *os.File) error {
		_, err := f.WriteString(sums.String())
		return err
	})
}

// entries returns the files of an archive.
func (r *release) entries(t target) ([]entry, error) {
	var list []entry
	for _, p := range t.programs {
		list = append(list, entry{name: p, from: filepath.Join(r.programs, t.goos, p), mode: 0o755})
	}
	for _, name := range []string{"README.md", "LICENSE", "NOTICE"} {
		list = append(list, entry{name: name, from: filepath.Join(r.root, name), mode: 0o644})
	}
	texts, err := goLicences()
	if err != nil {
		return nil, err
	}
	list = append(list, texts...)
	modules, err := linkedModules(t.goos, "github.com/seed7adf6694/infer/cmd/infer")
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if texts, err = m.licences(); err != nil {
			return nil, err
		}
		list = append(list, texts...)
	}
	for _, text := range r.texts {
		to, from, _ := strings.Cut(text, "=")
		goos, name, ok := strings.Cut(to, "/")
		if !ok || from == "" {
			return nil, fmt.Errorf("--text %q: want SYSTEM/NAME=FILE", text)
		}
		if goos == t.goos {
			list = append(list, entry{name: "licenses/" + name, from: from, mode: 0o644})
		}
	}
	return list, nil
}
