package packed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// Options are the options of [Write].
type Options struct {
	Engine       string // version of the engine, see [gguf.Packed]
	Instructions string // instruction set that it was compiled for
	// Layout returns the layout of a tensor in the packed file.
	Layout func(t gguf.Tensor) Layout
	// Repack converts src, whole groups of rows of a tensor, into dst, Layout.RowSize bytes for each of
	// them. It is called by one goroutine.
	Repack func(t gguf.Tensor, dst, src []byte) error
	// Progress is called with the bytes of tensors written. nil: none.
	Progress files.Progress
	// Quiet keeps the files out of the page cache, so that they do not evict other data.
	Quiet bool
}

// Layout is the layout of a tensor in a packed file.
type Layout struct {
	Name  string // "": unchanged
	Group int    // rows that are repacked together
	Both  bool   // the unchanged tensor is written too
	// RowSize is the size in bytes of a row in the layout, at least that in the file. 0: that in the file.
	RowSize uint64
}

// stored returns the bytes of a tensor in the layout.
func (l Layout) stored(t gguf.Tensor) uint64 {
	if row := t.Type.RowSize(t.Shape[0]); l.Name != "" && l.RowSize > row {
		return t.Size / row * l.RowSize
	}
	return t.Size
}

// File is the output of [Write]: written sequentially, then the header again.
type File interface {
	io.Writer
	io.WriterAt
}

// packStep is how many bytes are read, converted and written at once; one group of rows if larger.
const packStep = 4 << 20

// maxPaddingShare is the divisor of a file's size: padding to align tensors to pages may take that
// share.
const maxPaddingShare = 100

// Write writes a packed file of a model to an empty file: the same metadata and tensors, in file
// order, with some tensors converted. It reads the model's files once, sequentially, and uses a
// few MiB of memory. If ctx is cancelled it stops between steps. After an error, out is not a
// valid model.
//
// If the model's files change meanwhile, the error wraps [files.ErrFileChanged].
func Write(ctx context.Context, ix *gguf.Index, out File, o Options) error {
	if ix.Packed() != nil {
		return fmt.Errorf("%s is packed already", words.QuotePath(ix.Path()))
	}
	p := &packer{ix: ix, out: out, w: alignedWriter{w: out}, o: o, progress: files.Tally{Total: ix.Bytes(), Report: o.Progress}}
	if f, ok := out.(*os.File); ok && o.Quiet {
		p.w.quiet = f
	}
	if err := p.plan(); err != nil {
		return err
	}
	return p.write(ctx)
}

// packer is the state of one Write.
type packer struct {
	ix       *gguf.Index
	out      File
	o        Options
	progress files.Tally
	align    uint32
	tensors  []packedTensor // in the order of the packed file
	paths    []string       // of the source's files
	source   []string       // their SHA-256
	src, dst []byte
	w        alignedWriter
}

// packedTensor is a tensor of a packed file.
type packedTensor struct {
	gguf.Tensor        // of the source
	name        string // in the packed file
	layout      Layout
	sum         string
}

// unknownSum is the placeholder in the header for a sum that is not known yet.
var unknownSum = strings.Repeat("0", 2*sha256.Size)

func (p *packer) plan() error {
	var copies []packedTensor
	for _, t := range p.ix.Tensors() {
		if gguf.IsPackedKey(t.Name) {
			return p.ix.TensorError(t.Name, "", "the name is reserved for packed files, and this is none")
		}
		out := packedTensor{Tensor: t, name: t.Name, sum: unknownSum}
		if l := p.o.Layout(t); l.Name != "" && l.Both {
			copies = append(copies, packedTensor{Tensor: t, name: gguf.PackedCopy(t.Name), layout: l, sum: unknownSum})
			p.progress.Total += t.Size
		} else {
			out.layout = l
		}
		p.tensors = append(p.tensors, out)
	}
	p.tensors = append(p.tensors, copies...)
	p.align = uint32(p.ix.Alignment())
	if p.align < files.DirectUnit && uint64(len(p.tensors))*files.DirectUnit <= p.ix.Bytes()/maxPaddingShare {
		p.align = files.DirectUnit
	}
	for _, f := range p.ix.Files() {
		path, err := filepath.Abs(f.Path)
		if err != nil {
			return err
		}
		p.paths, p.source = append(p.paths, path), append(p.source, unknownSum)
	}
	return nil
}

// header returns the file's header, with the sums known so far.
func (p *packer) header() *gguf.Writer {
	w := &gguf.Writer{}
	w.SetAlignment(p.align)
	for key, value := range p.ix.Metadata() {
		switch {
		case strings.HasPrefix(key, "split.") || gguf.IsPackedKey(key) || key == gguf.KeyAlignment:
		case key == gguf.KeyArchitecture:
			w.Add(key, gguf.StringValue(fmt.Sprintf("%s, packed by infer for %s: open it with infer, or use the plain file", p.ix.Architecture(), p.o.Instructions)))
		default:
			w.Add(key, value)
		}
	}
	packed := &gguf.Packed{Engine: p.o.Engine, Instructions: p.o.Instructions}
	for _, t := range p.tensors {
		packed.Sums = append(packed.Sums, t.sum)
		if t.layout.Name != "" {
			packed.Tensors = append(packed.Tensors, gguf.PackedTensor{Name: t.name, Layout: t.layout.Name, File: t.File, Offset: t.Offset, Size: t.Size, Stored: t.layout.stored(t.Tensor)})
		}
	}
	for i, f := range p.ix.Files() {
		f.Path = p.paths[i]
		packed.Source = append(packed.Source, gguf.PackedSource{FileInfo: f, SHA256: p.source[i]})
	}
	w.AddPacked(packed, p.ix.Architecture())
	for _, t := range p.tensors {
		w.AddPackedTensor(t.name, t.layout.stored(t.Tensor), t.Type, t.Shape...)
	}
	return w
}

