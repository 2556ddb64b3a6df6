package gguf

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// Keys of a packed file, in addition to those of the model. keyPackedArchitecture is the model's
// architecture; general.architecture holds a sentence, which programs that take the file for a
// plain model show in their error.
const (
	packedPrefix          = "infer.packed."
	keyPackedVersion      = packedPrefix + "version"      // uint32
	keyPackedArchitecture = packedPrefix + "architecture" // string
	keyPackedEngine       = packedPrefix + "engine"       // string: the engine's version
	keyPackedInstructions = packedPrefix + "instructions" // string: instruction set that the engine was compiled for
	keyPackedTensors      = packedPrefix + "tensors"      // strings: the tensors in another layout, and for each of them:
	keyPackedLayouts      = packedPrefix + "layouts"      // strings: its layout
	keyPackedFiles        = packedPrefix + "files"        // int32: index of its source file
	keyPackedOffsets      = packedPrefix + "offsets"      // uint64: offset in the source file
	keyPackedSizes        = packedPrefix + "sizes"        // uint64: bytes in this file; from version 2 on
	keyPackedSums         = packedPrefix + "sha256"       // strings: SHA-256 of each tensor of this file, in file order
	keyPackedSourcePaths  = packedPrefix + "source.paths"
	keyPackedSourceSizes  = packedPrefix + "source.sizes"  // uint64, bytes
	keyPackedSourceTimes  = packedPrefix + "source.times"  // int64, nanoseconds since 1970
	keyPackedSourceSums   = packedPrefix + "source.sha256" // strings
	packedVersion         = 1
	packedVersionSizes    = 2 // some tensors are larger than their type and shape say
)

// A tensor that is larger than its type and shape say is followed by another, whose name begins with
// this, and which holds the rest of its bytes. So the file is a valid GGUF file for other programs.
const packedRest = packedPrefix + "rest."

// Packed describes a packed file: a model's file with some tensors in the layout that an engine uses
// on a kind of CPU. The [Index] of such a file shows the original model, so that the same checks
// apply and the engine sees no difference; only the bytes of Tensors differ. Do not change it.
type Packed struct {
	Engine       string // version of the engine that made the layouts
	Instructions string // instruction set that it was compiled for, such as "avx512"
	Source       []PackedSource
	Tensors      []PackedTensor

	Sums []string // SHA-256 of each tensor, in file order, in hexadecimal digits
}

// PackedSource is one of the files from which a packed file was made.
type PackedSource struct {
	FileInfo
	SHA256 string // of the whole file, in hexadecimal digits
}

// PackedTensor is a tensor in another layout than in the model.
type PackedTensor struct {
	Name   string // in the packed file
	Of     string // name in the model; differs from Name if the original tensor is in the file too
	Layout string
	File   int    // index into Packed.Source
	Offset int64  // offset of the original bytes in that file
	Size   uint64 // number of the original bytes
	Stored uint64 // number of bytes in the packed file: the [Tensor].Size of the Index
}

// Packed returns the description of a packed file, nil for other models. Do not change its slices.
func (ix *Index) Packed() *Packed { return ix.packed }

// PackedCopy returns the name of the original of a tensor that a packed file has in both layouts: a
// table that is used both for lookup and in a multiplication.
func PackedCopy(name string) string { return packedPrefix + name }

// IsPackedKey reports whether a key or tensor name is reserved for packed files.
func IsPackedKey(name string) bool { return strings.HasPrefix(name, packedPrefix) }

// AddPackedTensor is [Writer.AddTensor] for a tensor that takes stored bytes of the data, at least those
// of its type and shape.
func (w *Writer) AddPackedTensor(name string, stored uint64, t Type, shape ...uint64) {
	_, size := w.AddTensor(name, t, shape...)
	if begin := pad(size, w.Alignment()); stored > begin {
		w.AddTensor(fmt.Sprintf("%s%d", packedRest, len(w.tensors)-1), TypeI8, stored-begin)
	}
}

