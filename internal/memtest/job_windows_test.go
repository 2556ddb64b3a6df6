package memtest

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// A command that is started with limits is in their job before it runs, and runs.
func TestALimitedCommandRunsInItsJob(t *testing.T) {
	c, err := newJob(windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := Run(context.Background(), exec.Command("cmd", "/c", "echo", "here"), Limits{Cgroup: c})
	if err != nil || res.Code != 0 || strings.TrimSpace(string(res.Stdout)) != "here" {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := c.Usage(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error("twice:", err)
	}
}

func TestJobsOfWindows(t *testing.T) {
	for name, limited := range map[string]func() (*Cgroup, error){
		"memory":     func() (*Cgroup, error) { return NewCgroup(300 << 20) },
		"processors": func() (*Cgroup, error) { return NewProcessorGroup(0.5) },
	} {
		t.Run(name, func(t *testing.T) {
			c, err := limited()
			Need(t, err)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := Run(context.Background(), exec.Command("cmd", "/c", "echo"), Limits{AddressSpace: 1 << 30}); err == nil || !strings.Contains(err.Error(), "Windows has no limit like AddressSpace") {
		t.Error(err)
	}
}
