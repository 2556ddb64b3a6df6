package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/runtime"
)

// logger writes what -v asks for to standard error.
func (c *generateConfig) logger(s *streams) *slog.Logger {
	level := slog.LevelInfo
	if c.verbose > 1 {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// warn prints what is wrong with a model's file and does not keep it from being used.
func warn(w io.Writer, warnings []string) {
	for _, line := range warnings {
		fmt.Fprintln(w, "infer: warning: "+texts.OneLine(line))
	}
}

// warnSlow says that the program was compiled without instructions that this machine
// has, and what to do about it: it costs a factor of up to 20.
func warnSlow(w io.Writer) {
	sys, err := runtime.System()
	if err != nil || len(sys.Missing) == 0 {
		return
	}
	fmt.Fprintf(w, "infer: compiled without %s of this CPU, which makes it many times slower; before 'go build' or 'go install':\n%s",
		strings.Join(sys.Missing, ", "), buildFlags())
}

// buildFlags are the settings that the Makefile builds with, as commands of the system's shell.
func buildFlags() string {
	var b strings.Builder
	for _, v := range [][2]string{{"CGO_CFLAGS", "-O3 -march=native"}, {"CGO_CXXFLAGS", "-O3 -march=native"}, {"CGO_CPPFLAGS", "-DGGML_USE_CPU_REPACK"}} {
		fmt.Fprintf(&b, "  "+setVariable+"\n", v[0], v[1])
	}
	return b.String()
}
