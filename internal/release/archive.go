package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"io"
	"os"
	"slices"
	"time"
)

// entry is a file to be added to an archive.
type entry struct {
	name string // name in the archive, with slashes
	from string // path of the file
	mode int64
}

// sorted sorts entries by name.
func sorted(entries []entry) []entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return cmp.Compare(a.name, b.name) })
}

// writeZip writes a zip archive whose bytes depend only on names, contents and the time.
func writeZip(w io.Writer, top string, entries []entry, at time.Time) error {
	z := zip.NewWriter(w)
	for _, e := range sorted(entries) {
		h := &zip.FileHeader{Name: top + "/" + e.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(e.mode))
		to, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if err := copyFile(to, e.from); err != nil {
			return err
		}
	}
	return z.Close()
}

// writeTarGz writes a gzipped tar archive whose bytes depend only on names, contents and the time.
func writeTarGz(w io.Writer, top string, entries []entry, at time.Time) error {
	g, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(g)
	for _, e := range sorted(entries) {
		info, err := os.Stat(e.from)
		if err != nil {
			return err
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: top + "/" + e.name, Size: info.Size(), Mode: e.mode, ModTime: at, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if err := copyFile(t, e.from); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return g.Close()
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