// AddPacked adds the keys of a packed file for a model of this architecture.
func (w *Writer) AddPacked(p *Packed, architecture string) {
	larger := func(t PackedTensor) bool { return t.Stored != t.Size }
	version := uint32(packedVersion)
	if slices.ContainsFunc(p.Tensors, larger) {
		version = packedVersionSizes
		var stored []Value
		for _, t := range p.Tensors {
			stored = append(stored, Uint64Value(t.Stored))
		}
		w.Add(keyPackedSizes, ArrayValue(ValueUint64, stored...))
	}
	w.Add(keyPackedVersion, Uint32Value(version))
	w.Add(keyPackedArchitecture, StringValue(architecture))
	w.Add(keyPackedEngine, StringValue(p.Engine))
	w.Add(keyPackedInstructions, StringValue(p.Instructions))
	var names, layouts, paths, sums []string
	var files []int32
	var offsets, sizes, times []Value
	for _, t := range p.Tensors {
		names, layouts = append(names, t.Name), append(layouts, t.Layout)
		files, offsets = append(files, int32(t.File)), append(offsets, Uint64Value(uint64(t.Offset)))
	}
	for _, s := range p.Source {
		paths, sums = append(paths, s.Path), append(sums, s.SHA256)
		sizes, times = append(sizes, Uint64Value(uint64(s.Size))), append(times, Int64Value(s.ModTime.UnixNano()))
	}
	w.Add(keyPackedTensors, StringsValue(names))
	w.Add(keyPackedLayouts, StringsValue(layouts))
	w.Add(keyPackedFiles, Int32sValue(files))
	w.Add(keyPackedOffsets, ArrayValue(ValueUint64, offsets...))
	w.Add(keyPackedSums, StringsValue(p.Sums))
	w.Add(keyPackedSourcePaths, StringsValue(paths))
	w.Add(keyPackedSourceSizes, ArrayValue(ValueUint64, sizes...))
	w.Add(keyPackedSourceTimes, ArrayValue(ValueInt64, times...))
	w.Add(keyPackedSourceSums, StringsValue(sums))
}

// readPacked moves the keys of a packed file from the metadata to ix.packed. It does nothing for
// other files.
func (ix *Index) readPacked() error {
	if _, ok := ix.Lookup(keyPackedVersion); !ok {
		return nil
	}
	r := packedReader{ix: ix}
	version := r.uint(keyPackedVersion)
	if r.err == nil && version != packedVersion && version != packedVersionSizes {
		return ix.KeyError(keyPackedVersion, fmt.Sprintf("this program reads versions %d and %d: pack the model again", packedVersion, packedVersionSizes))
	}
	p := &Packed{Engine: r.text(keyPackedEngine), Instructions: r.text(keyPackedInstructions)}
	architecture := r.text(keyPackedArchitecture)
	r.sources(p)
	r.tensors(p)
	if version == packedVersionSizes {
		r.sizes(p)
	}
	r.reserved(p)
	p.Sums = r.texts(keyPackedSums)
	r.count(keyPackedSums, len(p.Sums), len(ix.tensors))
	for _, s := range p.Sums {
		r.sum(keyPackedSums, s)
	}
	if len(ix.files) > 1 {
		r.fail(keyPackedVersion, "a packed model is one file")
	}
	if r.err != nil {
		return r.err
	}
	ix.packed = p
	keys := make([]keyValue, 0, len(ix.keys))
	ix.byKey = make(map[string]int32, len(ix.keys))
	for _, kv := range ix.keys {
		if strings.HasPrefix(kv.key, packedPrefix) {
			continue
		}
		if kv.key == KeyArchitecture {
			kv.value = StringValue(architecture)
		}
		ix.byKey[kv.key] = int32(len(keys))
		keys = append(keys, kv)
	}
	ix.keys = keys
	return nil
}

// packedReader reads the keys of a packed file and keeps the first error.
type packedReader struct {
	ix  *Index
	err error
}

