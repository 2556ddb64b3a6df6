//go:build unix

package memtest

import (
	"os"
	"os/exec"
	"syscall"
)

const exeSuffix = ""

// ownGroup makes the child the leader of a new process group, so that its descendants can be waited
// for and killed together with it.
func ownGroup(cmd *exec.Cmd) {
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Setpgid = true
	cmd.SysProcAttr = &attr
}

// Errors of kill(2) here mean that the group has ended.

func quit(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGQUIT) }

func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
