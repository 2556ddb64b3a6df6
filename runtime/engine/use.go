package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/llama/engines"
)

// Names of engines that are no folders.
const (
	Builtin = engines.Builtin // the compiled-in engine
	Auto    = "auto"          // the user's choice: see engines.Choice
)

// DefaultTimeout is the time limit of a trial.
const DefaultTimeout = time.Minute

// Options say which engine to use, and how one is tried.
type Options struct {
	// Engine is [Auto], [Builtin], the name of an engine in the user's folder, or the path of a folder
	// or of a library llama in it; "" is [Auto]. A name without a slash is never a folder of the
	// working directory. Auto is what the user has chosen, otherwise [Builtin]: an engine that is
	// merely found is not used.
	Engine string
	// Command is a program and its arguments that calls [Trial]; nil: there is none.
	Command []string
	// Timeout is the time limit of a trial; 0: [DefaultTimeout].
	Timeout time.Duration
	// Untried allows an engine without a verdict, if there is no Command. One that can't work then
	// ends this process.
	Untried bool
}

// Use makes this process use an engine from now on. It must be called before the first use of the
// runtime; an error wraps llama.ErrEngineInUse otherwise, except if that engine is in use already. Other
// errors are an [*Error], those of engines.Open and engines.Choice, and an engines.TrustError for a chosen
// folder in which others could replace a library; such a folder is used only if Engine names it.
// Nothing else is used in place of an engine that is refused.
func Use(ctx context.Context, o Options) (llama.EngineInfo, error) {
	c, err := o.find()
	if err != nil {
		return llama.EngineInfo{}, err
	}
	if now := llama.Engine(); now.Folder == c.folder.Path || c.builtin && now.Folder == "" {
		return now, nil
	}
	if c.builtin {
		return llama.EngineInfo{}, llama.ErrEngineInUse
	}
	v, known := c.stored()
	switch {
	case !known && o.Command != nil:
		if v, _, err = o.try(ctx, c); err != nil {
			return llama.EngineInfo{}, err
		}
	case !known && !o.Untried:
		return llama.EngineInfo{}, &Error{Folder: c.folder.Path, Failure: Untried, Reason: "run 'infer engine check DIR', or allow engines that were not tried"}
	case !known:
		v.OK = true
	}
	if !v.OK {
		return llama.EngineInfo{}, refusal(c, v, known)
	}
	if err := llama.UseEngine(c.path()); err != nil {
		return llama.EngineInfo{}, err
	}
	return llama.Engine(), nil
}

// refusal is the error of a verdict.
func refusal(c candidate, v engines.Verdict, stored bool) error {
	e := &Error{Folder: c.folder.Path, Failure: Failure(v.Failure), Reason: v.Reason}
	if stored {
		e.Checked = v.Time
	}
	return e
}

// Checked is the result of [Check].
type Checked struct {
	Engine   llama.EngineInfo
	Backends []string       // the libraries that the engine has for devices
	Devices  []llama.Device // those that it found
	OK       bool
	Failure  Failure // "" if OK
	Reason   string  // "" if OK
	Hash     string  // of the libraries; "" for the compiled-in engine
	// Untrusted is why the engine is used only if it is named; nil: there is no such reason.
	Untrusted error
}

// Err returns the refusal of the engine as an [*Error], or nil.
func (c Checked) Err() error {
	if c.OK {
		return nil
	}
	return &Error{Folder: cmp.Or(c.Engine.Folder, Builtin), Failure: c.Failure, Reason: c.Reason}
}

// Check tries an engine in a child process, whatever an earlier verdict says, and stores the new one. A
// refusal is no error: see [Checked.Err]. It needs [Options].Command. This process loads nothing.
// The errors are those of [Use] about finding an engine; a trial that could not take place, such as for
// short memory, is an error and no verdict.
func Check(ctx context.Context, o Options) (Checked, error) {
	if o.Command == nil {
		return Checked{}, errors.New("no program to try the engine")
	}
	c, err := o.find()
	if err != nil {
		return Checked{}, err
	}
	v, found, err := o.try(ctx, c)
	if err != nil {
		return Checked{}, err
	}
	found.Engine.Folder = c.folder.Path
	return Checked{
		Engine: found.Engine, Backends: c.folder.Backends, Devices: found.Devices,
		OK: v.OK, Failure: Failure(v.Failure), Reason: v.Reason, Hash: c.hash, Untrusted: c.folder.Untrusted,
	}, nil
}

// candidate is an engine that may be used.
type candidate struct {
	builtin bool
	folder  engines.Folder
	hash    string // of what would be loaded
}

// find looks for the engine.
func (o Options) find() (c candidate, err error) {
	name, named := cmp.Or(o.Engine, Auto), true
	if name == Auto {
		named = false
		if name, err = engines.Choice(); err != nil {
			return c, err
		}
	}
	if name == Builtin {
		return candidate{builtin: true}, nil
	}
	if c.folder, err = engines.Open(name); err != nil {
		return c, err
	}
	if !named && c.folder.Untrusted != nil {
		return c, fmt.Errorf("the chosen engine: %w", c.folder.Untrusted)
	}
	c.hash, err = hashOf(c.folder)
	return c, err
}

// hashOf names what would be loaded of a folder.
func hashOf(f engines.Folder) (string, error) {
	hash, err := f.Hash()
	if err == nil && len(f.Engines) > 1 { // a verdict is on one of them
		sum := sha256.Sum256([]byte(hash + " " + f.Engines[0].Llama))
		hash = hex.EncodeToString(sum[:])
	}
	return hash, err
}

// Verdict returns the stored verdict on an engine; false if there is none for what its files, this program
// and this machine are now. It reads all files of the engine, and loads nothing.
func Verdict(f engines.Folder) (engines.Verdict, bool) {
	hash, err := hashOf(f)
	if err != nil {
		return engines.Verdict{}, false
	}
	return candidate{folder: f, hash: hash}.stored()
}

// path names what llama.UseEngine loads: "" for the compiled-in engine.
func (c candidate) path() string {
	if c.builtin {
		return ""
	}
	return filepath.Join(c.folder.Path, c.folder.Engines[0].Llama)
}

// stored returns the stored verdict.
func (c candidate) stored() (engines.Verdict, bool) { return engines.StoredVerdict(c.hash, checker()) }

// module is this module's path in build information.
const module = "github.com/seed7adf6694/infer"

// checker names what made a verdict: the trial, and the version of this module.
func checker() string {
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module {
				version = m.Version
			}
		}
	}
	return "trial 1 of infer " + cmp.Or(version, "(devel)")
}
