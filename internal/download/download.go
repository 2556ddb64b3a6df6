// Package download gets what a URL has, with errors that say what happened, and an end for servers that
// send nothing more.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// ErrDownload is wrapped by an [*Error].
var ErrDownload = errors.New("the download failed")

// ErrStalled is the cause when a server sends nothing.
var ErrStalled = errors.New("the server sends nothing more")

// Error says why a download failed.
type Error struct {
	URL    string // without a password
	Status int    // of HTTP, 0 if there was no answer, or an answer that ended too early
	Err    error  // nil if the status says all

	RetryAfter time.Duration // that the server asked for; 0: it did not
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s: status %d %s", words.QuotePath(e.URL), ErrDownload, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s: %s: %s", words.QuotePath(e.URL), ErrDownload, e.Err)
}

// Unwrap returns [ErrDownload] and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrDownload}
	}
	return []error{ErrDownload, e.Err}
}

// ParseURL returns a source as a URL of HTTP, and whether it is one.
func ParseURL(source string) (*url.URL, bool) {
	u, err := url.Parse(source)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, false
	}
	return u, true
}

// Request says what to get, and how.
type Request struct {
	URL    *url.URL
	Header http.Header // further headers
	Client *http.Client
	Stall  time.Duration // how long a server may send nothing
	Accept []int         // status codes that are no error; nil: 200
}

// Answer is what a server sends. It must be closed.
type Answer struct {
	*http.Response
	read  func([]byte) (int, error)
	close func()
}

// Get asks for a URL. Errors, also those of reading the answer, are an [*Error], or the cause of ctx.
func Get(ctx context.Context, r Request) (*Answer, error) {
	outer := ctx
	failed := func(status int, err error) error {
		if cause := context.Cause(outer); cause != nil {
			return cause
		}
		var of *url.Error
		if errors.As(err, &of) { // its text has the URL
			err = of.Err
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the answer ended too early: %w", err)
		}
		return &Error{URL: r.URL.Redacted(), Status: status, Err: err}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	silence := time.AfterFunc(r.Stall, func() { cancel(ErrStalled) })
	end := func() {
		silence.Stop()
		cancel(nil)
	}
	stalled := func(err error) error {
		if errors.Is(context.Cause(ctx), ErrStalled) {
			return ErrStalled
		}
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL.String(), nil)
	if err != nil {
		end()
		return nil, failed(0, err)
	}
	for k, v := range r.Header {
		request.Header[k] = v
	}
	// Bytes as they are: the checksum is of the file.
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "infer")
	answer, err := r.Client.Do(request)
	if err != nil {
		end()
		return nil, failed(0, stalled(err))
	}
	if answer.StatusCode != http.StatusOK && !contains(r.Accept, answer.StatusCode) {
		end()
		answer.Body.Close()
		err := failed(answer.StatusCode, nil)
		if e := (*Error)(nil); errors.As(err, &e) {
			e.RetryAfter = retryAfter(answer.Header.Get("Retry-After"))
		}
		return nil, err
	}
	a := &Answer{Response: answer, close: func() { end(); answer.Body.Close() }}
	a.read = func(b []byte) (int, error) {
		silence.Reset(r.Stall)
		n, err := answer.Body.Read(b)
		if err != nil && err != io.EOF {
			err = failed(0, stalled(err))
		}
		return n, err
	}
	return a, nil
}

// Read reads the answer's body.
func (a *Answer) Read(b []byte) (int, error) { return a.read(b) }

// Close ends the request.
func (a *Answer) Close() { a.close() }

func contains(list []int, n int) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

// retryAfter reads the header of that name: seconds, or a time.
func retryAfter(s string) time.Duration {
	var seconds int
	if n, err := fmt.Sscanf(s, "%d", &seconds); n == 1 && err == nil && seconds >= 0 && seconds < 1<<20 {
		return time.Duration(seconds) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}
