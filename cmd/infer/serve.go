package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/server"
)

// serveConfig holds the flags of `infer serve`.
type serveConfig struct {
	generateConfig
	host, alias, dir, keyFile, template, templateFile, logFormat string
	keys, origins, hosts                                         []string
	port, parallel, queue                                        int
	maxBody                                                      uint64
	idle, drain, timeout                                         time.Duration
	noPage                                                       bool
}

func serveCommand() *command {
	f := newFlags()
	c := &serveConfig{generateConfig: generateConfig{flags: f}}
	f.group("Models")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model (default tiny, the embedded model)")
	f.text(&c.dir, "models", "", "", "DIR", "serve all models of a folder: each is opened when a request names it, and closed when another needs its memory (also --models-dir)")
	f.text(&c.alias, "alias", "a", "", "NAME", "the model's name in answers (default the file's name)")
	c.parsedDuration(f, &c.idle, "idle-timeout", "close a model that was not used for this long, and open it again on demand (default never)")
	f.text(&c.template, "chat-template", "", "", "TEMPLATE", "a template's name or text to use instead of the model's own")
	f.text(&c.templateFile, "chat-template-file", "", "", "FILE", "read that template from a file")
	f.parsed("lora", "", "FILE", "apply a LoRA adapter (repeatable)", c.addAdapter(false))
	f.parsed("lora-scaled", "", "FILE:SCALE", "apply a LoRA adapter with a scale (repeatable)", c.addAdapter(true))
	c.serverFlags(f)
	f.group("Defaults of requests")
	c.generationDefaults(f)
	c.memoryFlags(f, topicMemory)
	f.group("Output")
	f.choice(&c.logFormat, "log-format", "", "text", []string{"text", "json"}, "a line for each request and event on standard error; prompts and answers are never logged")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "log warnings and errors only, and no progress bar")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	f.CountVarP(&c.verbose, "verbose", "v", "log polls and decisions too; twice for the engine's own log")
	return &command{
		name:     "serve",
		summary:  "answer requests over HTTP: OpenAI's API and a page for chats",
		synopsis: []string{"[flags]", "--models DIR [flags]"},
		about: "Serves a model, or all models of a folder, with OpenAI's API (/v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings, /v1/models), Anthropic's /v1/messages, llama-server's /completion, /health, /props, /slots, /tokenize, /detokenize, /rerank and /metrics, and a page for chats at /. " +
			"Requests are computed together. One that does not fit into the memory that is left waits; when too many wait, the next gets status 429. When the server may be used, a line on standard output has its address. SIGTERM and Ctrl-C let running requests finish first; a second one ends it at once.",
		examples: []string{
			`infer serve -m model.gguf`, "on http://127.0.0.1:8080",
			`infer serve -m model.gguf --host 0.0.0.0 --api-key-file keys.txt`, "for others, with keys",
			`infer serve --models ~/models --max-memory 12G --idle-timeout 10m`, "several models within one budget",
		},
		flags:   f,
		aliases: spellings.Shorthands{"np": "parallel", "to": "timeout", "cb": "cont-batching"},
		run:     c.run,
	}
}

// serverFlags defines the flags for clients and requests.
func (c *serveConfig) serverFlags(f *flags) {
	f.group("Server")
	f.text(&c.host, "host", "", "127.0.0.1", "ADDRESS", "address to listen on; 0.0.0.0 for all of this machine's")
	f.integer(&c.port, "port", "", 8080, 0, math.MaxUint16, "port; 0 for a free one")
	f.parsed("api-key", "", "KEY", "a key of which requests have to bring one (repeatable, or with commas; default $INFER_API_KEY, or none)", c.addKeys)
	f.text(&c.keyFile, "api-key-file", "", "", "FILE", "read keys from a file, one per line")
	f.integer(&c.parallel, "parallel", "", 8, 1, 256, "texts that are computed at the same time (also -np); they share the context of --ctx-size")
	f.integer(&c.queue, "queue", "", 128, 1, 1<<20, "requests that may wait for a place; another one gets status 429")
	f.parsed("cors-origin", "", "ORIGIN", "allow pages of this origin to use the server, * for all (repeatable; default none)", c.addOrigin)
	f.parsed("allow-host", "", "NAME", "without keys, on a loopback address: answer requests for this name too (header Host), as from a proxy; * for all (repeatable)", c.addHost)
	f.Var(values.Size{P: &c.maxBody}, "max-body", "largest body of a request (default 8MiB)")
	c.timeout, c.drain = time.Minute, 30*time.Second
	c.parsedDuration(f, &c.timeout, "timeout", "how long a client may take to send a request, and to accept a part of an answer (also -to; default 1m)")
	c.parsedDuration(f, &c.drain, "drain-timeout", "how long running requests may go on after SIGTERM (default 30s)")
	f.BoolVar(&c.noPage, "no-webui", false, "serve no page at /")
	// llama-server's switches for what is always on.
	always := []string{"metrics", "slots", "props", "cont-batching", "embeddings", "reranking"}
	for _, name := range always {
		f.parsed(name, "", "BOOL", "", func(s string) error {
			if on, err := strconv.ParseBool(s); err != nil || !on {
				return errors.New("it is always on: leave it out")
			}
			return nil
		})
		f.Lookup(name).NoOptDefVal = "true"
	}
	f.Bool("jinja", true, "")
	f.hide(append(always, "jinja")...)
}

