//go:build !unix

package memtest

import (
	"os"
	"os/exec"
)

const exeSuffix = ".exe"

func ownGroup(*exec.Cmd) {}

// An error of Kill here means that the process is gone already.

func quit(p *os.Process) { _ = p.Kill() }

func kill(p *os.Process) { _ = p.Kill() }
