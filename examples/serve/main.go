// Command serve mounts a model with OpenAI's API in a service of its own, beside the service's other
// addresses, and keeps the model within a budget.
//
//	go run ./examples/serve -m model.gguf
//	curl localhost:8080/llm/v1/chat/completions -d '{"messages": [{"role": "user", "content": "Hello"}]}'
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/server"
)

func main() {
	model := flag.String("m", "tiny", "a GGUF file or the name of a model")
	address := flag.String("listen", "localhost:8080", "the address to listen on")
	budget := flag.Uint64("budget", 0, "MiB that the model may keep in memory; 0 for what is available")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, *model, *address, *budget<<20); err != nil {
		log.Fatal(err)
	}
}

// serve answers requests until ctx is done, and lets running ones finish.
func serve(ctx context.Context, model, address string, budget uint64) error {
	llm, err := server.New(ctx, server.Options{
		Path:   model,
		Open:   runtime.Options{MaxMemory: budget},
		Batch:  runtime.BatchOptions{Slots: 4},
		Logger: slog.Default(),
	})
	if err != nil {
		return err
	}
	defer llm.Close()
	mux := http.NewServeMux()
	mux.Handle("/llm/", http.StripPrefix("/llm", llm)) // the page is at /llm/
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Printf("listening on http://%s", listener.Addr())
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = llm.Shutdown(end) // answers that take longer end with an error
		_ = s.Shutdown(end)
	})()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