// generationDefaults defines the flags for what requests leave open.
func (c *serveConfig) generationDefaults(f *flags) {
	f.integer(&c.predict, "predict", "n", -1, -1, math.MaxInt32, "tokens to generate at most; -1 for no limit but the context")
	f.parsed("seed", "s", "N", "random seed; -1 for a new one each time (default -1)", c.setSeed)
	f.decimal(&c.temp, "temp", 0.8, 0, math.MaxFloat32, "temperature; 0 always takes the most likely token")
	f.integer(&c.topK, "top-k", "", 40, -1, math.MaxInt32, "sample among the N most likely tokens; 0 for all")
	f.decimal(&c.topP, "top-p", 0.95, 0, 1, "sample among the most likely tokens whose probabilities add up to this; 1 for all")
	f.decimal(&c.minP, "min-p", 0.05, 0, 1, "leave out tokens less likely than this fraction of the most likely token; 0 is off")
	c.repeatPenalty = 1
	f.Var(values.Decimal{P: &c.repeatPenalty, Max: math.MaxFloat32, Positive: true}, "repeat-penalty", "penalty for repeated tokens; 1 is off")
	c.typical, c.topN, c.dynExp, c.xtcThreshold, c.mirostatRate, c.mirostatEntropy = 1, -1, 1, 0.1, 0.1, 5
	c.repeatLastN, c.dryBase, c.dryAllowed, c.dryLastN, c.random = 64, 1.75, 2, -1, true
}

// parsedDuration defines a flag for a time: seconds, as llama-server takes them, or with a unit.
func (c *serveConfig) parsedDuration(f *flags, p *time.Duration, name, usage string) {
	f.parsed(name, "", "TIME", usage, func(s string) error {
		d, err := time.ParseDuration(s)
		if n, e := strconv.ParseFloat(s, 64); e == nil {
			d, err = time.Duration(n*float64(time.Second)), nil
		}
		if err != nil {
			return errors.New("want seconds, or a time such as 90s, 10m or 1h30m")
		}
		if d <= 0 || d > 1000*time.Hour {
			return errors.New("out of range: want more than 0 and at most 1000h")
		}
		*p = d
		return nil
	})
}

func (c *serveConfig) addKeys(s string) error {
	for key := range strings.SplitSeq(s, ",") {
		if key = strings.TrimSpace(key); key == "" {
			return errors.New("a key is empty")
		}
		c.keys = append(c.keys, key)
	}
	return nil
}

func (c *serveConfig) addHost(s string) error {
	if s == "" || strings.ContainsAny(s, "/ ") {
		return errors.New("want a name such as llm.example.com, or *")
	}
	c.hosts = append(c.hosts, strings.ToLower(s))
	return nil
}

// knownHosts are the names by which a server on a loopback address may be called; nil: any. Web pages
// have no key, so that one that has pointed a name here learns nothing where keys are needed.
func (c *serveConfig) knownHosts() []string {
	ip := net.ParseIP(c.host)
	if c.host != "localhost" && (ip == nil || !ip.IsLoopback()) || len(c.keys) > 0 || slices.Contains(c.hosts, "*") {
		return nil
	}
	return slices.Concat(server.LoopbackHosts(), []string{c.host}, c.hosts)
}

func (c *serveConfig) addOrigin(s string) error {
	// Apps have schemes of their own, such as app://obsidian.md.
	u, err := url.Parse(s)
	if s != "*" && (err != nil || u.Scheme == "" || u.Host == "" || s != u.Scheme+"://"+u.Host) {
		return errors.New("want an origin such as https://example.com, or *")
	}
	c.origins = append(c.origins, s)
	return nil
}

