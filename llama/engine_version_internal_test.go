package llama

import (
	"errors"
	"runtime/debug"
	"strings"
	"testing"
)

func TestEngineOfAnotherVersionIsRefused(t *testing.T) {
	module := func(path, version string) *debug.Module { return &debug.Module{Path: path, Version: version} }
	replaced := func(by *debug.Module) *debug.Module {
		m := module(engineModule, EngineVersion)
		m.Replace = by
		return m
	}
	other := module("golang.org/x/sys", "v0.1.0")
	for _, tt := range []struct {
		name    string
		deps    []*debug.Module
		refused bool
	}{
		{"the version checked against is let through", []*debug.Module{other, module(engineModule, EngineVersion)}, false},
		{"a newer version is refused", []*debug.Module{other, module(engineModule, "v0.99.0")}, true},
		{"an older version is refused", []*debug.Module{module(engineModule, "v0.17.3"), other}, true},
		{"a version that only begins alike is refused", []*debug.Module{module(engineModule, EngineVersion+"-rc1")}, true},
		{"a replacement by a folder, which has no version, is refused", []*debug.Module{replaced(module("../ollama", ""))}, true},
		{"a replacement by another version is refused", []*debug.Module{replaced(module("example.com/fork", "v0.18.0"))}, true},
		{"a replacement by a copy of the same version is let through", []*debug.Module{replaced(module("example.com/copy", EngineVersion))}, false},
		{"a program that names no modules is let through", nil, false},
		{"another module of a similar path is of no interest", []*debug.Module{module(engineModule+"/x", "v9.9.9")}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkEngine(&debug.BuildInfo{Deps: tt.deps})
			if !tt.refused {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrEngineVersion) {
				t.Fatalf("error %v, want ErrEngineVersion", err)
			}
			if remedy := "go get " + engineModule + "@" + EngineVersion; !strings.Contains(err.Error(), remedy) {
				t.Errorf("%q does not say how to get the right version: %s", err, remedy)
			}
		})
	}
}
