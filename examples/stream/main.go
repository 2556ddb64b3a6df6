// Command stream serves a model over HTTP: the response to a POST of a prompt to / is the generated
// text, streamed token by token.
//
//	go run ./examples/stream -m model.gguf
//	curl -N -d "Once upon a time" localhost:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/seed7adf6694/infer/runtime"
)

func main() {
	model := flag.String("m", "tiny", "a GGUF file or the name of a model")
	address := flag.String("listen", "localhost:8080", "the address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, *model, *address); err != nil {
		log.Fatal(err)
	}
}

// serve answers requests until ctx is done, and waits for running requests.
func serve(ctx context.Context, model, address string) error {
	m, err := runtime.Open(ctx, model, runtime.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Printf("listening on http://%s", listener.Addr())
	server := &http.Server{Handler: handler{m}, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler answers each request in a session of its own. Sessions share the weights, and the
// processors.
type handler struct{ model *runtime.Model }

// longestPrompt is the largest prompt in bytes.
const longestPrompt = 64 << 10

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "send the prompt with POST", http.StatusMethodNotAllowed)
		return
	}
	prompt, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestPrompt))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s, err := h.model.NewSession(r.Context(), runtime.SessionOptions{})
	if errors.Is(err, runtime.ErrInsufficientMemory) {
		w.Header().Set("Retry-After", "1") // there is room again when other sessions have ended
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer s.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := http.NewResponseController(w).Flush
	// When the client disconnects, the request's context is cancelled, which stops the generation.
	for t, err := range s.Generate(r.Context(), string(prompt), runtime.GenerateOptions{MaxTokens: 200}) {
		if err == nil {
			_, err = io.WriteString(w, t.Text)
		}
		if err == nil {
			err = flush()
		}
		if err != nil {
			fmt.Fprintf(w, "\n[%v]\n", err)
			return
		}
	}
}