// readKeys adds the keys of the file and of the environment.
func (c *serveConfig) readKeys(ctx context.Context, s *streams) error {
	if c.keyFile != "" {
		text, err := s.readInput(ctx, c.keyFile)
		if err != nil {
			return fmt.Errorf("API keys: %w", err)
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				c.keys = append(c.keys, line)
			}
		}
		if len(c.keys) == 0 {
			return usagef("--api-key-file: %s has no keys", c.keyFile)
		}
	}
	if key := os.Getenv("INFER_API_KEY"); key != "" && len(c.keys) == 0 {
		return c.addKeys(key)
	}
	return nil
}

func (c *serveConfig) run(ctx context.Context, s *streams, args []string) error {
	if len(args) > 0 {
		return unexpected(args)
	}
	if c.dir != "" && (c.model != "" || c.alias != "") {
		return usagef("--models serves the models of a folder by their names: it excludes --model and --alias")
	}
	if err := c.readKeys(ctx, s); err != nil {
		return err
	}
	o, err := c.serverOptions(ctx, s)
	if err != nil {
		return err
	}
	if !c.quiet {
		warnSlow(s.err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(c.host, strconv.Itoa(c.port)))
	if err != nil {
		return fmt.Errorf("--host and --port: %w", err)
	}
	defer listener.Close()
	if c.verbose > 1 {
		llama.SetLogger(o.Logger)
		defer llama.SetLogger(nil)
	}
	if c.pool > 0 {
		if err := poolFits(c.pool); err != nil {
			return err
		}
		if o.Open.Pool, err = memory.NewPool(c.pool, memory.PoolOptions{SegmentSize: c.chunk}); err != nil {
			return err
		}
		defer o.Open.Pool.Close()
	}
	srv, err := server.New(ctx, o)
	if err != nil {
		return err
	}
	defer srv.Close()
	return c.serve(ctx, s, srv, listener)
}

// serve opens the model while health checks are answered already, says where the server is, and
// answers requests until a signal.
func (c *serveConfig) serve(ctx context.Context, s *streams, srv *server.Server, listener net.Listener) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, listener) }()
	err := srv.Load(ctx)
	if err == nil {
		_, err = fmt.Fprintf(s.out, "listening on http://%s\n", listener.Addr())
	}
	if err != nil {
		stop(err)
	}
	if e := <-ended; err == nil {
		err = e
	}
	return err
}

// serverOptions translates the flags.
func (c *serveConfig) serverOptions(ctx context.Context, s *streams) (o server.Options, err error) {
	open, session, gen, err := c.options()
	if err != nil {
		return o, err
	}
	for _, f := range c.fallbacks {
		if _, err := models.Resolve(f, models.ResolveOptions{}); err != nil {
			return o, fmt.Errorf("fallback: %w", err)
		}
	}
	if c.template != "" && c.templateFile != "" {
		return o, usagef("--chat-template and --chat-template-file exclude each other")
	}
	if o.ChatTemplate = c.template; c.templateFile != "" {
		if o.ChatTemplate, err = s.readInput(ctx, c.templateFile); err != nil {
			return o, fmt.Errorf("chat template: %w", err)
		}
		if _, err := chat.Parse(o.ChatTemplate, chat.ParseOptions{}); err != nil {
			return o, fmt.Errorf("%s: %w", c.templateFile, err)
		}
		if o.ChatTemplate == "" { // which would mean the model's own
			return o, fmt.Errorf("chat template: %s is empty", c.templateFile)
		}
	}
	o.Path, o.Dir, o.Name, o.Later = c.model, c.dir, c.alias, true
	if o.Path == "" && o.Dir == "" {
		o.Path = models.TinyName
	}
	o.Open, o.Defaults = open, gen
	o.Batch = runtime.BatchOptions{SessionOptions: session, Slots: c.parallel, Queue: c.queue}
	o.IdleTimeout, o.DrainTimeout, o.BodyTimeout, o.WriteTimeout = c.idle, c.drain, c.timeout, c.timeout
	o.Keys, o.Origins, o.MaxBody, o.NoPage = c.keys, c.origins, int64(c.maxBody), c.noPage
	o.Hosts = c.knownHosts()
	o.Logger = c.serverLogger(s)
	bar := terminal.NewBar(s.err, !c.quiet && !c.noProgress && c.verbose == 0)
	o.Open.Progress = func(p runtime.Progress) {
		if bar.Show("loading ("+p.Mode.String()+")", p.Done, p.Total); p.Done >= p.Total {
			bar.Clear()
		}
	}
	return o, nil
}

// serverLogger returns the logger of the server's lines.
func (c *serveConfig) serverLogger(s *streams) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	switch {
	case c.quiet:
		o.Level = slog.LevelWarn
	case c.verbose > 0:
		o.Level = slog.LevelDebug
	}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(s.err, o))
	}
	return slog.New(slog.NewTextHandler(s.err, o))
}
