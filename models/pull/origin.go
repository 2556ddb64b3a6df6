package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/internal/files"
)

// origin is the end of the name of the record of where a file came from, for files of URLs: two URLs may
// end with the same name.
const origin = ".origin.json"

// readState reads what is known of a file, and reports whether anything is.
func readState(path string) (s state, ok bool) {
	data, err := os.ReadFile(path)
	return s, err == nil && json.Unmarshal(data, &s) == nil
}

func (s state) write(path string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return files.Publish(path, 0o666, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// isOurs reports whether a file of so many bytes, whose SHA-256 is not given, is what the URL has now, if
// it has the SHA-256 that the server says; "": it says none. It refuses a file that comes from elsewhere.
func (t *transfer) isOurs(size uint64) (ours bool, sum string, err error) {
	was, recorded := readState(t.path + origin)
	if recorded && was.URL != t.shownURL() {
		return false, "", &TakenError{File: t.path, Source: was.URL}
	}
	var now state
	err = t.retry(func() (err error) {
		now, err = t.ask()
		return err
	}, func() uint64 { return 0 })
	switch {
	case err != nil:
		return false, "", err
	case !recorded && now.Size != size: // also if the server does not say it
		return false, "", &TakenError{File: t.path}
	case now.Size > 0 && now.Size != size, recorded && was.ETag != "" && now.ETag != "" && was.ETag != now.ETag:
		return false, "", nil // the server has another version
	}
	return true, now.SHA256, nil
}

// ask asks the server for a byte of the file, and returns what it says of the whole.
func (t *transfer) ask() (s state, err error) {
	linked := http.Header{}
	a, err := t.get(t.url, http.Header{"Range": {"bytes=0-0"}}, keepLinked(linked), http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	if err != nil {
		return s, err
	}
	defer a.Close()
	s = state{URL: t.shownURL(), Size: sizeOf(linked), SHA256: sumOf(linked), ETag: tagOf(a.Response)}
	if _, total, ok := strings.Cut(a.Header.Get("Content-Range"), "/"); ok {
		if n, err := strconv.ParseUint(total, 10, 64); err == nil {
			s.Size = n
		}
	} else if a.StatusCode == http.StatusOK && a.ContentLength > 0 {
		s.Size = uint64(a.ContentLength)
	}
	return s, nil
}

// keepLinked keeps what redirects say of the file.
func keepLinked(in http.Header) func(*http.Response) {
	return func(r *http.Response) {
		for _, k := range []string{"X-Linked-Etag", "X-Linked-Size"} {
			if v := r.Header.Get(k); v != "" {
				in.Set(k, v)
			}
		}
	}
}

// sizeOf returns the size that redirects say, 0 if none.
func sizeOf(linked http.Header) uint64 {
	n, _ := strconv.ParseUint(linked.Get("X-Linked-Size"), 10, 64)
	return n
}

// sumOf returns the SHA-256 that redirects say, "" if none.
func sumOf(linked http.Header) string {
	sum := strings.ToLower(strings.Trim(strings.TrimPrefix(linked.Get("X-Linked-Etag"), "W/"), `"`))
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return ""
	}
	return sum
}

// tagOf returns what tells versions of a file apart: its ETag, or the time of its last change.
func tagOf(r *http.Response) string {
	tag := r.Header.Get("ETag")
	if strings.HasPrefix(tag, "W/") || tag == "" { // no proof that the bytes are the same
		tag = r.Header.Get("Last-Modified")
	}
	return tag
}

// forget removes the record of a file, before another takes its name.
func (t *transfer) forget() error {
	if err := os.Remove(t.path + origin); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the record of where a file came from: %w", err)
	}
	return nil
}
