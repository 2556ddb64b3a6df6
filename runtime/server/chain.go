package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// call is a request that is answered.
type call struct {
	s     *Server
	w     *writer
	r     *http.Request
	id    string
	start time.Time

	// For the log and the metrics.
	route                     string
	model                     string
	prompt, cached, predicted int
	finish                    string
	gone                      bool // the client, before the end
}

type callKey struct{}

// callOf returns the call of a request that came through the chain.
func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

// logOf returns a logger for net/http's messages, such as failed handshakes.
func logOf(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }

// chain is what each request passes before its handler.
func (s *Server) chain() http.Handler {
	cross := http.NewCrossOriginProtection()
	for _, o := range s.o.Origins {
		if o != "*" {
			_ = cross.AddTrustedOrigin(o) // one that is malformed matches no request
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, id: requestID(r), start: time.Now()}
		c.w = newWriter(w, s.o.WriteTimeout)
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), callKey{}, c))
		defer cancel()
		defer context.AfterFunc(s.life, cancel)()
		c.r = r.WithContext(ctx)
		h := c.w.Header()
		h.Set("X-Request-Id", c.id)
		h.Set("X-Content-Type-Options", "nosniff")
		defer c.log()
		defer c.w.end()
		defer func() { c.gone = c.r.Context().Err() != nil && s.life.Err() == nil }()
		defer c.recover()
		if r.ContentLength != 0 { // a slow sender is cut off, also where the body is not wanted
			_ = http.NewResponseController(w).SetReadDeadline(c.start.Add(s.o.BodyTimeout))
		}
		if s.admits(c, cross) {
			defer func() { c.route = c.r.Pattern }() // after a panic too
			s.mux.ServeHTTP(c.w, c.r)
		}
	})
}

// admits checks who asks, and answers those who may not.
func (s *Server) admits(c *call, cross *http.CrossOriginProtection) bool {
	if len(s.o.Hosts) > 0 && !slices.Contains(s.o.Hosts, hostOf(c.r.Host)) {
		c.fail(&apiError{status: http.StatusForbidden, kind: kindRequest, code: "unknown_host",
			message: fmt.Sprintf("the server is not known as %s (header Host)", words.Quoted(c.r.Host))})
		return false
	}
	allowed := s.allowsOrigin(c)
	if c.r.Method == http.MethodOptions {
		c.w.WriteHeader(http.StatusNoContent)
		return false
	}
	if err := cross.Check(c.r); err != nil && !allowed {
		c.fail(&apiError{status: http.StatusForbidden, kind: kindRequest, code: "cross_origin", message: "requests from pages of other origins are not allowed: " + err.Error()})
		return false
	}
	if !s.public(c.r) && !s.knows(c.r) {
		c.fail(&apiError{status: http.StatusUnauthorized, kind: kindAuth, code: "invalid_api_key", message: "the API key is missing or wrong: send the header Authorization: Bearer KEY"})
		return false
	}
	return true
}

// hostOf returns the name in a Host header, without the port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(host, "]"), "["), "."))
}

// allowsOrigin adds the headers for pages of an allowed origin, and reports whether it is one.
func (s *Server) allowsOrigin(c *call) bool {
	if len(s.o.Origins) == 0 {
		return false
	}
	h := c.w.Header()
	h.Add("Vary", "Origin")
	origin := c.r.Header.Get("Origin")
	if origin == "" || !slices.Contains(s.o.Origins, origin) && !slices.Contains(s.o.Origins, "*") {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
	if c.r.Method == http.MethodOptions {
		h.Add("Vary", "Access-Control-Request-Headers")
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key, X-Request-Id")
		if asked := c.r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 { // libraries have their own
			h.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
		}
		h.Set("Access-Control-Max-Age", "3600")
	}
	return true
}

// public reports whether a request needs no key: the page, and what load balancers ask.
func (s *Server) public(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return r.URL.Path == "/health" || r.URL.Path == "/v1/health" || !s.o.NoPage && isPage(r.URL.Path)
}

// knows reports whether a request has one of the keys. It takes the same time for all keys.
func (s *Server) knows(r *http.Request) bool {
	if len(s.keys) == 0 {
		return true
	}
	key := r.Header.Get("X-Api-Key")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(rest)
	}
	sum := sha256.Sum256([]byte(key))
	found := 0
	for _, k := range s.keys {
		found |= subtle.ConstantTimeCompare(sum[:], k[:])
	}
	return found == 1
}

