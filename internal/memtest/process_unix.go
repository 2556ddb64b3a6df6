//go:build unix

package memtest

import (
	"os"
	"os/exec"
	"syscall"
)

const exeSuffix = ""

// ownGroup makes the child lead a process group, so that its descendants can be waited
// for and ended with it.
func ownGroup(cmd *exec.Cmd) {
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Setpgid = true
	cmd.SysProcAttr = &attr
}

// An error of kill(2) here means that the group is gone already.

func quit(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGQUIT) }

func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
