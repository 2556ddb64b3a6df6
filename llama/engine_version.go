package llama

import (
	"fmt"
	"runtime/debug"
)

const (
	engineModule = "github.com/ollama/ollama"
	// EngineVersion is the version of the engine's module that the declarations of
	// this package were checked against.
	EngineVersion = "v0.17.4"
	// EngineCommit is the commit of llama.cpp that this version carries.
	EngineCommit = "ec98e2002"
)

// checkEngineVersion refuses another version of the engine, whose structures may have another
// layout. Programs without build information on modules (some build systems strip it) are accepted:
// go.sum has pinned the version.
func checkEngineVersion() error {
	if info, ok := debug.ReadBuildInfo(); ok {
		return checkEngine(info)
	}
	return nil
}

func checkEngine(info *debug.BuildInfo) error {
	for _, m := range info.Deps {
		if m.Path != engineModule {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version != EngineVersion {
			return fmt.Errorf("%w: linked with %s %s, checked against %s: run `go get %s@%s`",
				ErrEngineVersion, m.Path, m.Version, EngineVersion, engineModule, EngineVersion)
		}
	}
	return nil
}
