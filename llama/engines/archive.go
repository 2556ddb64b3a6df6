package engines

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/words"
)

// ErrArchive is wrapped by an [*ArchiveError].
var ErrArchive = errors.New("the archive can't be used")

// ArchiveError says what is wrong with an archive. Nothing of it was kept.
type ArchiveError struct {
	Source string
	Entry  string // "" if it is about the whole
	Reason string

	Several []string // folders that have an engine, where one must be chosen by Options.Folder
}

func (e *ArchiveError) Error() string {
	entry := ""
	if e.Entry != "" {
		entry = words.Literal(e.Entry) + ": "
	}
	return fmt.Sprintf("%s: %s: %s%s", words.QuotePath(e.Source), ErrArchive, entry, e.Reason)
}

// Unwrap returns [ErrArchive].
func (e *ArchiveError) Unwrap() error { return ErrArchive }

// entry is one of an archive.
type entry struct {
	path   string // with slashes, relative
	kind   entryKind
	target string // of a link: relative to the entry's folder, or to the archive for a hard link
	size   uint64 // of a file, as the archive says
}

type entryKind int

const (
	regularEntry entryKind = iota
	folderEntry
	symbolicEntry
	hardEntry
)

// walk calls f for each entry of an archive, in its order. contents is what a file has; what f does
// not read is skipped. Reading more than the limits allow, at all, is an error.
type walk func(f func(e entry, contents io.Reader) error) error

// archive reads the kind of an archive from its first bytes, not its name.
func (a *adding) archive(f *os.File) (walk, error) {
	head := make([]byte, 512)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	head = head[:n]
	begins := func(magic string) bool { return strings.HasPrefix(string(head), magic) }
	switch {
	case begins("\x1f\x8b"):
		return a.tarball(f, true), nil
	case begins("PK\x03\x04"), begins("PK\x05\x06"):
		return a.zip(f), nil
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return a.tarball(f, false), nil
	case begins("\xfd7zXZ\x00"), begins("\x28\xb5\x2f\xfd"), begins("BZh"), begins("7z\xbc\xaf\x27\x1c"):
		return nil, a.bad("", "it is compressed in another way than gzip or zip: unpack it, and add the folder")
	}
	return nil, a.bad("", "want a tar.gz, a zip, or a tgz of npm")
}

// bad returns an error about an entry of the source, or about all of it.
func (a *adding) bad(entry, reason string) error {
	return &ArchiveError{Source: a.shown, Entry: entry, Reason: reason}
}

// several returns the error about a source with an engine in several folders.
func (a *adding) several(folders []string) error {
	return &ArchiveError{Source: a.shown, Reason: "it has several engines, in " + words.Enumerate(folders) + ": choose one", Several: folders}
}

// damaged returns the error of reading an archive.
func (a *adding) damaged(entry string, err error) error {
	var known *ArchiveError
	if errors.As(err, &known) || context.Cause(a.ctx) != nil && errors.Is(err, context.Cause(a.ctx)) {
		return err
	}
	if errors.As(err, new(*fs.PathError)) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return a.bad(entry, "it ends too early")
	}
	return a.bad(entry, "it is damaged: "+strings.TrimSuffix(err.Error(), "."))
}

// budget bounds what is read from an archive in one walk.
type budget struct {
	a       *adding
	left    uint64 // bytes
	entries int
}

func (a *adding) budget() *budget {
	return &budget{a, a.o.Limits.Unpacked, a.o.Limits.Entries}
}

// limit returns a reader that takes from the budget.
func (b *budget) limit(r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := context.Cause(b.a.ctx); err != nil {
			return 0, err
		}
		n, err := r.Read(p)
		if uint64(n) > b.left {
			return 0, b.exceeded()
		}
		b.left -= uint64(n)
		return n, err
	})
}

func (b *budget) exceeded() error {
	return b.a.bad("", fmt.Sprintf("unpacked it is larger than %s, the limit", words.Size(b.a.o.Limits.Unpacked)))
}

// entry takes one entry from the budget.
func (b *budget) entry() error {
	if b.entries--; b.entries < 0 {
		return b.a.bad("", fmt.Sprintf("it has more than %d files, the limit", b.a.o.Limits.Entries))
	}
	return nil
}

// tarball walks over a tar archive.
func (a *adding) tarball(f *os.File, compressed bool) walk {
	return func(visit func(entry, io.Reader) error) error {
		b, contents := a.budget(), a.budget() // sparse files have more contents than bytes in the archive
		var from io.Reader = bufio.NewReaderSize(io.NewSectionReader(f, 0, 1<<62), copyBuffer)
		if compressed {
			z, err := gzip.NewReader(from)
			if err != nil {
				return a.damaged("", err)
			}
			from = z
		}
		from = b.limit(from)
		t := tar.NewReader(from)
		for {
			h, err := t.Next()
			if err == io.EOF {
				if _, err := io.Copy(io.Discard, from); err != nil { // to its checksum
					return a.damaged("", err)
				}
				return nil
			}
			if err != nil {
				return a.damaged("", err)
			}
			if err := b.entry(); err != nil {
				return err
			}
			e := entry{path: h.Name, target: h.Linkname, size: uint64(max(h.Size, 0))}
			switch h.Typeflag {
			case tar.TypeReg:
			case tar.TypeDir:
				e.kind = folderEntry
			case tar.TypeSymlink:
				e.kind = symbolicEntry
			case tar.TypeLink:
				e.kind = hardEntry
			case tar.TypeXGlobalHeader:
				continue
			default:
				return a.bad(h.Name, "it is neither file, folder nor link")
			}
			if err := visit(e, contents.limit(t)); err != nil {
				return a.damaged(h.Name, err)
			}
		}
	}
}

