package main

import (
	"context"
	"fmt"
	"io"
	goruntime "runtime"
	"runtime/debug"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime"
)

func versionCommand() *command {
	f := newFlags()
	asJSON := false
	f.group("Flags")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	engineFlag(f)
	return &command{
		name:     "version",
		summary:  "show versions, CPU features and devices",
		synopsis: []string{"[flags]"},
		about:    "Shows the versions of the program and of its engine, the CPU features that the engine was compiled for, and those of this machine.",
		flags:    f,
		run: func(_ context.Context, s *streams, args []string) error {
			if len(args) > 0 {
				return unexpected(args)
			}
			v := readVersion(s.engine)
			if asJSON {
				return texts.WriteJSON(s.out, v)
			}
			_, err := io.WriteString(s.out, v.text())
			return err
		},
	}
}

// versionInfo is the output of `infer version --json`.
type versionInfo struct {
	Version  string `json:"version"`  // version of the program; "(devel)" if unknown
	Revision string `json:"revision"` // revision of its source; "" if unknown
	Go       string `json:"go"`
	System   string `json:"system"` // operating system and architecture
	CPUs     int    `json:"cpus"`   // number that the process may use

	Engine    string   `json:"engine"`        // version of the engine's module, or of its libraries
	Commit    string   `json:"engine_commit"` // "" for libraries
	ABI       string   `json:"engine_abi"`
	Folder    string   `json:"engine_folder"` // of its libraries; "": compiled in
	ChosenBy  string   `json:"engine_chosen_by"`
	Compiled  []string `json:"cpu_compiled"`
	Available []string `json:"cpu_available"`
	Missing   []string `json:"cpu_missing"` // available, but not compiled in
	Repack    bool     `json:"repack"`      // whether weights can be repacked for this CPU
	Kernels   string   `json:"kernels"`     // instruction set of the package's own kernels; "" for the engine's
	Devices   []device `json:"devices"`
	Problem   string   `json:"engine_error"` // why the engine is unavailable; "" if it is available
}

type device struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Kind        string `json:"kind"` // cpu, gpu, igpu or accel
	Free        uint64 `json:"memory_free_bytes"`
	Total       uint64 `json:"memory_total_bytes"`
}

func readVersion(use engineUse) versionInfo {
	v := versionInfo{Devices: []device{}, Version: "(devel)", Go: goruntime.Version(), System: goruntime.GOOS + "/" + goruntime.GOARCH, CPUs: goruntime.GOMAXPROCS(0)}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	sys, err := runtime.System()
	v.Compiled, v.Available, v.Missing = list(sys.Compiled), list(sys.Available), list(sys.Missing)
	for _, d := range sys.Devices {
		v.Devices = append(v.Devices, device{d.Name, d.Description, d.Kind, d.MemoryFree, d.MemoryTotal})
	}
	if err != nil {
		v.Problem = err.Error()
	} else {
		v.Engine, v.Commit, v.Repack, v.Kernels = sys.EngineVersion, sys.EngineCommit, sys.Repack, sys.Kernels
		v.ABI, v.Folder, v.ChosenBy = sys.Engine.ABI, sys.Engine.Folder, use.by
	}
	return v
}

// list turns nil into an empty list, so that JSON has [].
func list(s []string) []string { return append([]string{}, s...) }

func (v versionInfo) text() string {
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "%-14s %s\n", name, value) }
	row("infer", strings.TrimSpace(v.Version+" "+v.Revision))
	row("built with", v.Go+" for "+v.System)
	if v.Problem != "" {
		row("engine", "none: "+texts.OneLine(v.Problem))
		return b.String()
	}
	switch {
	case v.Folder != "":
		row("engine", "llama.cpp "+texts.OneLine(v.Engine)+" (ABI "+v.ABI+"), by "+v.ChosenBy)
		row("libraries", texts.OneLine(v.Folder))
	default:
		row("engine", "llama.cpp "+v.Commit+" (github.com/ollama/ollama "+v.Engine+"), compiled in")
	}
	row("compiled for", orNone(v.Compiled))
	row("CPU has", orNone(v.Available))
	if !v.Repack {
		row("repacking", "none: copied weights keep the layout of the file")
	}
	if v.Kernels != "" {
		row("kernels", v.Kernels+" for q4_0, q4_K, q5_K, q6_K, q8_0, iq4_xs and mxfp4 weights")
	}
	for i, d := range v.Devices {
		name := "devices"
		if i > 0 {
			name = ""
		}
		row(name, fmt.Sprintf("%s (%s), %s, %s free of %s", d.Name, d.Kind, texts.OneLine(d.Description), words.Size(d.Free), words.Size(d.Total)))
	}
	if len(v.Missing) > 0 && v.Folder == "" {
		fmt.Fprintf(&b, "\nCompiled without %s, which this CPU has, and therefore many times slower.\nTo build for this machine, set before 'go build' or 'go install':\n%s", strings.Join(v.Missing, ", "), buildFlags())
	}
	return b.String()
}

func orNone(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, " ")
}
