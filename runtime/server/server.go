package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server answers requests. It is safe for concurrent use.
type Server struct {
	o       Options
	fleet   *fleet
	keys    [][sha256.Size]byte
	mux     *http.ServeMux
	handler http.Handler
	metrics *metrics
	started time.Time

	life     context.Context // ended by Close, and when a drain takes too long
	end      context.CancelFunc
	places   chan struct{} // one for each request that is handled
	bodies   atomic.Int64  // bytes of bodies that are held
	wide     atomic.Int64  // alternatives of tokens that answers may have: see mostAlternatives
	draining atomic.Bool
	ready    atomic.Bool // the model was opened once

	mu      sync.Mutex
	running int           // requests
	idle    chan struct{} // closed when none runs, while draining
}

// New returns a server of the models that the options name. The one of Path is opened now, those of
// Dir when a request names them. Errors are those of [runtime.Open] and [runtime.Model.NewBatch].
// ctx cancels New, and does not affect the server.
func New(ctx context.Context, o Options) (*Server, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s := &Server{o: o, started: time.Now(), places: make(chan struct{}, o.MaxRequests)}
	for _, k := range o.Keys {
		s.keys = append(s.keys, sha256.Sum256([]byte(k)))
	}
	var err error
	if s.fleet, err = newFleet(ctx, &s.o); err != nil {
		return nil, err
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.metrics = newMetrics(s)
	s.mux = http.NewServeMux()
	s.routes()
	s.handler = s.chain()
	s.ready.Store(!o.Later || o.Path == "")
	return s, nil
}

// Load opens the model of Options.Path if it is not open. Until then /health answers with status
// 503, and requests wait. With other options it does nothing. Errors are those of [runtime.Open] and
// [runtime.Model.NewBatch].
func (s *Server) Load(ctx context.Context) error {
	var err error
	if s.o.Path != "" {
		err = s.fleet.load(ctx)
	}
	if err == nil {
		s.ready.Store(true)
	}
	return err
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve answers requests on a listener until ctx ends, with limits on how long clients may take to
// send and to accept. Then new requests get status 503, running ones may finish for at most
// Options.DrainTimeout, and it cancels the rest. It closes the listener and not the server, and returns
// nil after an orderly end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          logOf(s.o.Logger),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.o.Logger.Info("draining", "requests", s.Running(), "timeout", s.o.DrainTimeout.String())
	end, cancel := context.WithTimeout(context.Background(), s.o.DrainTimeout)
	defer cancel()
	err := s.Shutdown(end) // meanwhile new requests get 503, /health included
	if errors.Is(err, context.DeadlineExceeded) {
		s.o.Logger.Warn("drain timeout: running requests were cancelled")
		err = nil
	}
	last := time.AfterFunc(time.Second, func() { h.Close() }) // clients that accept nothing
	defer last.Stop()
	_ = h.Shutdown(context.Background())
	<-failed
	return err
}

// Running returns how many requests are handled now.
func (s *Server) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Shutdown refuses new requests with status 503, /health included, and waits for running ones. When
// ctx ends, they are cancelled, and Shutdown returns the context's error after they have ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.mu.Lock()
	done := s.idle
	if done == nil {
		done = make(chan struct{})
		s.idle = done
		if s.running == 0 {
			close(done)
		}
	}
	s.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.end()
		<-done
		return ctx.Err()
	}
}

// Close cancels running requests, waits for them, and closes the models that the server has opened.
// Closing twice is safe.
func (s *Server) Close() error {
	s.end()
	_ = s.Shutdown(s.life)
	s.fleet.close()
	return nil
}

// begin counts a request that is handled, and reports whether it may be: not while draining.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle != nil || s.draining.Load() {
		return false
	}
	s.running++
	return true
}

func (s *Server) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.running == 0 && s.idle != nil {
		close(s.idle)
	}
}

// routes lists what is answered. Names without /v1 are llama-server's.
func (s *Server) routes() {
	get := func(pattern string, h func(*call) error) { s.mux.Handle("GET "+pattern, s.plain(h)) }
	post := func(h func(*call) error, patterns ...string) {
		for _, p := range patterns {
			s.mux.Handle("POST "+p, s.computing(h))
		}
	}
	for _, p := range []string{"/health", "/v1/health"} {
		get(p, s.health)
	}
	for _, p := range []string{"/v1/models", "/models"} {
		get(p, s.listModels)
	}
	get("/v1/models/{name...}", s.oneModel)
	get("/props", s.props)
	get("/slots", s.slots)
	get("/memory", s.memory)
	s.mux.Handle("GET /metrics", s.metrics.handler())
	post(s.chat, "/v1/chat/completions", "/chat/completions")
	post(s.responses, "/v1/responses", "/responses")
	post(s.complete, "/v1/completions")
	post(s.nativeComplete, "/completion", "/completions")
	post(s.embed, "/v1/embeddings")
	post(s.rerank, "/v1/rerank", "/v1/reranking", "/rerank", "/reranking")
	post(s.messages, "/v1/messages")
	post(s.countTokens, "/v1/messages/count_tokens")
	post(s.tokenize, "/tokenize")
	post(s.detokenize, "/detokenize")
	post(s.applyTemplate, "/apply-template")
	if !s.o.NoPage {
		s.page()
	}
	s.mux.Handle("/", http.HandlerFunc(s.unknown))
}
