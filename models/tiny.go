package models

import (
	"crypto/sha256"
	_ "embed" // the embedded model
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/seed7adf6694/infer/internal/files"
)

// TinyName is the name of the embedded model for [Resolve].
const TinyName = "tiny"

// TinySHA256 is the SHA-256 of the embedded model, in hexadecimal. The file is
// models/tiny/tiny-stories-q4_0.gguf, made by quantising
// models/tiny/tiny-stories-f16.gguf to q4_0.
const TinySHA256 = "b292d5f6d6eb53aa3b790956aaf6b62418a38b5cafcfa3b4bf37d890d4794f7d"

//go:embed tiny/tiny-stories-q4_0.gguf
var tinyContent string

// tinyFile is the name of the extracted file. It contains a part of the hash, so that programs with
// different embedded models use different files.
var tinyFile = "tiny-stories-q4_0-" + TinySHA256[:8] + ".gguf"

// Tiny returns the path of a file with the embedded model. It writes the file if it is missing or has
// other content.
//
// The file is in infer/models in the user's cache folder ([os.UserCacheDir]). If that is not writable
// (no home, read-only, full), it is in a folder of the temporary directory that only this user
// can access. Each call compares size and SHA-256 with the embedded model, so that a damaged or
// truncated copy, or a link in its place, is replaced. The file appears under its name only
// when it is complete.
//
// If no folder is usable, it is a file in memory, if the system supports that: its path is valid for
// this process and its children.
//
// The error names each folder that was tried and why it failed. Tiny is safe for concurrent use, also
// by several processes.
func Tiny() (path string, err error) {
	path, err = extractTiny(tinyFolders())
	if err == nil {
		return path, nil
	}
	if f, none := tinyInMemory(); none == nil {
		return f.Name(), nil
	} else if !errors.Is(none, errors.ErrUnsupported) {
		err = &tinyError{append(err.(*tinyError).tried, none)}
	}
	return "", err
}

// tinyInMemory makes the file once; it stays open until the process ends.
var tinyInMemory = sync.OnceValues(func() (*os.File, error) {
	return files.MemoryFile(tinyFile, tinyContent)
})

// A tinyFolder is a folder for the embedded model.
type tinyFolder struct {
	dir     string
	private bool  // only this user may have access
	err     error // why there is no such folder
}

func tinyFolders() []tinyFolder {
	cache := tinyFolder{}
	if dir, err := os.UserCacheDir(); err != nil {
		cache.err = fmt.Errorf("no cache folder: %w", err)
	} else {
		cache.dir = filepath.Join(dir, "infer", "models")
	}
	temp := filepath.Join(os.TempDir(), "infer-models"+userSuffix())
	return []tinyFolder{cache, {dir: temp, private: true}}
}

func extractTiny(folders []tinyFolder) (string, error) {
	var failed []error
	for _, p := range folders {
		path, err := p.extract()
		if err == nil {
			return path, nil
		}
		failed = append(failed, err)
	}
	return "", &tinyError{failed}
}

var extracting sync.Mutex

// extract returns the path of a valid copy in p; it writes the copy if necessary.
func (p tinyFolder) extract() (string, error) {
	if p.err != nil {
		return "", p.err
	}
	if err := p.prepare(); err != nil {
		return "", err
	}
	// One goroutine writes; the others find its file.
	extracting.Lock()
	defer extracting.Unlock()
	path := filepath.Join(p.dir, tinyFile)
	bad := checkTiny(path)
	if bad == nil {
		return path, nil
	}
	err := files.Publish(path, 0o644, func(f *os.File) error {
		_, err := f.WriteString(tinyContent)
		return err
	})
	// Another process may have been faster, and Windows does not replace a file that is in use:
	// check the file that is there now.
	if again := checkTiny(path); again == nil {
		return path, nil
	} else if err == nil {
		err = again
	}
	if !errors.Is(bad, fs.ErrNotExist) {
		err = fmt.Errorf("%w, and could not be replaced: %w", bad, err)
	}
	return "", err
}

// prepare creates the folder and checks its owner.
func (p tinyFolder) prepare() error {
	if !p.private {
		return os.MkdirAll(p.dir, 0o755)
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Lstat: in a folder that all users may write to, a symbolic link may lead anywhere.
	info, err := os.Lstat(p.dir)
	if err != nil {
		return err
	}
	return checkPrivate(p.dir, info)
}

// errReplaced: another process has replaced the file that was being checked.
var errReplaced = errors.New("the file was replaced while it was checked")

// checkTiny returns why the file at path is unusable, nil if it is a regular file with the content of
// the embedded model.
func checkTiny(path string) error {
	// Several processes that start at the same time may each replace the file once.
	for range 100 {
		if err := checkTinyOnce(path); !errors.Is(err, errReplaced) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", path, errReplaced)
}

func checkTinyOnce(path string) error {
	before, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !before.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if before.Size() != int64(len(tinyContent)) {
		return fmt.Errorf("%s has %d bytes instead of %d", path, before.Size(), len(tinyContent))
	}
	f, err := files.OpenRegular(path)
	if errors.Is(err, files.ErrFileInUse) { // Windows, while another process replaces it
		return fmt.Errorf("%w: %w", errReplaced, err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	// Since Lstat, the path may have become a symbolic link.
	if after, err := f.Stat(); err != nil {
		return err
	} else if !os.SameFile(before, after) {
		return errReplaced
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, io.LimitReader(f, int64(len(tinyContent))+1), make([]byte, 256<<10)); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != TinySHA256 {
		return fmt.Errorf("%s has the SHA-256 %s instead of %s", path, got, TinySHA256)
	}
	return nil
}

// A tinyError lists why no folder could hold the embedded model.
type tinyError struct{ tried []error }

func (e *tinyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the embedded model (%d bytes) could not be put into a file: ", len(tinyContent))
	for i, err := range e.tried {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	b.WriteString("; free some space, set ")
	b.WriteString(tempVariable)
	b.WriteString(" to a folder that can be written, or name a model file")
	return b.String()
}

func (e *tinyError) Unwrap() []error { return e.tried }