func (p *packer) write(ctx context.Context) error {
	w := p.header()
	if _, err := w.WriteHeader(&p.w); err != nil {
		return err
	}
	next := 0
	for i, f := range p.ix.Files() {
		sum, at := sha256.New(), int64(0)
		for ; next < len(p.ix.Tensors()) && p.tensors[next].File == i; next++ {
			t := &p.tensors[next]
			if err := p.skip(ctx, i, sum, at, t.Offset); err != nil {
				return err
			}
			if err := p.tensor(ctx, t, sum, w); err != nil {
				return err
			}
			at = t.Offset + int64(t.Size)
		}
		if err := p.skip(ctx, i, sum, at, f.Size); err != nil {
			return err
		}
		p.source[i] = hex.EncodeToString(sum.Sum(nil))
	}
	for ; next < len(p.tensors); next++ {
		if err := p.tensor(ctx, &p.tensors[next], nil, w); err != nil {
			return err
		}
	}
	if err := p.w.flush(); err != nil {
		return err
	}
	if err := p.ix.Changed(); err != nil {
		return err
	}
	if _, err := p.header().WriteHeader(io.NewOffsetWriter(p.out, 0)); err != nil {
		return err
	}
	return ctx.Err()
}

// skip hashes bytes between tensors.
func (p *packer) skip(ctx context.Context, file int, sum hash.Hash, from, to int64) error {
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := sized(&p.src, min(packStep, uint64(to-from)))
		if err := p.read(file, b, from); err != nil {
			return err
		}
		sum.Write(b)
		from += int64(len(b))
	}
	return nil
}

// tensor writes a tensor, converted if required, and hashes its bytes before and after.
func (p *packer) tensor(ctx context.Context, t *packedTensor, source hash.Hash, w *gguf.Writer) error {
	piece, row := uint64(packStep), t.Type.RowSize(t.Shape[0])
	if t.layout.Name != "" {
		group := row * uint64(t.layout.Group)
		if group == 0 || t.Size%group != 0 {
			return p.ix.TensorError(t.Name, t.ShapeText(), fmt.Sprintf("the number of rows is not a multiple of %d", t.layout.Group))
		}
		piece = max(piece/group, 1) * group
	}
	sum := sha256.New()
	for from := uint64(0); from < t.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := sized(&p.src, min(piece, t.Size-from))
		if err := p.read(t.File, b, t.Offset+int64(from)); err != nil {
			return err
		}
		if source != nil {
			source.Write(b)
		}
		read := uint64(len(b))
		from += read
		if t.layout.Name != "" {
			d := sized(&p.dst, t.layout.stored(t.Tensor)/(t.Size/row)*(uint64(len(b))/row))
			if err := p.o.Repack(t.Tensor, d, b); err != nil {
				return fmt.Errorf("tensor %s: %w", words.Literal(t.Name), err)
			}
			b = d
		}
		sum.Write(b)
		if _, err := p.w.Write(b); err != nil {
			return err
		}
		p.progress.Add(read)
	}
	t.sum = hex.EncodeToString(sum.Sum(nil))
	_, err := p.w.Write(make([]byte, w.Padding(t.layout.stored(t.Tensor))))
	return err
}

func (p *packer) read(file int, b []byte, offset int64) error {
	err := p.ix.ReadAt(file, b, offset)
	if p.o.Quiet {
		files.Forget(p.ix.File(file), offset, uint64(len(b)))
	}
	return err
}

// alignedWriter writes in steps of packStep at multiples of it, so that the page cache holds the file
// in its largest pages, which makes computing with it faster.
type alignedWriter struct {
	w     io.Writer
	buf   []byte
	quiet *os.File // evict what was written from the page cache; nil: do not
	at    int64    // bytes written
	kept  uint64   // bytes of these that may be in the page cache
}

// maxCached is how many written bytes may wait for the disk.
const maxCached = 8 * packStep

func (w *alignedWriter) Write(b []byte) (int, error) {
	n := len(b)
	if w.buf == nil {
		w.buf = make([]byte, 0, packStep)
	}
	for len(b) > 0 {
		k := min(cap(w.buf)-len(w.buf), len(b))
		w.buf, b = append(w.buf, b[:k]...), b[k:]
		if len(w.buf) == cap(w.buf) {
			if err := w.flush(); err != nil {
				return n - len(b), err
			}
		}
	}
	return n, nil
}

func (w *alignedWriter) flush() error {
	n, err := w.w.Write(w.buf)
	w.buf = w.buf[:0]
	w.at, w.kept = w.at+int64(n), w.kept+uint64(n)
	if w.quiet != nil && w.kept >= maxCached && err == nil {
		if err = w.quiet.Sync(); err == nil {
			files.Forget(w.quiet, w.at-int64(w.kept), w.kept)
			w.kept = 0
		}
	}
	return err
}

// sized returns a buffer of n bytes, reusing *b if it is large enough.
func sized(b *[]byte, n uint64) []byte {
	if uint64(cap(*b)) < n {
		*b = make([]byte, n)
	}
	return (*b)[:n]
}
