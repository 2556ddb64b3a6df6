// Package apiclients has tests of package runtime/server with clients that were not written here:
// openai-go, go-openai, and npm's openai. They are apart from the package's own tests, as these
// clients take long to compile with the race detector.
package apiclients
