package benchmarks

import (
	"maps"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// Status is how a case ended.
type Status string

// The ways in which a case can end.
const (
	OK      Status = "ok"
	Failed  Status = "failed"  // it ran, with an error or a wrong result
	Skipped Status = "skipped" // this machine cannot run the case
)

// Record is one run of one case.
type Record struct {
	// Run is the time at which the experiment's run began. All records of one run share it.
	Run        time.Time         `json:"run"`
	Experiment string            `json:"experiment"`
	Case       string            `json:"case"`
	Labels     map[string]string `json:"labels"` // what distinguishes the case from others
	Repetition int               `json:"repetition"`
	Status     Status            `json:"status"`
	Reason     string            `json:"reason,omitempty"` // why it failed or was skipped
	Notes      []string          `json:"notes,omitempty"`  // irregularities
	// Metrics are the known figures. The suffix of a name is its unit: _bytes, _seconds,
	// _per_second, _ratio; others are counts.
	Metrics map[string]float64 `json:"metrics"`
	Tokens  []int32            `json:"tokens,omitempty"` // generated tokens
	// Series are figures over time, by name. "seconds" has the times.
	Series map[string][]float64 `json:"series,omitempty"`

	Model   ModelFile `json:"model"`
	Machine Machine   `json:"machine"`
	Engine  Engine    `json:"engine"`
	Flags   []string  `json:"flags,omitempty"` // flags of the command
}

// ModelFile identifies the model.
type ModelFile struct {
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"` // size on disk
	SHA256 string `json:"sha256"`
}

// Machine describes the machine.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`         // number that the process may use
	Memory uint64 `json:"memory_bytes"` // RAM; 0 if unknown
}

// Engine describes the engine.
type Engine struct {
	Version  string   `json:"version"`          // of the module that is compiled in, or of the libraries
	Commit   string   `json:"commit"`           // of llama.cpp; "" for libraries
	ABI      string   `json:"abi,omitempty"`    // see llama.EngineInfo
	Folder   string   `json:"folder,omitempty"` // the last part of the libraries' folder; "": compiled in
	Compiled []string `json:"cpu_compiled"`
	Repack   bool     `json:"repack"`
	Revision string   `json:"revision"` // of this program; "" if unknown
}

func (r *Record) note(text string) {
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// withoutFolders replaces paths in flags by the names of their files, so that records can be
// published.
func withoutFolders(flags []string) []string {
	var out []string
	for _, f := range flags {
		name := ""
		if at := strings.IndexByte(f, '=') + 1; strings.HasPrefix(f, "-") && at > 0 { // --out=FILE
			name, f = f[:at], f[at:]
		} else if strings.HasPrefix(f, "-") && len(f) > 2 { // -mFILE
			name, f = f[:2], f[2:]
		}
		if strings.ContainsFunc(f, isSeparator) {
			f = filepath.Base(f)
		}
		out = append(out, name+f)
	}
	return out
}

func isSeparator(r rune) bool { return r == '/' || r == filepath.Separator }

// hideFolders removes the folders of the model's files from reasons and notes.
func (r *Record) hideFolders(m *preparedModel) {
	for _, path := range m.files {
		name := filepath.Base(path)
		r.Reason = strings.ReplaceAll(r.Reason, path, name)
		for i := range r.Notes {
			r.Notes[i] = strings.ReplaceAll(r.Notes[i], path, name)
		}
	}
}

func (r *Record) fail(reason string) { r.Status, r.Reason = Failed, reason }

// clone returns a copy with its own map of metrics.
func (r Record) clone() Record {
	r.Metrics = maps.Clone(r.Metrics)
	if r.Metrics == nil {
		r.Metrics = map[string]float64{}
	}
	return r
}

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
