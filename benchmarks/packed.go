package benchmarks

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/seed7adf6694/infer/runtime"
)

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

// as returns the case for a load mode, which may be loadPacked.
func (p *preparedModel) as(load string, c testCase) testCase {
	c.job.Load = load
	if load == loadPacked {
		c.job.Load, c.job.Model = runtime.LoadMMap.String(), p.packed
		if p.packed == "" {
			c.skip = p.unpacked
		}
	}
	return c
}
