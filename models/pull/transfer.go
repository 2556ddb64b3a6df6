package pull

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// Names of an unfinished file, and of what is known of it.
const (
	partial = ".partial"
	sidecar = ".partial.json"
)

const (
	copyBuffer = 256 << 10
	lockPeriod = 100 * time.Millisecond
	mostWait   = time.Minute
	goodBytes  = 1 << 20 // that have to come, for a download to be tried again as if it were the first time
)

// transfer downloads one file.
type transfer struct {
	*puller
	remote
	index, of int
	file      *os.File // the unfinished file, locked
	hash      hash.Hash
	have      uint64 // bytes in the file, which the hash has seen
	checked   uint64 // bytes at which the header was last looked at
	came      uint64
	most      uint64 // that was ever in the file: what comes again is no progress
	state     state
}

// state is what is known of an unfinished file.
type state struct {
	URL    string `json:"url"` // without a query, which may have secrets
	Size   uint64 `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
	ETag   string `json:"etag,omitempty"` // or the time of the last change, for If-Range
}

// retry calls f until it succeeds, fails for good, or has failed too often without progress.
func (p *puller) retry(f func() error, progress func() uint64) error {
	wait, last := p.o.Wait, uint64(0)
	for failures := 0; ; {
		err := f()
		if err == nil || !passes(err) {
			return err
		}
		if now := progress(); now >= last+goodBytes { // so often at most, as a file has an end
			failures, wait, last = 0, p.o.Wait, now
		}
		if failures++; failures > p.o.Retries {
			return err
		}
		pause := wait
		var e *DownloadError
		if errors.As(err, &e) && e.RetryAfter > 0 {
			pause = e.RetryAfter
		}
		select {
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		case <-time.After(min(pause, mostWait)):
		}
		wait = min(2*wait, mostWait/2)
	}
}

// passes reports whether an error may pass.
func passes(err error) bool {
	var e *DownloadError
	if !errors.As(err, &e) {
		return false
	}
	var host *net.DNSError
	switch {
	case errors.Is(err, errRedirect), errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, &host) && host.IsNotFound:
		return false
	case e.Status == 0, e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500
}

// run downloads the file, unless it is there.
func (t *transfer) run() error {
	if err := os.MkdirAll(filepath.Dir(t.path), 0o755); err != nil {
		return err
	}
	if there, err := t.isThere(); there || err != nil && !errors.Is(err, ErrTaken) { // another process may be about to replace that
		return err
	}
	if err := t.lock(); err != nil {
		return err
	}
	defer t.release()
	if there, err := t.isThere(); there || err != nil { // another process has completed it
		return err
	}
	if err := t.resume(); err != nil {
		return err
	}
	if err := t.retry(t.fetch, func() uint64 { return t.most }); err != nil {
		return t.about(err)
	}
	if got := hex.EncodeToString(t.hash.Sum(nil)); t.sha256 != "" && got != t.sha256 {
		t.discard()
		return &ChecksumError{File: t.path, Want: t.sha256, Got: got}
	}
	if err := gguf.CheckHeader(t.file.Name()); err != nil {
		t.discard()
		return t.about(err)
	}
	t.size = t.have
	if t.byURL {
		if err := t.forget(); err != nil {
			return err
		}
	}
	if err := files.Complete(t.file, t.path); err != nil {
		return t.about(err)
	}
	if t.byURL {
		if err := (state{URL: t.shownURL(), Size: t.size, SHA256: hex.EncodeToString(t.hash.Sum(nil)), ETag: t.state.ETag}).write(t.path + origin); err != nil {
			return err
		}
	}
	_ = os.Remove(t.path + sidecar)
	return nil
}

// release closes the unfinished file. It removes one into which nothing came.
func (t *transfer) release() {
	info, err := t.file.Stat()
	empty := err == nil && info.Size() == 0 && files.IsAt(t.file, t.path+partial)
	if empty && os.Remove(t.path+partial) == nil {
		empty = false
	}
	t.file.Close()
	if empty { // on Windows only when it is closed
		_ = os.Remove(t.path + partial)
	}
}

// about replaces the name of the unfinished file in an error.
func (t *transfer) about(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) && of.Path == t.path+partial {
		of.Path = t.path
	}
	var format *gguf.FormatError
	if errors.As(err, &format) {
		format.File = t.path
	}
	return err
}

// discard removes what came.
func (t *transfer) discard() {
	_ = t.file.Truncate(0)
	_ = os.Remove(t.path + sidecar)
	_ = os.Remove(t.path + partial) // not on Windows while it is open: it is empty then
}

// isThere reports whether the file is complete already.
func (t *transfer) isThere() (bool, error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	size := uint64(info.Size())
	if t.size > 0 && t.size != size {
		return false, nil // the server has another version
	}
	want := t.sha256
	if t.byURL && want == "" {
		ours, sum, err := t.isOurs(size)
		if !ours || err != nil {
			return false, err
		}
		want = sum
	}
	if want != "" {
		h := sha256.New()
		if err := t.digest(h, f, size); err != nil {
			return false, err
		}
		if hex.EncodeToString(h.Sum(nil)) != want {
			if _, recorded := readState(t.path + origin); t.byURL && t.sha256 == "" && !recorded {
				return false, &TakenError{File: t.path}
			}
			return false, nil
		}
	}
	t.size = size
	return true, nil
}

// digest hashes a file.
func (t *transfer) digest(h hash.Hash, from io.Reader, size uint64) error {
	buffer := make([]byte, copyBuffer)
	for done := uint64(0); done < size; {
		if err := context.Cause(t.ctx); err != nil {
			return err
		}
		n, err := from.Read(buffer[:min(uint64(len(buffer)), size-done)])
		h.Write(buffer[:n])
		done += uint64(n)
		t.report("checking", done, size)
		if err != nil && done < size {
			return err
		}
	}
	return nil
}

func (t *transfer) report(step string, done, total uint64) {
	t.o.Progress(Progress{Step: step, File: filepath.Base(t.path), Index: t.index, Of: t.of, Done: done, Total: total})
}

// lock opens the unfinished file; it waits while another process has it.
func (t *transfer) lock() error {
	for {
		f, err := os.OpenFile(t.path+partial, os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return err
		}
		err = files.Lock(f)
		if (err == nil || errors.Is(err, errors.ErrUnsupported)) && files.IsAt(f, t.path+partial) {
			t.file = f
			return nil
		}
		f.Close()
		if err != nil && !errors.Is(err, files.ErrLocked) {
			return err
		}
		select {
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		case <-time.After(lockPeriod):
		}
	}
}

// resume hashes what is there of the file, or empties it if that is not certainly a part of it.
func (t *transfer) resume() error {
	t.hash = sha256.New()
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	s, known := readState(t.path + sidecar)
	size := uint64(info.Size())
	same := known && s.URL == t.shownURL() && s.SHA256 == t.sha256 && (t.size == 0 || s.Size == t.size) && size <= s.Size && (s.SHA256 != "" || s.ETag != "")
	if !same {
		return t.restart()
	}
	t.state, t.have, t.size = s, size, s.Size
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t.most = size
	return t.digest(t.hash, t.file, size)
}

// shownURL is the URL without its query.
func (t *transfer) shownURL() string {
	u := *t.url
	u.RawQuery, u.User = "", nil
	return u.String()
}

// restart empties the file.
func (t *transfer) restart() error {
	t.hash.Reset()
	t.have, t.checked, t.state = 0, 0, state{}
	if err := t.file.Truncate(0); err != nil {
		return err
	}
	_, err := t.file.Seek(0, io.SeekStart)
	return err
}

// fetch downloads what is missing.
func (t *transfer) fetch() error {
	if t.size > 0 && t.have == t.size {
		return nil
	}
	header := http.Header{}
	if t.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", t.have))
		if t.state.ETag != "" {
			header.Set("If-Range", t.state.ETag)
		}
	}
	linked := http.Header{} // what redirects say of the file
	a, err := t.get(t.url, header, keepLinked(linked), http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	if err != nil {
		return err
	}
	defer a.Close()
	total, err := t.position(a.Response)
	if err != nil {
		return err
	}
	if err := t.learn(a.Response, linked, total); err != nil {
		return err
	}
	return t.receive(a)
}

// position finds out which bytes an answer has, and empties the file if it begins again. It returns the
// size of the whole file, 0 if that is unknown.
func (t *transfer) position(r *http.Response) (total uint64, err error) {
	again := func(reason string, args ...any) error {
		if err := t.restart(); err != nil {
			return err
		}
		return &DownloadError{URL: t.shownURL(), Err: fmt.Errorf(reason, args...)}
	}
	switch r.StatusCode {
	case http.StatusOK:
		if t.have > 0 {
			if err := t.restart(); err != nil {
				return 0, err
			}
		}
		return uint64(max(r.ContentLength, 0)), nil
	case http.StatusPartialContent:
		var first, last uint64
		given := r.Header.Get("Content-Range")
		if n, _ := fmt.Sscanf(given, "bytes %d-%d/%d", &first, &last, &total); n < 2 || first != t.have {
			return 0, again("the server sent %q, and bytes from %d on were wanted", given, t.have)
		}
		return total, nil
	}
	return 0, again("the server has fewer than %d bytes", t.have)
}

// learn keeps what an answer says of the file, and refuses another file than the one that was begun.
func (t *transfer) learn(r *http.Response, linked http.Header, total uint64) error {
	changed := func(what string, was, is any) error {
		if err := t.restart(); err != nil {
			return err
		}
		return &DownloadError{URL: t.shownURL(), Status: http.StatusConflict, Err: fmt.Errorf("the file has changed on the server: its %s is %v, and was %v: pull it again", what, is, was)}
	}
	if total == 0 {
		total = sizeOf(linked)
	}
	if sum := sumOf(linked); sum != "" {
		if t.sha256 != "" && t.sha256 != sum {
			return changed("SHA-256", t.sha256, sum)
		}
		t.sha256 = sum
	}
	if total > 0 && t.size > 0 && total != t.size {
		return changed("size", t.size, total)
	}
	if t.size == 0 && total > 0 {
		t.size = total
		if err := t.fits(total - min(t.have, total)); err != nil {
			return err
		}
	}
	s := state{URL: t.shownURL(), Size: t.size, SHA256: t.sha256, ETag: tagOf(r)}
	if s == t.state {
		return nil
	}
	t.state = s
	return s.write(t.path + sidecar)
}

// receive writes an answer to the file.
func (t *transfer) receive(from io.Reader) error {
	buffer := make([]byte, copyBuffer)
	for {
		if err := context.Cause(t.ctx); err != nil {
			return err
		}
		n, err := from.Read(buffer)
		if t.size > 0 && t.have+uint64(n) > t.size {
			if err := t.restart(); err != nil {
				return err
			}
			return &DownloadError{URL: t.shownURL(), Err: fmt.Errorf("the server sent more than the %d bytes of the file", t.size)}
		}
		if _, bad := t.file.Write(buffer[:n]); bad != nil {
			return bad
		}
		t.hash.Write(buffer[:n])
		t.have += uint64(n)
		t.came, t.most = t.came+uint64(n), max(t.most, t.have)
		if n > 0 {
			t.report("downloading", t.have, t.size)
			if bad := t.look(); bad != nil {
				return bad
			}
		}
		switch {
		case err == io.EOF && t.size > 0 && t.have < t.size:
			return &DownloadError{URL: t.shownURL(), Err: fmt.Errorf("the answer ended after %d of %d bytes", t.have, t.size)}
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// look checks as much of the header as is there, at its first bytes and then at each time that four times
// as much is there, so that what is no model is not downloaded as a whole.
func (t *transfer) look() error {
	if t.have < 4 || t.have < 4*t.checked {
		return nil
	}
	t.checked = t.have
	err := gguf.CheckHeader(t.file.Name())
	if err == nil {
		t.checked = 1 << 60
		return nil
	}
	if errors.Is(err, gguf.ErrTruncated) {
		return nil
	}
	t.discard()
	return err
}
