package llama

import (
	"fmt"
	"path/filepath"
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

// EngineInfo describes an engine.
type EngineInfo struct {
	// ABI is the interface of its libraries: [ABIBuiltin] or [ABIv05].
	ABI     string `json:"abi"`
	Version string `json:"version"` // the commit of llama.cpp, or what the libraries say of themselves
	Folder  string `json:"folder"`  // with the libraries; "": compiled in
	Library string `json:"library"` // the file of llama in the folder; "": compiled in
}

// Path is what [UseEngine] loads for this engine, "" if it is compiled in.
func (e EngineInfo) Path() string {
	if e.Folder == "" {
		return ""
	}
	return filepath.Join(e.Folder, e.Library)
}

// String returns its version and the folder's name, "llama.cpp 0.5.0 (linux-x64)".
func (e EngineInfo) String() string {
	s := "llama.cpp " + e.Version
	if e.Folder != "" {
		s += " (" + filepath.Base(e.Folder) + ")"
	}
	return s
}

// Layouts names what repacks weights: the layouts of two engines may differ. It is the version of the
// module for the compiled-in engine.
func (e EngineInfo) Layouts() string {
	if e.Folder == "" {
		return EngineVersion
	}
	return "llama.cpp " + e.Version
}

// The interfaces of engines.
const (
	ABIBuiltin = "builtin" // the compiled-in engine
	ABIv05     = "v0.5"    // llama.cpp v0.4 and v0.5
)

var builtinEngine = EngineInfo{ABI: ABIBuiltin, Version: EngineCommit}

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
