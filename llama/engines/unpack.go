package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// contents are the entries of an archive.
type contents struct {
	entries map[string]entry // files and links, by path
	folders map[string][]libraryName
	foreign string // the system for which a library was seen that is none here
}

// survey walks over an archive, checks all that is in it, and writes nothing.
func (a *adding) survey(each walk) (*contents, error) {
	c := &contents{entries: map[string]entry{}, folders: map[string][]libraryName{}}
	seen := map[string]string{} // paths as Windows and macOS compare them
	err := each(func(e entry, r io.Reader) error {
		clean, reason := checkPath(e.path, e.kind == folderEntry)
		if reason != "" {
			return a.bad(e.path, reason)
		}
		e.path = clean
		if e.kind == symbolicEntry || e.kind == hardEntry {
			to, reason := checkTarget(e)
			if reason != "" {
				return a.bad(e.path, reason)
			}
			e.target = to
		}
		if e.kind == folderEntry {
			return nil
		}
		folded := strings.ToLower(clean)
		if other, twice := seen[folded]; twice {
			if other == clean {
				return a.bad(e.path, "it is there twice")
			}
			return a.bad(e.path, words.Literal(other)+" is there too, and has the same name on some systems")
		}
		seen[folded] = clean
		c.add(e)
		// What is not kept is read too: a damaged archive is one before anything is written.
		if r != nil && e.kind == regularEntry {
			if _, err := io.Copy(io.Discard, r); err != nil {
				return err
			}
		}
		return nil
	})
	return c, err
}

// add notes a file or a link.
func (c *contents) add(e entry) {
	c.entries[e.path] = e
	dir, file := path.Split(e.path)
	if n, ok := parseName(file, system); ok {
		if n.ofEngine() {
			c.folders[path.Clean(dir)] = append(c.folders[path.Clean(dir)], n)
		}
		return
	}
	for _, other := range []string{"linux", "darwin", "windows"} {
		if n, ok := parseName(file, other); ok && n.library == "llama" {
			c.foreign = other
		}
	}
}

// chosen returns the folder in an archive that has an engine.
func (a *adding) chosen(c *contents) (string, error) {
	if a.o.Folder != "" {
		dir := path.Clean(strings.ReplaceAll(a.o.Folder, `\`, "/"))
		if _, lacking := choose(c.folders[dir]); lacking != nil {
			return "", missing(a.shown+"/"+dir, lacking)
		}
		return dir, nil
	}
	var found []string
	lacking := required
	for _, dir := range slices.Sorted(maps.Keys(c.folders)) {
		engines, less := choose(c.folders[dir])
		if engines != nil {
			found = append(found, dir)
		} else if len(less) < len(lacking) {
			lacking = less
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", a.several(found)
	case c.foreign != "":
		return "", &FolderError{Path: a.shown, Reason: fmt.Sprintf("its libraries are for %s, and this is %s", c.foreign, system)}
	}
	return "", missing(a.shown, lacking)
}

// keeps reports whether a file of an engine's folder belongs to it: shared libraries, and code for
// Metal.
func keeps(file string) bool {
	if _, ok := parseName(file, system); ok {
		return true
	}
	return system == "darwin" && (strings.HasSuffix(file, ".metal") || strings.HasSuffix(file, ".metallib"))
}

// isLicence reports whether a file has terms under which the libraries may be copied.
func isLicence(file string) bool {
	name := strings.ToUpper(file)
	for _, begin := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"} {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}

// above reports whether dir is folder, or above it.
func above(dir, folder string) bool {
	return dir == "." || dir == folder || strings.HasPrefix(folder, dir+"/")
}

// selection returns the files of an archive that are kept, by path, with their names in the engine's
// folder, and the links among them.
func (a *adding) selection(c *contents, folder string) (kept map[string]string, links []entry, err error) {
	kept = map[string]string{}
	names := map[string]bool{}
	for _, p := range slices.Sorted(maps.Keys(c.entries)) {
		e := c.entries[p]
		dir, file := path.Dir(p), path.Base(p)
		library := dir == folder && keeps(file)
		if !library && !(e.kind == regularEntry && isLicence(file) && above(dir, folder)) || names[strings.ToLower(file)] {
			continue
		}
		names[strings.ToLower(file)] = true
		if e.kind == regularEntry {
			kept[p] = file
			continue
		}
		if e, err = a.resolve(c, e); err != nil {
			return nil, nil, err
		}
		links = append(links, e)
	}
	return kept, links, nil
}

// resolve returns a link with the file to which it leads in the end, which is a library beside it.
func (a *adding) resolve(c *contents, link entry) (entry, error) {
	to := link
	for range 8 {
		next, ok := c.entries[to.target]
		switch {
		case !ok:
			return link, a.bad(link.path, "it links to "+words.Literal(to.target)+", which is not there")
		case path.Dir(next.path) != path.Dir(link.path) || !keeps(path.Base(next.path)):
			return link, a.bad(link.path, "it links to "+words.Literal(next.path)+", which is no library beside it")
		case next.kind == regularEntry:
			link.target = next.path
			return link, nil
		}
		to = next
	}
	return link, a.bad(link.path, "it links to links in a circle, or through too many")
}

// unpack writes the engine in an archive to a folder.
func (a *adding) unpack(f *os.File, dir string) error {
	each, err := a.archive(f)
	if err != nil {
		return err
	}
	c, err := a.survey(each)
	if err != nil {
		return err
	}
	folder, err := a.chosen(c)
	if err != nil {
		return err
	}
	kept, links, err := a.selection(c, folder)
	if err != nil {
		return err
	}
	w := a.writer(dir, "unpacking")
	for p := range kept {
		w.total += c.entries[p].size
	}
	err = each(func(e entry, r io.Reader) error {
		clean, _ := checkPath(e.path, e.kind == folderEntry)
		name, ok := kept[clean]
		if !ok || e.kind != regularEntry {
			return nil
		}
		delete(kept, clean)
		return w.write(name, r)
	})
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := w.link(path.Base(l.target), path.Base(l.path)); err != nil {
			return err
		}
	}
	return nil
}

// writer writes the files of an engine to a folder.
type writer struct {
	a           *adding
	dir, step   string
	done, total uint64
}

func (a *adding) writer(dir, step string) *writer { return &writer{a: a, dir: dir, step: step} }

// write writes a new file.
func (w *writer) write(name string, r io.Reader) (err error) {
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffer := make([]byte, copyBuffer)
	for {
		if err := context.Cause(w.a.ctx); err != nil {
			return err
		}
		n, err := r.Read(buffer)
		if _, err := f.Write(buffer[:n]); err != nil {
			return err
		}
		if w.done += uint64(n); w.done > w.a.o.Limits.Unpacked {
			return w.a.budget().exceeded()
		}
		if n > 0 {
			w.a.o.Progress(w.step, w.done, max(w.total, w.done))
		}
		if err == io.EOF {
			return f.Sync()
		}
		if err != nil {
			return err
		}
	}
}

// link gives a file a second name, or copies it where file systems have no links.
func (w *writer) link(file, name string) error {
	from := filepath.Join(w.dir, file)
	if os.Link(from, filepath.Join(w.dir, name)) == nil {
		return nil
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.write(name, f)
}
