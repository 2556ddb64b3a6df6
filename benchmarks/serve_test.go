package benchmarks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

// answeringServer is the first argument of this program when it is a server with OpenAI's API that
// needs no model.
const answeringServer = "answering-server"

// answerRequests answers each request with as many words as tokens were asked for, until SIGTERM. It
// refuses requests that differ from what servers should get.
func answerRequests(args []string) error {
	value := func(flag string) string {
		if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
			return args[i+1]
		}
		return ""
	}
	if value("--model") == "" || value("--threads") != "3" || value("--ctx-size") == "" || value("--parallel") == "" {
		return fmt.Errorf("unexpected arguments: %s", strings.Join(args, " "))
	}
	if value("--fails") != "" {
		return errors.New("no such model")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(value("--host"), value("--port")))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	mux := http.NewServeMux()
	if value("--folder") != "" {
		asOllama(mux, value("--folder"))
	}
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"ok"}`) })
	mux.HandleFunc("POST /v1/completions", func(w http.ResponseWriter, q *http.Request) {
		var body struct {
			Prompt    string
			Model     string
			MaxTokens int  `json:"max_tokens"`
			Ignore    bool `json:"ignore_eos"`
			Stream    bool
		}
		err := json.NewDecoder(q.Body).Decode(&body)
		mu.Lock()
		known := seen[body.Prompt]
		seen[body.Prompt] = true
		mu.Unlock()
		if err != nil || !body.Ignore || !body.Stream || known || (body.Model != "") != (value("--folder") != "") {
			http.Error(w, "a prompt that is known, or no stream", http.StatusBadRequest)
			return
		}
		n := body.MaxTokens
		if value("--short") != "" {
			n--
		}
		for i := range n {
			fmt.Fprintf(w, "data: {\"choices\":[{\"text\":\" %d\"}]}\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
		if value("--breaks") != "" && len(body.Prompt) > 30 {
			fmt.Fprint(w, "data: {\"error\":{\"message\":\"no memory\"}}\n\n")
			return
		}
		prompt := len(body.Prompt)
		if value("--cuts") != "" {
			prompt = min(prompt, 3)
		}
		fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n", prompt, n)
	})
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		os.Exit(0)
	}()
	server := &http.Server{Handler: mux}
	if value("--forgets") != "" { // closes connections that it has said to keep
		server.ConnState = func(c net.Conn, s http.ConnState) {
			if s == http.StateIdle {
				c.Close()
			}
		}
	}
	return server.Serve(l)
}

// answeringOllama is the first argument of this program when it is an ollama that needs no model.
const answeringOllama = "answering-ollama"

// ollamaCommand does what ollama does with the arguments.
func ollamaCommand(args []string) error {
	host, folder := os.Getenv("OLLAMA_HOST"), os.Getenv("OLLAMA_MODELS")
	if args[0] == "serve" {
		name, port, _ := net.SplitHostPort(host)
		return answerRequests([]string{"--host", name, "--port", port, "--folder", folder, "--model", "x", "--threads", "3", "--ctx-size", "x", "--parallel", os.Getenv("OLLAMA_NUM_PARALLEL")})
	}
	text, err := os.ReadFile(args[3])
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, args[1]), text, 0o600))
}

// asOllama adds what ollama has. Models can be loaded that have been made with the parameters.
func asOllama(mux *http.ServeMux, folder string) {
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	mux.HandleFunc("POST /api/generate", func(w http.ResponseWriter, q *http.Request) {
		var body struct{ Model string }
		_ = json.NewDecoder(q.Body).Decode(&body)
		text, err := os.ReadFile(filepath.Join(folder, filepath.Base(body.Model)))
		var path string
		var size, threads int
		if n, _ := fmt.Sscanf(string(text), "FROM %s\nPARAMETER num_ctx %d\nPARAMETER num_thread %d\n", &path, &size, &threads); err != nil || n != 3 || size < 16 || threads != 3 || !filepath.IsAbs(path) {
			http.Error(w, "no such model", http.StatusNotFound)
		}
	})
}

// serveOptions are options with that server as both servers.
func serveOptions(t *testing.T, more ...string) ServeOptions {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The peer gets its further arguments in front of those that all get.
	return ServeOptions{
		Server: append([]string{exe, answeringServer}, more...), Peer: exe, PeerArguments: []string{answeringServer},
		Ollama: []string{exe, answeringOllama}, Streams: []int{1, 3}, Tokens: 5, PromptTokens: 16, Requests: 2, Threads: 3,
	}
}

func TestServe(t *testing.T) {
	rs, err := (&Runner{Repetitions: 2}).Serve(t.Context(), serveOptions(t, "--forgets", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := rs.Err(); err != nil || len(rs) != 3*2*2 {
		t.Fatalf("%d records, %v", len(rs), err)
	}
	for _, r := range rs {
		streams := r.Metrics["streams"]
		if r.Metrics["requests"] != 2*streams || r.Metrics["answered_tokens"] != 2*5*streams || r.Metrics["answered_prompt_tokens"] < 2*16*streams {
			t.Errorf("%s: %v", r.Case, r.Metrics)
		}
		for _, name := range []string{totalRate, firstMedian, firstWorst, betweenMedian, betweenWorst, loadTime} {
			if !(r.Metrics[name] > 0) {
				t.Errorf("%s: %s is %g", r.Case, name, r.Metrics[name])
			}
		}
		if r.Machine.OS == "linux" && !(r.Metrics[serverRSS] > r.Metrics[serverAnon] && r.Metrics[serverAnon] > 0) {
			t.Errorf("%s: memory %v", r.Case, r.Metrics)
		}
	}
	var b strings.Builder
	if err := rs.Write(&b, Markdown, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| infer serve ", "| llama-server |", "| ollama ", "tok/s × ollama", "× one stream", "first token"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if err := rs.Plot(t.TempDir() + "/serve.svg"); err != nil {
		t.Error(err)
	}
}

func TestServersThatFailAreRecorded(t *testing.T) {
	for _, tt := range []struct{ flag, want string }{
		{"--fails", "the server has ended: exit status 1: no such model"},
		{"--short", "4 tokens instead of 5"},
		{"--breaks", "no memory"},
		{"--cuts", "a prompt of 3 tokens instead of "},
	} {
		t.Run(tt.flag, func(t *testing.T) {
			o := serveOptions(t, tt.flag, "x")
			o.Peer, o.Ollama, o.Streams = "", nil, []int{2}
			rs, err := (&Runner{Repetitions: 1}).Serve(t.Context(), o)
			if err != nil || len(rs) != 1 || rs[0].Status != Failed || !strings.Contains(rs[0].Reason, tt.want) {
				t.Errorf("%+v, %v", rs, err)
			}
		})
	}
}

func TestServersUnderALimit(t *testing.T) {
	o := serveOptions(t)
	o.Limits, o.Streams, o.PeerArguments = []float64{20}, []int{1}, append(o.PeerArguments, "--peer") // of 4 MB
	rs, err := (&Runner{Repetitions: 1}).Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if r.Status == Skipped {
			t.Skip(r.Reason)
		}
		if r.Status != OK || r.Labels["memory"] != "2000 %" || !(r.Metrics[limitBytes] > 0) || r.Metrics[groupPeak] > r.Metrics[limitBytes] {
			t.Errorf("%s: %s %s %v", r.Case, r.Status, r.Reason, r.Metrics)
		}
	}
}

func TestServersAreComparedWithThePeer(t *testing.T) {
	rec := func(server, streams string, rate, first, rss float64) Record {
		return Record{Experiment: serveName, Status: OK, Labels: map[string]string{"server": server, "streams": streams}, Metrics: map[string]float64{totalRate: rate, firstMedian: first, serverRSS: rss}}
	}
	rs := Results{rec(inferServer, "1", 10, 1, 80), rec(inferServer, "8", 30, 2, 90), rec(llamaServer, "1", 10, 1, 100), rec(llamaServer, "8", 20, 4, 100), rec(ollama, "8", 10, 8, 180)}
	deriveServe(rs, serveName)
	m := rs[1].Metrics
	if m[ofOneStream] != 3 || m[ofPeer] != 1.5 || m[firstOfPeer] != 0.5 || m[memoryOfPeer] != 0.9 || rs[3].Metrics[ofOneStream] != 2 || m[ofOllama] != 3 || m[memoryOfOther] != 0.5 || rs[4].Metrics[ofPeer] != 0.5 {
		t.Errorf("%v %v %v", m, rs[3].Metrics, rs[4].Metrics)
	}
}

func TestServeOptionsThatMakeNoSense(t *testing.T) {
	for name, o := range map[string]ServeOptions{
		"one token": {Tokens: 1}, "no prompts": {PromptTokens: -1}, "no requests": {Requests: -1}, "no streams": {Streams: []int{0}},
		"a negative limit": {Limits: []float64{-1}}, "no threads": {Threads: -1},
	} {
		if _, err := (&Runner{}).Serve(t.Context(), o); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