func (r *packedReader) fail(key, reason string, args ...any) {
	if r.err == nil {
		r.err = r.ix.KeyError(key, fmt.Sprintf(reason, args...))
	}
}

func (r *packedReader) value(key string, ok func(Value) bool, want string) Value {
	v, there := r.ix.Lookup(key)
	switch {
	case !there:
		r.fail(key, "missing: this packed file is damaged, pack the model again")
	case !ok(v):
		r.fail(key, "must be %s: pack the model again", want)
	default:
		return v
	}
	return Value{}
}

func (r *packedReader) uint(key string) uint64 {
	v := r.value(key, func(v Value) bool { return v.Type() == ValueUint32 }, "of type uint32")
	n, _ := v.Uint()
	return n
}

func (r *packedReader) text(key string) string {
	v := r.value(key, func(v Value) bool { return v.Type() == ValueString }, "a string")
	s, _ := v.Str()
	return strings.Clone(s)
}

func (r *packedReader) array(key string, elem ValueType) Value {
	return r.value(key, func(v Value) bool { return v.IsArray() && v.ElemType() == elem }, "an array of "+elem.String())
}

func (r *packedReader) texts(key string) []string {
	var list []string
	for _, s := range r.array(key, ValueString).Strings() {
		list = append(list, strings.Clone(s))
	}
	return list
}

func (r *packedReader) numbers(key string, elem ValueType) []int64 {
	var list []int64
	for _, v := range r.array(key, elem).Elems() {
		n, ok := v.Int()
		if !ok {
			r.fail(key, "an offset or size exceeds the largest file size")
		}
		list = append(list, n)
	}
	return list
}

func (r *packedReader) count(key string, n, want int) {
	if r.err == nil && n != want {
		r.fail(key, "has %d elements for %d: pack the model again", n, want)
	}
}

func (r *packedReader) sum(key, s string) {
	if b, err := hex.DecodeString(s); err != nil || len(b) != 32 {
		r.fail(key, "%s is not a SHA-256 in hexadecimal digits", words.Literal(s))
	}
}

func (r *packedReader) sources(p *Packed) {
	paths, sums := r.texts(keyPackedSourcePaths), r.texts(keyPackedSourceSums)
	sizes, times := r.numbers(keyPackedSourceSizes, ValueUint64), r.numbers(keyPackedSourceTimes, ValueInt64)
	if len(paths) == 0 {
		r.fail(keyPackedSourcePaths, "names no file: pack the model again")
	}
	r.count(keyPackedSourceSums, len(sums), len(paths))
	r.count(keyPackedSourceSizes, len(sizes), len(paths))
	r.count(keyPackedSourceTimes, len(times), len(paths))
	if r.err != nil {
		return
	}
	for i, path := range paths {
		r.sum(keyPackedSourceSums, sums[i])
		p.Source = append(p.Source, PackedSource{FileInfo{path, sizes[i], time.Unix(0, times[i])}, sums[i]})
	}
}

