package benchmarks

import (
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// thisMachine describes the machine, as far as known.
func thisMachine() Machine {
	m := Machine{OS: goruntime.GOOS, Arch: goruntime.GOARCH, CPUs: goruntime.NumCPU(), CPU: system.CPU(), Kernel: system.Kernel()}
	if p, err := probe.Measure(); err == nil {
		m.Memory = p.RAMTotal
	}
	return m
}

// thisEngine describes the engine. In builds without one it returns [runtime.ErrNoEngine].
func thisEngine() (Engine, error) {
	s, err := runtime.System()
	if err != nil {
		return Engine{}, err
	}
	e := Engine{Version: s.EngineVersion, Commit: s.EngineCommit, Compiled: s.Compiled, Repack: s.Repack, ABI: s.Engine.ABI}
	if s.Engine.Folder != "" {
		e.Folder = filepath.Base(s.Engine.Folder)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, x := range info.Settings {
			switch {
			case x.Key == "vcs.revision":
				e.Revision = x.Value + e.Revision
			case x.Key == "vcs.modified" && x.Value == "true":
				e.Revision += "+"
			}
		}
	}
	return e, nil
}
