package benchmarks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// Model is the model to measure: an existing file or a synthetic model.
type Model struct {
	// Path is a file or a name, as for [runtime.Open]; "" for the embedded model, unless
	// Shape is set.
	Path string
	// Shape, as in "1b" or "1b,layers=4", makes a model with random weights.
	Shape string
	// Type of the synthetic model: "f16", "q4_0", …; "": q4_0.
	Type string
	// Dir is the folder that keeps synthetic models: an existing one is reused, a missing one is
	// made. "": a temporary folder, removed at the end.
	Dir string

	original bool // the f16 original of the embedded model
}

// preparedModel has the files of a model that is ready to be measured.
type preparedModel struct {
	path  string // path of the first file
	files []string
	about ModelFile
	noise bool // the weights are random
	// packed is its packed file, or ""; unpacked is the reason why there is none.
	packed, unpacked string
	// readahead is the setting of its disk; nil if the system does not tell it, for the reason
	// readaheadErr.
	readahead    *system.Readahead
	readaheadErr error
	close        func() error
}

// prepare finds or makes the model, and reports progress.
func (m Model) prepare(ctx context.Context, phase func(name string, done, total uint64)) (p *preparedModel, err error) {
	p = &preparedModel{close: func() error { return nil }}
	if m.original {
		err = p.writeOriginal()
	} else if m.Shape != "" {
		if m.Path != "" {
			return nil, fmt.Errorf("%w: both a model and a shape are given: use only one of them", runtime.ErrOption)
		}
		err = p.synthesize(ctx, m, phase)
	} else {
		p.path, err = models.Resolve(m.Path, models.ResolveOptions{})
	}
	if err == nil {
		err = p.describe(ctx, phase)
	}
	if err == nil {
		p.findReadahead()
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// folder creates a temporary folder. close removes it.
func (p *preparedModel) folder() (string, error) {
	dir, err := os.MkdirTemp("", "infer-bench-")
	if err != nil {
		return "", err
	}
	before := p.close
	p.close = func() error { return errors.Join(os.RemoveAll(dir), before()) }
	return dir, nil
}

func (p *preparedModel) synthesize(ctx context.Context, m Model, phase func(name string, done, total uint64)) error {
	shape, err := models.ParseShape(m.Shape)
	if err != nil {
		return fmt.Errorf("%w: %w", runtime.ErrOption, err)
	}
	if m.Type == "" {
		m.Type = "q4_0"
	}
	dir := m.Dir
	if dir == "" {
		if dir, err = p.folder(); err != nil {
			return err
		}
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The name has all parameters that determine the content.
	p.path = filepath.Join(dir, strings.ToLower(m.Shape+"-"+m.Type)+".gguf")
	if _, err := os.Stat(p.path); err == nil {
		return nil
	}
	return runtime.Synthesize(ctx, p.path, models.SynthesizeOptions{
		Shape: shape, Type: m.Type, Seed: 1,
		Progress: func(done, total uint64) { phase("making "+filepath.Base(p.path), done, total) },
	})
}

// openIndex opens a model for the engine of this process.
func openIndex(path string) (*gguf.Index, error) {
	return loader.OpenWith(path, loader.OpenOptions{Engine: runtime.Rules()})
}

// describe reads the files to compute their hash.
func (p *preparedModel) describe(ctx context.Context, phase func(name string, done, total uint64)) error {
	index, err := openIndex(p.path)
	if err != nil {
		return err
	}
	files := index.Files()
	p.noise = models.Synthetic(index)
	index.Close()
	p.about.Name = filepath.Base(p.path)
	for _, f := range files {
		p.files = append(p.files, f.Path)
		p.about.Bytes += uint64(f.Size)
	}
	hash := sha256.New()
	done, block := uint64(0), make([]byte, 1<<20)
	for _, path := range p.files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		for err == nil && ctx.Err() == nil {
			var n int
			n, err = f.Read(block)
			hash.Write(block[:n])
			done += uint64(n)
			phase("reading "+p.about.Name, done, p.about.Bytes)
		}
		f.Close()
		if err != nil && err != io.EOF {
			return err
		}
	}
	p.about.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return ctx.Err()
}

// loadPacked is the label of the load mode of a packed file, which is mapped.
const loadPacked = "packed"

// pack makes the packed file of the model in a temporary folder, which close removes. A model
// without tensors to repack has no packed file.
func (p *preparedModel) pack(ctx context.Context, phase func(name string, done, total uint64)) error {
	dir, err := p.folder()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "packed-"+filepath.Base(p.path))
	err = runtime.Pack(ctx, p.path, file, runtime.PackOptions{
		Progress: func(done, total uint64) { phase("packing "+p.about.Name, done, total) },
	})
	if errors.Is(err, runtime.ErrNothingToPack) {
		p.unpacked = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	p.packed = file
	p.files = append(p.files, file) // so that cold cases drop its pages too
	return nil
}

// as returns the case for a load mode, which may be loadPacked or loadOff.
func (p *preparedModel) as(load string, c testCase) testCase {
	c.job.Load = load
	if load == loadOff {
		c.job.Load, c.job.NoBudget = runtime.LoadMMap.String(), true
	}
	if load == loadPacked {
		c.job.Load, c.job.Model = runtime.LoadMMap.String(), p.packed
		if p.packed == "" {
			c.skip = p.unpacked
		}
	}
	return c
}
