package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// ErrDownload is wrapped by a [*DownloadError].
var ErrDownload = errors.New("the download failed")

// DownloadError says why a download failed.
type DownloadError struct {
	URL    string // without a password
	Status int    // of HTTP, 0 if there was no answer, or an answer that ended too early
	Err    error  // nil if the status says all
}

func (e *DownloadError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s: status %d %s", words.QuotePath(e.URL), ErrDownload, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s: %s: %s", words.QuotePath(e.URL), ErrDownload, e.Err)
}

// Unwrap returns [ErrDownload] and the cause.
func (e *DownloadError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrDownload}
	}
	return []error{ErrDownload, e.Err}
}

// errStalled is the cause when a server sends nothing.
var errStalled = errors.New("the server sends nothing more")

// parseURL returns a source as a URL of HTTP, and whether it is one.
func parseURL(source string) (*url.URL, bool) {
	u, err := url.Parse(source)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, false
	}
	return u, true
}

// fetch copies an archive from a file or a URL to a new file, and compares its checksums.
func (a *adding) fetch(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if u, ok := parseURL(a.source); ok {
		err = a.download(u, f)
	} else {
		err = a.copyArchive(f)
	}
	for _, c := range a.sums {
		if err == nil {
			err = c.check(a.shown)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// download writes what a URL has to a file.
func (a *adding) download(u *url.URL, to io.Writer) error {
	failed := func(status int, err error) error {
		if cause := context.Cause(a.ctx); cause != nil {
			return cause
		}
		var of *url.Error
		if errors.As(err, &of) { // its text has the URL
			err = of.Err
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the answer ended too early: %w", err)
		}
		return &DownloadError{URL: a.shown, Status: status, Err: err}
	}
	ctx, cancel := context.WithCancelCause(a.ctx)
	defer cancel(nil)
	silence := time.AfterFunc(a.o.Stall, func() { cancel(errStalled) })
	defer silence.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return failed(0, err)
	}
	// Bytes as they are: the checksum is of the file.
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "infer")
	answer, err := a.o.Client.Do(request)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return failed(0, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return failed(answer.StatusCode, nil)
	}
	total := uint64(max(answer.ContentLength, 0))
	if total > a.o.Limits.Archive {
		return a.tooLarge()
	}
	from := readerFunc(func(b []byte) (int, error) {
		silence.Reset(a.o.Stall)
		n, err := answer.Body.Read(b)
		if err != nil && err != io.EOF {
			if errors.Is(context.Cause(ctx), errStalled) {
				err = errStalled
			}
			err = failed(0, err)
		}
		return n, err
	})
	return a.receive(to, from, "downloading", total)
}

// copyArchive writes an archive that is a file to another, so that what is unpacked is what was checked.
func (a *adding) copyArchive(to io.Writer) error {
	f, err := os.Open(a.source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if uint64(info.Size()) > a.o.Limits.Archive {
		return a.tooLarge()
	}
	return a.receive(to, f, "copying", uint64(info.Size()))
}

// receive copies an archive, with progress, checksums, and the limit of its size.
func (a *adding) receive(to io.Writer, from io.Reader, step string, total uint64) error {
	done, limit := uint64(0), a.o.Limits.Archive
	buffer := make([]byte, copyBuffer)
	for {
		if err := context.Cause(a.ctx); err != nil {
			return err
		}
		n, err := from.Read(buffer)
		if done += uint64(n); done > limit {
			return a.tooLarge()
		}
		for _, c := range a.sums {
			c.hash.Write(buffer[:n])
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return err
		}
		if n > 0 {
			a.o.Progress(step, done, total)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copyBuffer is the size of one read and write.
const copyBuffer = 256 << 10

func (a *adding) tooLarge() error {
	return a.bad("", fmt.Sprintf("it is larger than %s, the limit of an archive", words.Size(a.o.Limits.Archive)))
}

// readerFunc is a function as a reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
