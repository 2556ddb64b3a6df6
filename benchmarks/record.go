package benchmarks

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Status is how a case ended.
type Status string

// Ends of a case.
const (
	OK      Status = "ok"
	Failed  Status = "failed"  // it ran and did not do what it should
	Skipped Status = "skipped" // this machine cannot run it
)

// Record is one run of one case.
type Record struct {
	// Run is the same for all records of one run of an experiment: when it began.
	Run        time.Time         `json:"run"`
	Experiment string            `json:"experiment"`
	Case       string            `json:"case"`
	Labels     map[string]string `json:"labels"` // what makes the case differ from others
	Repetition int               `json:"repetition"`
	Status     Status            `json:"status"`
	Reason     string            `json:"reason,omitempty"` // why it failed or was skipped
	Notes      []string          `json:"notes,omitempty"`  // what was not as it should be
	// Metrics are the figures, those that are known. The end of a name is its unit:
	// _bytes, _seconds, _per_second, _ratio; others are counts.
	Metrics map[string]float64 `json:"metrics"`
	Tokens  []int32            `json:"tokens,omitempty"` // generated
	// Series are figures over time, by name; the moments are those of "seconds".
	Series map[string][]float64 `json:"series,omitempty"`

	Model   ModelFile `json:"model"`
	Machine Machine   `json:"machine"`
	Engine  Engine    `json:"engine"`
	Flags   []string  `json:"flags,omitempty"` // of the command
}

// ModelFile says which model it was.
type ModelFile struct {
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"` // on disk
	SHA256 string `json:"sha256"`
}

// Machine is where it ran.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`         // that the process may use
	Memory uint64 `json:"memory_bytes"` // RAM; 0 where unknown
}

// Engine is what computed.
type Engine struct {
	Version  string   `json:"version"`
	Commit   string   `json:"commit"`
	Compiled []string `json:"cpu_compiled"`
	Repack   bool     `json:"repack"`
	Revision string   `json:"revision"` // of this program; "" where unknown
}

func (r *Record) note(text string) {
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// withoutFolders are flags whose paths are names of files, for records to be shown.
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

// hideFolders leaves out of reasons and notes where the model's files are.
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

// clone is a copy whose metrics can be added to.
func (r Record) clone() Record {
	r.Metrics = maps.Clone(r.Metrics)
	if r.Metrics == nil {
		r.Metrics = map[string]float64{}
	}
	return r
}
