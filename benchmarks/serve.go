package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/seed7adf6694/infer/runtime"
)

const serveName = "serve"

// Metrics of the experiment with servers. Times are those that clients see.
const (
	firstMedian   = "first_token_median_seconds" // from the request on
	firstWorst    = "first_token_worst_seconds"
	betweenMedian = "between_tokens_median_seconds"
	betweenWorst  = "between_tokens_worst_seconds"
	serverRSS     = "server_rss_bytes" // with the pages of mapped files
	serverAnon    = "server_anon_bytes"
	ofOneStream   = "one_stream_ratio" // total speed relative to one stream of the same server
	ofPeer        = "peer_ratio"       // total speed relative to the other server
	firstOfPeer   = "first_token_peer_ratio"
	memoryOfPeer  = "memory_peer_ratio"
	ofOllama      = "ollama_ratio"
	memoryOfOther = "memory_ollama_ratio"
)

// Labels of servers.
const (
	inferServer = "infer serve"
	llamaServer = "llama-server"
	ollama      = "ollama"
)

// ServeOptions are the options of [Runner.Serve].
type ServeOptions struct {
	Model Model
	// Server is the program, with its first arguments, that serves models as infer serve does; nil:
	// this program with "serve".
	Server []string
	// Peer is llama.cpp's llama-server, to be measured in turn; "": none.
	Peer string
	// Ollama is the program of ollama, with its first arguments, to be measured in turn; nil: none. Its server
	// gets a copy of the model in a temporary folder, and loads it before the first request. It cuts prompts
	// off at half of its context: it gets twice the context. The model must not end texts by itself, as
	// ollama can't be told to go on.
	Ollama []string
	// Streams are numbers of clients at the same time; nil: 1 and 8.
	Streams []int
	// Limits are memory limits of the servers' control groups, as fractions of the size of the
	// model; 0 is no limit. nil: 0.
	Limits []float64

	Tokens       int // tokens to generate for each request; 0: 64
	PromptTokens int // tokens of a prompt on average; 0: 128
	Requests     int // requests of each stream, one after the other; 0: 2
	Context      int // tokens of context of each stream; 0: what prompts and answers need
	Threads      int // 0: [runtime.DefaultThreads]
	// Chat sends prompts as messages of a chat, which takes a model with a template.
	Chat bool
	// Arguments and PeerArguments are further arguments of the servers.
	Arguments, PeerArguments []string
}

// Serve measures servers with several clients that stream answers at the same time, as those clients
// see it: the tokens per second of all together, the time to the first token, the times between tokens,
// and the server's memory. Prompts are parts of the embedded text, of different lengths and without
// common beginnings. The servers get the same model, context, number of texts at once and threads.
//
// With an error it also returns the results so far.
func (r *Runner) Serve(ctx context.Context, o ServeOptions) (rs Results, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	m, err := r.prepare(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	folder := ""
	if o.Ollama != nil {
		if folder, err = os.MkdirTemp("", "infer-bench-"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	return r.run(ctx, plan{experiment: serveName, model: m, cases: o.cases(m, folder)})
}

func (o ServeOptions) withDefaults() (ServeOptions, error) {
	for _, x := range []struct {
		p         *int
		or        int
		name      string
		min, most int
	}{
		{&o.Tokens, 64, "tokens to generate", 2, 1 << 20}, {&o.PromptTokens, 128, "tokens of prompts", 1, 8 << 10},
		{&o.Requests, 2, "requests", 1, 1 << 10}, {&o.Threads, runtime.DefaultThreads(), "threads", 1, 512}, {&o.Context, 0, "tokens of context", 0, 1 << 24},
	} {
		if *x.p == 0 {
			*x.p = x.or
		}
		if *x.p < x.min || *x.p > x.most {
			return o, fmt.Errorf("%w: %d %s out of range (%d to %d)", runtime.ErrOption, *x.p, x.name, x.min, x.most)
		}
	}
	if o.Streams == nil {
		o.Streams = []int{1, 8}
	}
	for _, n := range o.Streams {
		if n < 1 || n > 256 {
			return o, fmt.Errorf("%w: %d streams out of range (1 to 256)", runtime.ErrOption, n)
		}
	}
	if o.Limits == nil {
		o.Limits = []float64{0}
	}
	for _, l := range o.Limits {
		if !(l >= 0 && l <= 100) {
			return o, fmt.Errorf("%w: memory limit of %g times the model out of range (0 to 100)", runtime.ErrOption, l)
		}
	}
	if o.Context == 0 {
		o.Context = 2*o.PromptTokens + o.Tokens + 64 // the longest prompt has 7/4 of the average, more or less
	}
	if o.Server == nil {
		exe, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("cannot find this program's executable to serve: %w", err)
		}
		o.Server = []string{exe, "serve"}
	}
	return o, nil
}

// cases returns the cases: the servers in turn for each limit and number of streams.
func (o ServeOptions) cases(m *preparedModel, folder string) []testCase {
	servers := []string{inferServer}
	if o.Peer != "" {
		servers = append(servers, llamaServer)
	}
	if o.Ollama != nil {
		servers = append(servers, ollama)
	}
	var cases []testCase
	for _, share := range o.Limits {
		for _, n := range o.Streams {
			for _, s := range servers {
				cases = append(cases, o.serverCase(m, folder, s, share, n))
			}
		}
	}
	return cases
}

func (o ServeOptions) serverCase(m *preparedModel, folder, server string, share float64, streams int) testCase {
	limit := uint64(share * float64(m.about.Bytes))
	command := slices.Concat(o.Server, o.Arguments)
	if server == llamaServer {
		command = slices.Concat([]string{o.Peer}, o.PeerArguments)
		if limit > 0 {
			command = append(command, "--no-repack") // repacked weights are private: the process would be killed
		}
	}
	command = append(command, "--model", m.path, "--ctx-size", strconv.Itoa(o.Context*streams),
		"--parallel", strconv.Itoa(streams), "--threads", strconv.Itoa(o.Threads))
	if server == ollama {
		command = o.Ollama
	}
	c := testCase{
		name: fmt.Sprintf("%s, %s", server, times(streams, "stream")), labels: map[string]string{"server": server, "streams": strconv.Itoa(streams)},
		metrics: map[string]float64{"streams": float64(streams)}, cold: limit > 0,
		job: job{
			Do: "serve", Model: m.path, Command: command, Ollama: server == ollama, Context: 2 * o.Context, Folder: folder, Limit: limit, Chat: o.Chat,
			Sessions: streams, Requests: o.Requests, Tokens: o.Tokens, PromptTokens: o.PromptTokens, Threads: o.Threads,
		},
	}
	if limit > 0 {
		c.labels["memory"] = fmt.Sprintf("%.0f %%", 100*share)
		c.name += ", memory " + c.labels["memory"] + " of the model"
		c.metrics[limitBytes], c.metrics["limit_model_ratio"] = float64(limit), share
	}
	return c
}
