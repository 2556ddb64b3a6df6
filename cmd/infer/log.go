package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/runtime"
)

// logger returns the logger of -v, which writes to standard error.
func (c *generateConfig) logger(s *streams) *slog.Logger {
	level := slog.LevelInfo
	if c.verbose > 1 {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// warn prints defects of a model's file that do not prevent its use.
func warn(w io.Writer, warnings []string) {
	for _, line := range warnings {
		fmt.Fprintln(w, "infer: warning: "+texts.OneLine(line))
	}
}

// warnSlow warns if the program was compiled without instructions that this CPU has, which makes it
// up to 20 times slower, and names the remedy.
func warnSlow(w io.Writer) {
	sys, err := runtime.System()
	if err != nil || len(sys.Missing) == 0 {
		return
	}
	fmt.Fprintf(w, "infer: compiled without %s, which this CPU has, and therefore many times slower; set before 'go build' or 'go install':\n%s",
		strings.Join(sys.Missing, ", "), buildFlags())
}

// buildFlags returns the Makefile's build settings as commands for the system's shell.
func buildFlags() string {
	var b strings.Builder
	for _, v := range [][2]string{{"CGO_CFLAGS", "-O3 -march=native"}, {"CGO_CXXFLAGS", "-O3 -march=native"}, {"CGO_CPPFLAGS", "-DGGML_USE_CPU_REPACK"}} {
		fmt.Fprintf(&b, "  "+setVariable+"\n", v[0], v[1])
	}
	return b.String()
}
