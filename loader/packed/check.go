package packed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// Origin are the open source files of a packed file. It is safe for concurrent use.
type Origin struct {
	packed *gguf.Packed
	files  []*files.File
}

// OpenSource opens the source files of a packed file. If one is missing the error wraps
// [os.ErrNotExist]; if its size or modification time has changed, [files.ErrFileChanged].
func OpenSource(p *gguf.Packed) (*Origin, error) {
	o := &Origin{packed: p}
	for _, s := range p.Source {
		f, err := openSource(s)
		if err != nil {
			o.Close()
			return nil, err
		}
		o.files = append(o.files, f)
	}
	return o, nil
}

func openSource(s gguf.PackedSource) (*files.File, error) {
	f, err := files.Open(s.Path, gguf.Irregular)
	if err != nil {
		return nil, err
	}
	if f.Size != s.Size || !f.ModTime.Equal(s.ModTime) {
		f.Close()
		return nil, fmt.Errorf("%s: %w: the packed file was made from an earlier version: pack it again", words.QuotePath(s.Path), files.ErrFileChanged)
	}
	return f, nil
}

// ReadTensor reads len(b) bytes of a tensor in the source, from an offset in the tensor.
func (o *Origin) ReadTensor(t gguf.PackedTensor, b []byte, offset int64) error {
	return o.files[t.File].Read(b, t.Offset+offset)
}

// Close closes the files.
func (o *Origin) Close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Check reads a whole packed file and compares it with its sums. If origin is not nil it also compares
// each packed tensor with the result of repack on the source, and the source with its sums.
// group is the number of rows that repack converts at once; dst has the bytes that they take in the packed
// file. A difference is a
// [*gguf.FormatError].
func Check(ctx context.Context, ix *gguf.Index, origin *Origin, group func(gguf.PackedTensor) int, repack func(t gguf.PackedTensor, dst, src []byte) error, progress files.Progress) error {
	c := packedCheck{ix: ix, progress: files.Tally{Total: ix.Bytes(), Report: progress}}
	of := map[string]gguf.PackedTensor{}
	if origin != nil {
		for _, t := range ix.Packed().Tensors {
			of[t.Name] = t
		}
		for _, f := range origin.files {
			c.progress.Total += uint64(f.Size)
		}
	}
	for i, t := range ix.Tensors() {
		p, compare := of[t.Name]
		piece, groups := uint64(packStep), uint64(0)
		if compare {
			rows := t.Type.RowSize(t.Shape[0]) * uint64(group(p))
			if rows == 0 || p.Size%rows != 0 || t.Size%(p.Size/rows) != 0 {
				return ix.TensorError(t.Name, t.ShapeText(), "the number of rows is not a multiple of a group")
			}
			groups = p.Size / rows
			piece = max(piece/(t.Size/groups), 1) * (t.Size / groups)
		}
		sum := sha256.New()
		err := c.hashRange(ctx, tensorFile{ix, t.File}, t.Offset, t.Size, piece, sum, func(b []byte, at int64) error {
			if !compare {
				return nil
			}
			first, n := uint64(at)/(t.Size/groups), uint64(len(b))/(t.Size/groups) // groups
			src, want := sized(&c.src, n*(p.Size/groups)), sized(&c.want, uint64(len(b)))
			if err := origin.ReadTensor(p, src, int64(first*(p.Size/groups))); err != nil {
				return err
			}
			if err := repack(p, want, src); err != nil {
				return err
			}
			if !bytes.Equal(b, want) {
				return ix.TensorError(t.Name, "", "differs from what the engine makes of the source: pack the model again")
			}
			return nil
		})
		if err != nil {
			return err
		}
		if hex.EncodeToString(sum.Sum(nil)) != ix.Packed().Sums[i] {
			return ix.TensorError(t.Name, "", "damaged: its bytes are not those that were written: pack the model again")
		}
	}
	if origin != nil {
		return c.origin(ctx, origin)
	}
	return ix.Changed()
}

// packedCheck is the state of one Check.
type packedCheck struct {
	ix             *gguf.Index
	progress       files.Tally
	buf, src, want []byte
}

// readable reads whole ranges, or returns an error.
type readable interface {
	Read(b []byte, offset int64) error
}

// tensorFile is a file of a model.
type tensorFile struct {
	ix *gguf.Index
	i  int
}

func (f tensorFile) Read(b []byte, offset int64) error { return f.ix.ReadAt(f.i, b, offset) }

// hashRange reads a range of a file in steps and passes the bytes to sum and to f.
func (c *packedCheck) hashRange(ctx context.Context, file readable, offset int64, size, piece uint64, sum hash.Hash, f func(b []byte, at int64) error) error {
	for at := uint64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := sized(&c.buf, min(piece, size-at))
		if err := file.Read(b, offset+int64(at)); err != nil {
			return err
		}
		sum.Write(b)
		if err := f(b, int64(at)); err != nil {
			return err
		}
		at += uint64(len(b))
		c.progress.Add(uint64(len(b)))
	}
	return nil
}

// origin compares the source with its sums.
func (c *packedCheck) origin(ctx context.Context, o *Origin) error {
	for i, f := range o.files {
		sum := sha256.New()
		if err := c.hashRange(ctx, f, 0, uint64(f.Size), packStep, sum, func([]byte, int64) error { return nil }); err != nil {
			return err
		}
		if hex.EncodeToString(sum.Sum(nil)) != o.packed.Source[i].SHA256 {
			return &gguf.FormatError{File: f.Path, Offset: -1, Field: "content", Reason: "is not what the packed file was made of, though size and time are the same: pack it again", Err: files.ErrFileChanged}
		}
	}
	return c.ix.Changed()
}
