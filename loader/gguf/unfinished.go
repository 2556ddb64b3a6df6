package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// unfinishedSuffixes are suffixes of file names that programs use during a download.
var unfinishedSuffixes = []string{
	".part", ".partial", "-partial", ".incomplete", ".download", ".downloading", ".downloadinprogress", ".crdownload",
	".opdownload", ".aria2", ".filepart", ".tmp", ".temp", ".!ut", ".!qb",
}

// Unfinished returns the name of the file or folder in which a program keeps an unfinished download of
// the file at path; "" if there is none.
func Unfinished(path string) string {
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	for _, suffix := range unfinishedSuffixes {
		if !exists(path + suffix) {
			continue
		}
		for _, e := range entries { // file systems that ignore case have it once
			if strings.EqualFold(e.Name(), name+suffix) {
				return dir + e.Name()
			}
		}
		return path + suffix
	}
	if err != nil {
		return ""
	}
	// In another case, or with a number in between.
	for _, e := range entries {
		rest, ok := strings.CutPrefix(strings.ToLower(e.Name()), strings.ToLower(name))
		if !ok {
			continue
		}
		for _, suffix := range unfinishedSuffixes {
			if strings.HasSuffix(rest, suffix) {
				return dir + e.Name()
			}
		}
	}
	return ""
}

// warnUnfinished warns of files that a program still writes to: aria2 writes to the final name, with
// a control file beside it.
func (ix *Index) warnUnfinished() {
	for _, f := range ix.files {
		if control := f.Path + ".aria2"; exists(control) {
			ix.warn("%s lies beside %s: the download is not complete", words.QuotePath(filepath.Base(control)), words.QuotePath(filepath.Base(f.Path)))
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// missingShard returns the error for a shard that cannot be opened.
func (s *shardSet) missingShard(i int, path string, err error) error {
	e := &FormatError{File: s.one.Path, Offset: -1, Field: fmt.Sprintf("shard %d of %d", i+1, s.count), Reason: "can't be opened", Err: err}
	if errors.Is(err, fs.ErrNotExist) {
		if part := Unfinished(path); part != "" {
			e.Value, e.Reason = "not complete", fmt.Sprintf("%s is what has been fetched of it: let the download finish", words.QuotePath(filepath.Base(part)))
		}
	}
	return e
}

// joined returns where a second file begins in a shard: shards that were concatenated are not one
// model.
func (f *file) joined() (at int64, ok bool) {
	end := f.header.data
	for _, t := range f.header.tensors {
		end = max(end, f.header.data+t.Offset+int64(t.Size))
	}
	// The last tensor may be padded or not.
	b := make([]byte, max(0, min(int64(f.header.alignment)+int64(len(magic)), f.Size-end, 64<<10)))
	if n, _ := f.OS.ReadAt(b, end); n < len(b) {
		return 0, false
	}
	i := bytes.Index(b, []byte(magic))
	return end + int64(i), i >= 0
}
