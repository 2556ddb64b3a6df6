package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// writer is the answer of a request. Each write has a limit on how long the client may take to
// accept it.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	status  int // 0: nothing was written
	bytes   int64
}

func newWriter(w http.ResponseWriter, timeout time.Duration) *writer {
	return &writer{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout}
}

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.limit()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// limit begins the time for the next write. Writers that have no deadlines have none.
func (w *writer) limit() { _ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) }

// flush sends what was written.
func (w *writer) flush() error {
	w.limit()
	if err := w.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// end sends the rest, and takes the limit off the connection, which the next request may use.
func (w *writer) end() {
	if w.status != 0 && w.flush() == nil {
		_ = w.control.SetWriteDeadline(time.Time{})
	}
}

// body reads the fields of a request. held gives the memory of the body back.
func (c *call) body() (f *fields, held func(), err error) {
	text, held, err := c.read()
	if err != nil {
		return nil, held, err
	}
	_ = c.w.control.SetReadDeadline(time.Time{}) // streams are long
	f, bad := parseFields(text)
	if bad != nil {
		held()
		return nil, func() {}, bad
	}
	return f, held, nil
}

// read reads the body. Its memory counts before it is taken.
func (c *call) read() (text []byte, held func(), err error) {
	o := &c.s.o
	tooLarge := &apiError{status: http.StatusRequestEntityTooLarge, kind: kindRequest, code: "body_too_large",
		message: "the body is larger than " + words.Size(uint64(o.MaxBody)), figures: map[string]any{"max_bytes": o.MaxBody}}
	counted := int64(0)
	held = func() { c.s.bodies.Add(-counted); counted = 0 }
	if c.r.ContentLength > o.MaxBody {
		c.drop()
		return nil, held, tooLarge
	}
	const step = 64 << 10
	body := http.MaxBytesReader(c.w, c.r.Body, o.MaxBody)
	buf := make([]byte, 0, min(max(c.r.ContentLength+1, 512), step))
	for {
		if len(buf) == cap(buf) {
			size := 2 * cap(buf)
			if c.r.ContentLength >= 0 {
				size = min(size, int(c.r.ContentLength)+1)
			}
			buf = append(make([]byte, 0, max(size, cap(buf)+1)), buf...)
		}
		if more := int64(cap(buf)) - counted; more > 0 {
			counted += more
			if c.s.bodies.Add(more) > o.MaxBodies {
				held()
				c.s.metrics.refused("bodies")
				return nil, held, unavailable("too_many_bytes", fmt.Sprintf("the bodies of the requests that are being read take more than %s", words.Size(uint64(o.MaxBodies))), time.Second)
			}
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, held, nil
		case errors.As(err, new(*http.MaxBytesError)):
			held()
			c.drop()
			return nil, held, tooLarge
		case errors.Is(err, os.ErrDeadlineExceeded):
			held()
			return nil, held, &apiError{status: http.StatusRequestTimeout, kind: kindRequest, code: "body_timeout", message: fmt.Sprintf("the body took longer than %v", o.BodyTimeout)}
		case err != nil:
			held()
			return nil, held, &apiError{status: http.StatusBadRequest, kind: kindRequest, code: "incomplete_body", message: "the body is incomplete"}
		}
	}
}

// mostDropped is how much of a body that is too large is read, in bytes.
const mostDropped = 64 << 20

// drop reads the rest of a body, as many clients read no answer before they have sent all. Those that ask
// before they send get the answer at once.
func (c *call) drop() {
	if c.r.Header.Get("Expect") == "" && c.r.ContentLength <= mostDropped {
		if n, err := io.CopyN(io.Discard, c.r.Body, mostDropped); err == io.EOF && n < mostDropped {
			return
		}
	}
	c.w.Header().Set("Connection", "close")
}

// using reads the body and the field "model", and calls g with the open model.
func (c *call) using(g func(*fields, *live) error) error {
	f, held, err := c.body()
	if err != nil {
		return err
	}
	defer held()
	name := ""
	f.text("model", &name)
	if f.err != nil {
		return f.err
	}
	p, err := c.s.fleet.find(name)
	if err != nil {
		return err
	}
	c.model = p.name
	l, release, err := c.s.fleet.use(c.r.Context(), p)
	if err != nil {
		return err
	}
	defer release()
	err = g(f, l)
	c.s.fleet.failed(l, err)
	return err
}

// events writes server-sent events. Nothing is sent before the first one, so that an error can
// still be a status.
type events struct {
	w     *writer
	begun bool
}

// pingEvery is how often a stream that has nothing to say sends a comment, which keeps proxies
// from closing it.
const pingEvery = 10 * time.Second

func (e *events) begin() {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	e.w.WriteHeader(http.StatusOK)
}

// send sends an object, with a name if it is not empty.
func (e *events) send(name string, object any) error {
	text, err := encode(object)
	if err != nil {
		return err
	}
	return e.raw(name, text)
}

func (e *events) raw(name string, data []byte) error {
	e.begin()
	out := make([]byte, 0, len(data)+len(name)+24)
	if name != "" {
		out = append(append(append(out, "event: "...), name...), '\n')
	}
	out = append(append(append(out, "data: "...), data...), "\n\n"...)
	if _, err := e.w.Write(out); err != nil {
		return err
	}
	return e.w.flush()
}

// ping sends a comment.
func (e *events) ping() error {
	e.begin()
	if _, err := io.WriteString(e.w, ": ping\n\n"); err != nil {
		return err
	}
	return e.w.flush()
}

// cut makes the error of a client that has gone or accepts nothing.
func cut(err error) error { return fmt.Errorf("%w: %w", context.Canceled, err) }

var _ json.Marshaler = (*apiError)(nil)