func (r *packedReader) tensors(p *Packed) {
	names, layouts := r.texts(keyPackedTensors), r.texts(keyPackedLayouts)
	files, offsets := r.numbers(keyPackedFiles, ValueInt32), r.numbers(keyPackedOffsets, ValueUint64)
	r.count(keyPackedLayouts, len(layouts), len(names))
	r.count(keyPackedFiles, len(files), len(names))
	r.count(keyPackedOffsets, len(offsets), len(names))
	if r.err != nil {
		return
	}
	seen := map[string]bool{}
	for i, name := range names {
		t := PackedTensor{Name: name, Of: strings.TrimPrefix(name, packedPrefix), Layout: layouts[i], File: int(files[i]), Offset: offsets[i]}
		x, ok := r.ix.Tensor(name)
		of, there := r.ix.Tensor(t.Of)
		switch {
		case !ok || !there:
			r.fail(keyPackedTensors, "there is no tensor %s", words.Literal(name))
		case seen[t.Of]:
			r.fail(keyPackedTensors, "tensor %s is listed twice", words.Literal(t.Of))
		case x.Type != of.Type || !slices.Equal(x.Shape, of.Shape):
			r.fail(keyPackedTensors, "tensor %s differs in type or shape from its copy", words.Literal(name))
		case t.File < 0 || t.File >= len(p.Source):
			r.fail(keyPackedFiles, "file index %d of %d files", t.File, len(p.Source))
		case t.Offset < 0 || x.Size > uint64(p.Source[t.File].Size) || uint64(t.Offset) > uint64(p.Source[t.File].Size)-x.Size:
			r.fail(keyPackedOffsets, "tensor %s extends beyond its source file", words.Literal(name))
		}
		if r.err != nil {
			return
		}
		seen[t.Of] = true
		t.Size, t.Stored = x.Size, x.Size
		p.Tensors = append(p.Tensors, t)
	}
}

// sizes reads the sizes of the packed tensors and merges each tensor that holds the rest of another
// with that.
func (r *packedReader) sizes(p *Packed) {
	stored := r.numbers(keyPackedSizes, ValueUint64)
	r.count(keyPackedSizes, len(stored), len(p.Tensors))
	if r.err != nil {
		return
	}
	rest := map[string]bool{}
	for i := range p.Tensors {
		p.Tensors[i].Stored = uint64(stored[i])
		if rest[r.size(&p.Tensors[i])] = true; r.err != nil {
			return
		}
	}
	ix := r.ix
	ix.tensors = slices.DeleteFunc(ix.tensors, func(t Tensor) bool { return rest[t.Name] })
	clear(ix.byName)
	ix.bytes = 0
	for i, t := range ix.tensors {
		ix.byName[t.Name] = int32(i)
		ix.bytes += t.Size
	}
}

// size sets the size of a tensor to what it takes in the packed file. It returns the name of the tensor
// that holds its rest, "" if there is none.
func (r *packedReader) size(p *PackedTensor) string {
	i := int(r.ix.byName[p.Name])
	t := &r.ix.tensors[i]
	begin := pad(t.Size, r.ix.align)
	switch {
	case p.Stored < p.Size:
		r.fail(keyPackedSizes, "tensor %s has %d bytes, fewer than its original", words.Literal(p.Name), p.Stored)
		return ""
	case p.Stored <= begin: // in the padding
		if end := r.ix.files[t.File].Size; p.Stored > uint64(end-t.Offset) {
			r.fail(keyPackedSizes, "tensor %s extends beyond the end of the file", words.Literal(p.Name))
		}
		t.Size = p.Stored
		return ""
	case i+1 == len(r.ix.tensors) || !strings.HasPrefix(r.ix.tensors[i+1].Name, packedRest):
		r.fail(keyPackedSizes, "tensor %s has %d bytes, and no tensor with the rest of them follows it", words.Literal(p.Name), p.Stored)
		return ""
	}
	rest := r.ix.tensors[i+1]
	_, other := r.ix.Tensor(strings.TrimPrefix(rest.Name, packedPrefix))
	if rest.Size != p.Stored-begin || rest.Type != TypeI8 || other {
		r.fail(keyPackedSizes, "tensor %s has %d bytes, and the tensor after it %d of them", words.Literal(p.Name), p.Stored, rest.Size)
	}
	t.Size = p.Stored
	return rest.Name
}

// reserved refuses tensors with reserved names that are no packed ones.
func (r *packedReader) reserved(p *Packed) {
	known := map[string]bool{}
	for _, t := range p.Tensors {
		known[t.Name] = true
	}
	for _, t := range r.ix.tensors {
		if strings.HasPrefix(t.Name, packedPrefix) && !known[t.Name] {
			r.fail(keyPackedTensors, "tensor %s is missing in it", words.Literal(t.Name))
			return
		}
	}
}
