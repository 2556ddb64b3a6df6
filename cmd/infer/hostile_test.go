//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
)

// A file that would hurt the engine ends the program with one line, and no more.
func TestHostileFilesAreRefused(t *testing.T) {
	needEngine(t)
	for name, c := range ggufcases.Hostile() {
		t.Run(name, func(t *testing.T) {
			path, err := c.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			cmd, stderr := program(t, "-m", path, "-p", "x", "-n", "1", "-q")
			out, _ := cmd.Output()
			line := stderr.String()
			if code := cmd.ProcessState.ExitCode(); code != exitFailure || len(out) > 0 || !strings.HasPrefix(line, "infer: ") || strings.Count(line, "\n") != 1 {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, out, line)
			}
			if !strings.Contains(line, c.Want) {
				t.Errorf("%q is missing in %q", c.Want, line)
			}
		})
	}
}
