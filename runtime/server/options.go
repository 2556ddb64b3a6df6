package server

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
)

// Options are the options of [New]. One of Model, Path and Dir is set.
type Options struct {
	// Model is an open model to serve. It is not closed by the server.
	Model *runtime.Model
	// Path is the model to open and serve: a file or a name, as for [runtime.Open].
	Path string
	// Dir is a folder whose models are opened when a request names them: see [models.List].
	// A model that is not in use is closed when another needs its memory, the one that was used
	// least recently first.
	Dir string
	// Later makes New not open the model of Path: [Server.Load] does, or the first request.
	Later bool
	// Name is the name of the one model in answers; "": the file's name without .gguf.
	Name string

	// Open are the options for opening models. MaxMemory is the budget of all models together.
	Open runtime.Options
	// Batch are the options of each model's [runtime.Batch].
	Batch runtime.BatchOptions
	// Defaults are used where a request does not say otherwise: sampling and MaxTokens.
	Defaults runtime.GenerateOptions
	// ChatTemplate is the name or the source of a template to use instead of the models' own.
	ChatTemplate string
	// IdleTimeout closes a model that no request has used for this long; the next request opens
	// it again. 0: models stay open. It does not apply to Model.
	IdleTimeout time.Duration

	// Keys are the API keys of which requests have to bring one, as "Authorization: Bearer KEY" or
	// "X-Api-Key: KEY"; empty: none is needed. /health and the page need none.
	Keys []string
	// Hosts are the names by which the server may be called (the Host header, without the port);
	// empty: by any. [LoopbackHosts] keep web pages from reaching a server on this machine by
	// a name that they have pointed here (DNS rebinding).
	Hosts []string
	// Origins are web origins ("https://example.com", or "*") whose pages may call the server
	// (CORS); empty: none but its own.
	Origins []string

	// MaxBody is the largest body of a request in bytes; 0: 8 MiB.
	MaxBody int64
	// MaxBodies is how many bytes of bodies are held at the same time; 0: 64 MiB, and at least
	// MaxBody. A request beyond it gets status 503.
	MaxBodies int64
	// MaxRequests is how many requests are handled at the same time; 0: 1024. Another one gets
	// status 429.
	MaxRequests int
	// BodyTimeout is how long a client may take to send a body; 0: one minute.
	BodyTimeout time.Duration
	// WriteTimeout is how long a client may take to accept a part of an answer; 0: one minute.
	// It does not limit how long an answer takes.
	WriteTimeout time.Duration
	// DrainTimeout is how long [Server.Serve] lets running requests finish at its end before it
	// cancels them; 0: 30 seconds.
	DrainTimeout time.Duration

	// NoPage serves no page at /.
	NoPage bool
	// Logger gets a line for each request, and what models do; nil: they are dropped.
	Logger *slog.Logger
}

// LoopbackHosts are the names of this machine for itself, for [Options].Hosts.
func LoopbackHosts() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// withDefaults fills in the defaults.
func (o Options) withDefaults() Options {
	o.MaxBody = cmp.Or(o.MaxBody, 8<<20)
	o.MaxBodies = max(cmp.Or(o.MaxBodies, 64<<20), o.MaxBody)
	o.MaxRequests = cmp.Or(o.MaxRequests, 1024)
	o.BodyTimeout = cmp.Or(o.BodyTimeout, time.Minute)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, time.Minute)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Open.Logger == nil {
		o.Open.Logger = o.Logger
	}
	o.Open.Session = o.Batch.SessionOptions
	return o
}

// Check returns an [runtime.OptionError] for an option that is out of range, or for options that
// exclude each other, or the [chat.TemplateError] of ChatTemplate.
func (o Options) Check() error {
	given := 0
	for _, is := range []bool{o.Model != nil, o.Path != "", o.Dir != ""} {
		if is {
			given++
		}
	}
	refuse := func(option, reason string) error {
		return &runtime.OptionError{Option: option, Reason: option + " " + reason}
	}
	switch {
	case given != 1:
		return refuse("model", "to serve: give one of Model, Path and Dir")
	case o.Name != "" && o.Dir != "":
		return refuse("name", "is for one model: the models of a folder have their files' names")
	case o.MaxBody < 0 || o.MaxBodies < 0 || o.MaxRequests < 0:
		return refuse("limit", "of requests is negative: use 0 for the default")
	case o.BodyTimeout < 0 || o.WriteTimeout < 0 || o.DrainTimeout < 0 || o.IdleTimeout < 0:
		return refuse("timeout", "is negative: use 0 for the default")
	}
	for _, k := range o.Keys {
		if k == "" {
			return refuse("key", "is empty")
		}
	}
	if err := chat.Check(o.ChatTemplate); err != nil {
		return err
	}
	return o.Defaults.Check()
}