// requestID returns the id that the client has given, if it is harmless, or a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	odd := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	}
	if id != "" && len(id) <= 128 && !strings.ContainsFunc(id, odd) {
		return id
	}
	return "req-" + randomID()
}

func randomID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// recover turns a panic of a handler into an error: status 500, or the end of the connection if
// an answer has begun.
func (c *call) recover() {
	x := recover()
	if x == nil {
		return
	}
	if x == http.ErrAbortHandler {
		panic(x)
	}
	c.s.o.Logger.Error("panic", "id", c.id, "panic", fmt.Sprint(x), "stack", string(debug.Stack()))
	if c.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	c.fail(&apiError{status: http.StatusInternalServerError, kind: kindServer, message: "an internal error, see the server's log for request " + c.id})
}

// log writes the line of a request. It has no text of a prompt or an answer.
func (c *call) log() {
	took := time.Since(c.start)
	c.s.metrics.request(c, took)
	attrs := []any{"id", c.id, "method", c.r.Method, "path", c.r.URL.Path, "status", c.w.status, "bytes", c.w.bytes, "seconds", took.Seconds(), "remote", c.r.RemoteAddr}
	if c.model != "" {
		attrs = append(attrs, "model", c.model)
	}
	if c.prompt > 0 {
		attrs = append(attrs, "prompt_tokens", c.prompt, "cached_tokens", c.cached, "completion_tokens", c.predicted, "finish", c.finish)
	}
	if c.gone {
		attrs = append(attrs, "client", "gone")
	}
	level := slog.LevelInfo
	switch {
	case c.w.status >= 500:
		level = slog.LevelWarn
	case !strings.HasPrefix(c.r.Method, http.MethodPost) && c.w.status < 400:
		level = slog.LevelDebug // polls
	}
	c.s.o.Logger.Log(context.WithoutCancel(c.r.Context()), level, "request", attrs...)
}

// plain makes a handler of a function that computes nothing.
func (s *Server) plain(h func(*call) error) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c := callOf(r)
		c.r = r
		if err := h(c); err != nil {
			c.fail(err)
		}
	})
}

// computing makes a handler of a function that uses a model: it is not called while the server
// drains, or while too many others run.
func (s *Server) computing(h func(*call) error) http.Handler {
	return s.plain(func(c *call) error {
		if !s.begin() {
			c.w.Header().Set("Connection", "close")
			return unavailable("shutting_down", "the server is shutting down", 5*time.Second)
		}
		defer s.finish()
		select {
		case s.places <- struct{}{}:
			defer func() { <-s.places }()
		default:
			s.metrics.refused("too_many_requests")
			return &apiError{status: http.StatusTooManyRequests, kind: kindRate, code: "too_many_requests", retry: time.Second,
				message: fmt.Sprintf("%d requests are being handled, which is the most", cap(s.places)), figures: map[string]any{"requests": cap(s.places)}}
		}
		if err := h(c); err != nil {
			c.fail(err) // while the request counts: a drain waits for it
		}
		return nil
	})
}

// unknown answers requests for other addresses.
func (s *Server) unknown(_ http.ResponseWriter, r *http.Request) {
	c := callOf(r)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/" && pattern != "" && method != r.Method {
			c.w.Header().Set("Allow", method)
			c.fail(&apiError{status: http.StatusMethodNotAllowed, kind: kindRequest, code: "method_not_allowed", message: fmt.Sprintf("%s takes %s, not %s", r.URL.Path, method, r.Method)})
			return
		}
	}
	c.fail(&apiError{status: http.StatusNotFound, kind: kindNotFound, code: "unknown_url", message: fmt.Sprintf("there is nothing at %s %s", r.Method, words.Quoted(r.URL.Path))})
}
