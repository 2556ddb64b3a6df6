// Command infer generates text from GGUF models on machines short of memory, and
// looks into, tokenizes for, quantises and makes such models.
//
// Standard output carries results alone; progress, figures and errors go to standard
// error, an error as one line. It exits with 0, with 1 for a failure, 2 for wrong
// usage, 3 where there is not enough memory or another limit of the system is reached,
// and 128 plus the signal's number (130 for Ctrl-C) when interrupted. Run infer --help for the rest.
//
// Text that it reads is UTF-8, or what its byte order mark says. On Windows a console that is
// closed counts as a signal, SIGTERM.
package main

import (
	"io"
	"os"

	"github.com/seed7adf6694/infer/llama/start"
)

func main() {
	start.Prepare()
	ctx := interruptible()
	var stdin io.Reader = os.Stdin
	var stdout io.Writer = os.Stdout
	if start.Closed(0) {
		stdin = nil
	}
	if start.Closed(1) {
		stdout = closedOutput{}
	}
	os.Exit(run(ctx, os.Args[1:], stdin, stdout, os.Stderr))
}
