package server

import (
	"embed"
	"net/http"
	"slices"
	"strconv"
)

//go:embed web
var web embed.FS

// pageFiles are the files of the page, with their types.
var pageFiles = []struct{ path, file, kind string }{
	{"/", "web/index.html", "text/html; charset=utf-8"},
	{"/page.css", "web/page.css", "text/css; charset=utf-8"},
	{"/page.js", "web/page.js", "text/javascript; charset=utf-8"},
}

func isPage(path string) bool {
	return slices.ContainsFunc(pageFiles, func(f struct{ path, file, kind string }) bool { return f.path == path })
}

// pagePolicy lets the page use nothing but this server.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves the page.
func (s *Server) page() {
	for _, f := range pageFiles {
		text, err := web.ReadFile(f.file)
		if err != nil {
			panic(err) // it is embedded
		}
		pattern := "GET " + f.path
		if f.path == "/" {
			pattern = "GET /{$}"
		}
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Type", f.kind)
			h.Set("Content-Length", strconv.Itoa(len(text)))
			h.Set("Content-Security-Policy", pagePolicy)
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "no-cache")
			w.WriteHeader(http.StatusOK)
			if r.Method != http.MethodHead {
				_, _ = w.Write(text) // the client may have gone
			}
		})
	}
}