// mostDirectory is the size of a zip's directory, in bytes.
const mostDirectory = 4 << 20

// zip walks over a zip archive.
func (a *adding) zip(f *os.File) walk {
	return func(visit func(entry, io.Reader) error) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		b := a.budget()
		// The directory is read into memory, however many entries it has.
		directory := &directoryReader{a: a, r: io.NewSectionReader(f, 0, info.Size()), left: mostDirectory}
		z, err := zip.NewReader(directory, info.Size())
		if err != nil {
			return a.damaged("", err)
		}
		directory.open = true
		for _, file := range z.File {
			if err := b.entry(); err != nil {
				return err
			}
			if err := a.zipEntry(b, file, visit); err != nil {
				return a.damaged(file.Name, err)
			}
		}
		return nil
	}
}

// directoryReader bounds how much of a zip's directory is read; after that it is open.
type directoryReader struct {
	a    *adding
	r    io.ReaderAt // places outside the file are its end
	left int
	open bool
}

func (d *directoryReader) ReadAt(b []byte, offset int64) (int, error) {
	n, err := d.r.ReadAt(b, offset)
	if d.open {
		return n, err
	}
	if d.left -= n; d.left < 0 {
		return 0, d.a.bad("", fmt.Sprintf("its directory is larger than %s, the limit", words.Size(mostDirectory)))
	}
	return n, err
}

func (a *adding) zipEntry(b *budget, file *zip.File, visit func(entry, io.Reader) error) error {
	e := entry{path: file.Name, size: file.UncompressedSize64}
	switch mode := file.Mode(); {
	case mode.IsRegular():
	case mode.IsDir():
		e.kind = folderEntry
	case mode&fs.ModeSymlink != 0:
		e.kind = symbolicEntry
	default:
		return a.bad(file.Name, "it is neither file, folder nor link")
	}
	if e.kind == folderEntry {
		return visit(e, nil)
	}
	if file.Flags&1 != 0 {
		return a.bad(file.Name, "it is encrypted")
	}
	r, err := file.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	contents := b.limit(r)
	if e.kind == symbolicEntry {
		target, err := io.ReadAll(io.LimitReader(contents, mostPath+1))
		if err != nil {
			return err
		}
		e.target = string(target)
	}
	return visit(e, contents)
}

// Lengths of paths in an archive, in bytes.
const (
	mostPath    = 1024
	mostElement = 255
)

// checkPath returns the path of an entry without a leading ./, or why no file may have it on some
// system.
func checkPath(name string, folder bool) (clean, reason string) {
	if folder {
		name = strings.TrimRight(name, "/")
	}
	name = strings.TrimPrefix(name, "./")
	switch {
	case name == "" || name == ".":
		if folder {
			return ".", ""
		}
		return "", "it has no name"
	case len(name) > mostPath:
		return "", fmt.Sprintf("its path has %d bytes, at most %d are allowed", len(name), mostPath)
	case !utf8.ValidString(name):
		return "", "its name is no UTF-8"
	case strings.HasPrefix(name, "/"):
		return "", "its path begins at the root"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", "its name has a control character"
	case strings.ContainsAny(name, `\:`):
		return "", `its path has a \ or a colon, which lead elsewhere on Windows`
	}
	for _, element := range strings.Split(name, "/") {
		switch {
		case element == "" || element == ".":
			return "", "its path has an empty part"
		case element == "..":
			return "", "its path leads out of the archive"
		case len(element) > mostElement:
			return "", fmt.Sprintf("a name in it has %d bytes, at most %d are allowed", len(element), mostElement)
		case isDevice(element):
			return "", "Windows has a device of this name"
		case strings.HasSuffix(element, ".") || strings.HasSuffix(element, " "):
			return "", "a name ends with a dot or a space, which Windows drops"
		}
	}
	return name, ""
}

// checkTarget returns the path in the archive that a link leads to, or why it may lead nowhere.
func checkTarget(e entry) (to, reason string) {
	at := path.Dir(e.path)
	if e.kind == hardEntry {
		at = "."
	}
	target := strings.TrimPrefix(e.target, "./")
	if target == "" || strings.HasPrefix(target, "/") || strings.ContainsAny(target, "\\:\x00") || len(target) > mostPath {
		return "", "it links out of the archive"
	}
	to = path.Join(at, target)
	if to == ".." || strings.HasPrefix(to, "../") {
		return "", "it links out of the archive"
	}
	return to, ""
}
