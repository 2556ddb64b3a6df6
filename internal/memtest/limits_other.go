//go:build !linux && !windows

package memtest

import "os/exec"

var errLimits = &Unsupported{Tool: "limits", Missing: "limits on another process need Linux"}

func (l Limits) apply(int) error { return errLimits }

func startLimited(*exec.Cmd, Limits) error { return errLimits }

func (r *Result) addUsage(any) {}
