// Package engineview shows where engines are looked for, and what is there.
package engineview

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/llama/engines"
	"github.com/seed7adf6694/infer/runtime/engine"
)

// Place is a place in the JSON output.
type Place struct {
	Kind    engines.Kind `json:"kind"` // program, user, system or npm
	Folder  string       `json:"folder"`
	Exists  bool         `json:"exists"`
	Problem string       `json:"problem"` // why it can't be read; "" if it can, or does not exist
	Engines []Engine     `json:"engines"`
}

// States of engines.
const (
	Usable   = "usable"
	Named    = "when named" // others could replace it
	Unusable = "unusable"
)

// Engine is a folder with an engine, or a part of one, in the JSON output.
type Engine struct {
	Name     string   `json:"name"` // "" outside the user's folder
	Folder   string   `json:"folder"`
	Version  string   `json:"version"` // from its files' names; "" if they do not say
	Variant  string   `json:"variant"`
	Library  string   `json:"library"` // the file of llama
	Backends []string `json:"backends"`
	State    string   `json:"state"`
	Reason   string   `json:"reason"` // why it is not simply usable
	// Checked is what its trial has shown: ok, refused, or "" if it has not been tried as it is now.
	Checked string `json:"checked"`
	Refusal string `json:"refusal"` // why it was refused
}

// What trials have shown.
const (
	Passed  = "ok"
	Refused = "refused"
)

// Of describes a folder.
func Of(f engines.Folder) Engine {
	e := Engine{Name: f.Name, Folder: f.Path, Backends: append([]string{}, f.Backends...), State: Usable}
	if len(f.Engines) > 0 {
		first := f.Engines[0]
		e.Version, e.Variant, e.Library = first.Version, first.Variant, first.Llama
	}
	switch {
	case f.Err != nil:
		e.State, e.Reason = Unusable, reason(f.Err)
	case f.Untrusted != nil:
		e.State, e.Reason = Named, reason(f.Untrusted)
	}
	return e
}

// reason is an error without the folder, which is shown beside it.
func reason(err error) string {
	var folder *engines.FolderError
	var trust *engines.TrustError
	switch {
	case errors.As(err, &folder):
		return strings.TrimPrefix(folder.Error(), folder.Path+": ")
	case errors.As(err, &trust):
		return strings.TrimPrefix(trust.Error(), trust.Path+": ")
	}
	return err.Error()
}

// Places describes places.
func Places(found []engines.Place) []Place {
	list := []Place{}
	for _, p := range found {
		place := Place{Kind: p.Kind, Folder: p.Dir, Exists: true, Engines: []Engine{}}
		switch {
		case errors.Is(p.Err, fs.ErrNotExist):
			place.Exists = false
		case p.Err != nil:
			place.Problem = p.Err.Error()
		}
		for _, f := range p.Folders {
			e := Of(f)
			if v, ok := engine.Verdict(f); ok && f.Err == nil {
				e.Checked = Passed
				if !v.OK {
					e.Checked, e.Refusal = Refused, v.Reason
				}
			}
			place.Engines = append(place.Engines, e)
		}
		list = append(list, place)
	}
	return list
}

// kinds are what places are, for people.
var kinds = map[engines.Kind]string{
	engines.BesideProgram: "beside the program", engines.UserFolder: "yours", engines.SystemFolder: "installed", engines.NPMFolder: "packages of npm",
}

// Devices names what an engine computes with: kinds of backends, not those for each CPU.
func (e Engine) Devices() string {
	var list []string
	cpu := false
	for _, b := range e.Backends {
		if b == "cpu" || strings.HasPrefix(b, "cpu-") {
			if cpu {
				continue
			}
			cpu, b = true, "cpu"
		}
		list = append(list, b)
	}
	return strings.Join(list, ", ")
}

// Print writes places as text: those with engines, then where else they are looked for.
func Print(w io.Writer, places []Place) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	seen := 0
	for _, p := range places {
		for _, e := range p.Engines {
			if seen++; seen == 1 {
				fmt.Fprintln(t, "ENGINE\tVERSION\tBACKENDS\tSTATE\tCHECKED")
			}
			name := e.Name
			if name == "" {
				name = e.Folder
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", texts.Visible(name, true), orDash(e.Version), orDash(e.Devices()), e.State, orDash(e.Checked))
		}
	}
	t.Flush()
	for _, p := range places {
		for _, e := range p.Engines {
			for _, why := range []string{e.Reason, e.Refusal} {
				if why != "" {
					fmt.Fprintf(&b, "%s: %s\n", texts.OneLine(e.Folder), texts.OneLine(why))
				}
			}
		}
	}
	if seen == 0 {
		b.WriteString("no engines beside the one that is compiled in\n")
	}
	b.WriteString("looked for in:\n")
	t = tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, p := range places {
		what := fmt.Sprint(len(p.Engines))
		switch {
		case !p.Exists:
			what = "not there"
		case p.Problem != "":
			what = texts.OneLine(p.Problem)
		case len(p.Engines) == 0:
			what = "none"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", kinds[p.Kind], texts.OneLine(p.Folder), what)
	}
	t.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return texts.Visible(s, true)
}
