package serving

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/seed7adf6694/infer/internal/clock"
)

// Ollama is a server of ollama with one model.
type Ollama struct {
	Command  []string // ollama, with its first arguments
	Model    string   // path of a GGUF file
	Context  int      // tokens of each text
	Parallel int      // texts at once
	Threads  int
	Folder   string // in which the server gets a folder of its own; "": the system's for temporary files
}

// model is the name of the model in the server.
const model = "bench"

// Start starts the server as [Start] does, in a folder of its own that has a copy of the model, and lets it
// load the model.
func (o Ollama) Start(ctx context.Context, limit uint64) (s *Server, err error) {
	dir, err := os.MkdirTemp(o.Folder, "infer-ollama-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if s == nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	host := "127.0.0.1:" + strconv.Itoa(port)
	env := append(os.Environ(), "HOME="+dir, "OLLAMA_MODELS="+filepath.Join(dir, "models"), "OLLAMA_HOST="+host,
		"OLLAMA_NUM_PARALLEL="+strconv.Itoa(o.Parallel), "OLLAMA_KEEP_ALIVE=-1", "OLLAMA_NO_CLOUD=1")
	cmd := o.command(context.Background(), env, "serve") // Stop ends it
	if s, err = start(ctx, cmd, &Server{URL: "http://" + host, folder: dir, client: Client{Model: model, health: "/api/version"}}, limit); err != nil {
		return s, err
	}
	if err := o.load(ctx, s, dir, env); err != nil {
		err = errors.Join(err, s.Err(), s.Stop())
		return nil, err
	}
	return s, nil
}

// command returns ollama with arguments, to be run in an environment.
func (o Ollama) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, o.Command[0], slices.Concat(o.Command[1:], args)...)
	cmd.Env = env
	return cmd
}

// load makes the model from its file, and loads it.
func (o Ollama) load(ctx context.Context, s *Server, dir string, env []string) error {
	file := filepath.Join(dir, "Modelfile")
	path, err := filepath.Abs(o.Model)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("FROM %s\nPARAMETER num_ctx %d\nPARAMETER num_thread %d\n", path, o.Context, o.Threads)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if out, err := o.command(ctx, env, "create", model, "-f", file).CombinedOutput(); err != nil {
		var t tail
		_, _ = t.Write(out)
		return fmt.Errorf("ollama create: %w: %s", err, t.last())
	}
	begin := clock.Now()
	res, err := s.Client(false).post(ctx, "/api/generate", map[string]any{"model": model, "stream": false})
	if err != nil {
		return err
	}
	s.LoadTime = clock.Since(begin)
	return res.Body.Close()
}
