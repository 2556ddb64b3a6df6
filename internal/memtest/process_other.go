//go:build !unix

package memtest

import (
	"os"
	"os/exec"
)

const exeSuffix = ".exe"

func ownGroup(*exec.Cmd) {}

// Errors of Kill here mean that the process has ended.

func quit(p *os.Process) { _ = p.Kill() }

func kill(p *os.Process) { _ = p.Kill() }
