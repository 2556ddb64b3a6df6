//go:build cgo

package server_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/server"
)

// A server is an http.Handler. A program that has no service of its own calls Serve instead.
func Example() {
	s, err := server.New(context.Background(), server.Options{
		Path:  "tiny", // the embedded model
		Open:  runtime.Options{MaxMemory: 1 << 30},
		Batch: runtime.BatchOptions{Slots: 2},
	})
	if err != nil {
		log.Fatal(err) // errors.Is runtime.ErrInsufficientMemory: it does not fit
	}
	defer s.Close()
	mux := http.NewServeMux()
	mux.Handle("/llm/", http.StripPrefix("/llm", s))
	h := httptest.NewServer(mux)
	defer h.Close()

	resp, err := http.Post(h.URL+"/llm/v1/completions", "application/json", strings.NewReader(`{"promt": "Once"}`))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Status)
	fmt.Println(strings.Contains(string(body), `"param":"promt"`) || strings.Contains(string(body), `"param":"prompt"`))
	// Output:
	// 400 Bad Request
	// true
}
