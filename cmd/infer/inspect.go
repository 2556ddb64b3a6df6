package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/seed7adf6694/infer/cmd/infer/internal/metadata"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// inspectConfig holds the flags of `infer inspect`.
type inspectConfig struct {
	flags      *flags
	model      string
	chunk      uint64
	full, json bool
}

func inspectCommand() *command {
	f := newFlags()
	c := &inspectConfig{flags: f}
	f.group("Flags")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model (default tiny, the embedded model)")
	f.Var(values.Size{P: &c.chunk}, "chunk-size", "plan for this chunk size (default the one that a load would use)")
	f.BoolVar(&c.full, "full", false, "show long values, arrays and lists in full")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	engineFlag(f)
	return &command{
		name:     "inspect",
		summary:  "show a model's metadata, tensors and chunks",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Shows the metadata and tensors of a model, the chunks in which it would be loaded, and whether it can be loaded. Only headers are read. " +
			"A file that cannot be loaded is shown as far as its structure is valid.",
		examples: []string{
			`infer inspect model.gguf`, "everything, with long values abbreviated",
			`infer inspect model.gguf --json | jq -r '.tensors[].name'`, "for programs",
		},
		flags: f,
		run:   c.run,
	}
}

func (c *inspectConfig) run(_ context.Context, s *streams, args []string) error {
	if err := modelArgument(c.flags, &c.model, args); err != nil {
		return err
	}
	path, err := models.Resolve(c.model, models.ResolveOptions{})
	if err != nil {
		return err
	}
	index, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return err
	}
	defer index.Close()
	r, err := c.inspect(path, index)
	if err != nil {
		return err
	}
	if c.json {
		return texts.WriteJSON(s.out, r)
	}
	w := bufio.NewWriter(s.out)
	if err := r.print(w, c.full); err != nil {
		return err
	}
	return w.Flush()
}

// inspection is the output of `infer inspect --json`.
type inspection struct {
	Path         string         `json:"path"`
	Files        []fileInfo     `json:"files"`
	Version      uint32         `json:"gguf_version"`
	Alignment    uint64         `json:"alignment"`
	Architecture string         `json:"architecture"` // "" where there is none
	Packed       *packedInfo    `json:"packed"`       // null unless the file is packed
	Parameters   uint64         `json:"parameters"`
	Bytes        uint64         `json:"tensor_bytes"`
	Metadata     metadata.List  `json:"metadata"`
	Tensors      []tensorInfo   `json:"tensors"`
	Types        []typeTotal    `json:"types"`
	Plan         *planInfo      `json:"plan"`    // null where there are no tensors
	Verdict      inspectVerdict `json:"verdict"` // from the check before a load
}

type fileInfo struct {
	Path string `json:"path"`
	Size int64  `json:"size_bytes"`
}

// packedInfo has the keys that only packed files have.
type packedInfo struct {
	Engine       string   `json:"engine"`
	Instructions string   `json:"instructions"`
	Tensors      int      `json:"tensors"`
	Layouts      []string `json:"layouts"`
	Source       []string `json:"source"`
}

func describePacked(p *gguf.Packed) *packedInfo {
	if p == nil {
		return nil
	}
	r := &packedInfo{Engine: p.Engine, Instructions: p.Instructions, Tensors: len(p.Tensors)}
	for _, t := range p.Tensors {
		if !slices.Contains(r.Layouts, t.Layout) {
			r.Layouts = append(r.Layouts, t.Layout)
		}
	}
	for _, s := range p.Source {
		r.Source = append(r.Source, s.Path)
	}
	return r
}

type tensorInfo struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Shape  []uint64 `json:"shape"` // the innermost dimension first, as in the file
	Size   uint64   `json:"size_bytes"`
	Offset int64    `json:"offset"` // in bytes from the start of its file
	File   int      `json:"file"`   // index in files
}

type typeTotal struct {
	Type       string `json:"type"`
	Tensors    int    `json:"tensors"`
	Parameters uint64 `json:"parameters"`
	Size       uint64 `json:"size_bytes"`
}

type planInfo struct {
	ChunkSize         uint64      `json:"chunk_size_bytes"`
	Chunks            int         `json:"chunks"`
	Ranges            int         `json:"ranges"`
	LargestChunk      uint64      `json:"largest_chunk_bytes"`
	LargestRange      uint64      `json:"largest_range_bytes"`
	LargestTensor     uint64      `json:"largest_tensor_bytes"`
	LargestTensorName string      `json:"largest_tensor"`
	LeftOut           uint64      `json:"left_out_bytes"` // of tensors that the engine does not use
	List              []chunkInfo `json:"list"`
}

type chunkInfo struct {
	File   int    `json:"file"`
	Offset int64  `json:"offset"`
	Size   uint64 `json:"size_bytes"`
	Range  int    `json:"range"` // chunks with the same range are contiguous in memory
}

type inspectVerdict struct {
	Loads  bool   `json:"loads"`
	Reason string `json:"reason"` // why it does not load; "" if it does

	Warnings []string `json:"warnings"` // defects that do not prevent loading
}

func (c *inspectConfig) inspect(path string, index *gguf.Index) (*inspection, error) {
	r := &inspection{
		Path: path, Version: index.Version(), Alignment: index.Alignment(), Architecture: architecture(index), Packed: describePacked(index.Packed()),
		Bytes: index.Bytes(), Metadata: metadata.Read(index, c.full), Tensors: []tensorInfo{}, Types: []typeTotal{},
	}
	for _, f := range index.Files() {
		r.Files = append(r.Files, fileInfo{f.Path, f.Size})
	}
	at := map[gguf.Type]int{}
	for _, t := range index.Tensors() {
		n := t.Elements()
		r.Parameters += n
		r.Tensors = append(r.Tensors, tensorInfo{t.Name, t.Type.String(), t.Shape, t.Size, t.Offset, t.File})
		i, ok := at[t.Type]
		if !ok {
			i = len(r.Types)
			at[t.Type] = i
			r.Types = append(r.Types, typeTotal{Type: t.Type.String()})
		}
		r.Types[i].Tensors++
		r.Types[i].Parameters += n
		r.Types[i].Size += t.Size
	}
	if len(r.Tensors) > 0 {
		plan, err := loader.NewPlan(index, loader.PlanOptions{ChunkSize: c.chunk})
		if err != nil {
			return nil, err
		}
		r.Plan = describePlan(plan, index.Bytes())
	}
	r.Verdict = verdict(path, len(r.Tensors) > 0)
	return r, nil
}

// architecture returns the architecture, or "" if an index that was not validated lacks it.
func architecture(index *gguf.Index) string {
	if v, ok := index.Lookup("general.architecture"); ok {
		s, _ := v.Str()
		return s
	}
	return ""
}

func describePlan(p *loader.Plan, all uint64) *planInfo {
	r := &planInfo{
		ChunkSize: p.ChunkSize, Chunks: len(p.Chunks), Ranges: len(p.Ranges),
		LargestChunk: p.LargestChunk, LargestRange: p.LargestRange,
		LargestTensor: p.LargestTensor, LargestTensorName: p.LargestTensorName, LeftOut: all - p.Bytes,
	}
	for _, c := range p.Chunks {
		r.List = append(r.List, chunkInfo{c.File, c.Offset, c.Size, c.Range})
	}
	return r
}

// verdict runs the check of a load.
func verdict(path string, weights bool) inspectVerdict {
	index, err := loader.OpenWith(path, loader.OpenOptions{Engine: runtime.Rules()})
	if err != nil {
		return inspectVerdict{Reason: err.Error(), Warnings: []string{}}
	}
	index.Close()
	v := inspectVerdict{Loads: weights, Warnings: list(index.Warnings())}
	if !weights {
		v.Reason = "vocabulary only: usable for tokenizing, has no weights"
	}
	return v
}

// shownChunks is the number of chunks listed without --full.
const shownChunks = 12

// print writes the inspection as text. Everything from the file is escaped for the terminal.
func (r *inspection) print(w io.Writer, full bool) error {
	var b strings.Builder
	table := func(title string, write func(t *tabwriter.Writer)) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(title + "\n")
		t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		write(t)
		t.Flush()
	}
	table(texts.Visible(r.Path, true), r.printSummary)
	table(fmt.Sprintf("Metadata (%d)", len(r.Metadata)), func(t *tabwriter.Writer) {
		for _, e := range r.Metadata {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", texts.Visible(e.Key, true), e.Kind(), e.Text())
		}
	})
	table(fmt.Sprintf("Tensors (%d)", len(r.Tensors)), r.printTensors)
	table("Types", func(t *tabwriter.Writer) {
		for _, y := range r.Types {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", y.Type, count(y.Tensors, "tensor"), texts.Number(y.Parameters)+" parameters", words.Size(y.Size))
		}
	})
	if r.Plan != nil {
		table("Chunk plan", func(t *tabwriter.Writer) { r.printPlan(t, full) })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *inspection) printSummary(t *tabwriter.Writer) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("format", "GGUF version %d, alignment %d", r.Version, r.Alignment)
	if len(r.Files) > 1 {
		for i, f := range r.Files {
			row(fmt.Sprintf("file %d", i), "%s, %s", texts.Visible(filepath.Base(f.Path), true), words.Size(uint64(f.Size)))
		}
	} else if len(r.Files) == 1 {
		row("file", "%s", words.Size(uint64(r.Files[0].Size)))
	}
	if r.Architecture != "" {
		row("architecture", "%s", texts.Visible(r.Architecture, true))
	}
	if p := r.Packed; p != nil {
		row("packed", "%s for %s and engine %s", count(p.Tensors, "tensor"), texts.Visible(p.Instructions, true), texts.Visible(p.Engine, true))
		for _, s := range p.Source {
			row("packed from", "%s", texts.Visible(s, true))
		}
	}
	row("parameters", "%s in %s", texts.Number(r.Parameters), words.Size(r.Bytes))
	if r.Verdict.Loads {
		row("verdict", "can be loaded")
	} else {
		row("verdict", "refused: %s", texts.OneLine(r.Verdict.Reason))
	}
	for _, w := range r.Verdict.Warnings {
		row("warning", "%s", texts.OneLine(w))
	}
}

func (r *inspection) printTensors(t *tabwriter.Writer) {
	head, file := "  NAME\tTYPE\tSHAPE\tSIZE\tOFFSET", ""
	if len(r.Files) > 1 {
		head += "\tFILE"
	}
	fmt.Fprintln(t, head)
	for _, x := range r.Tensors {
		if len(r.Files) > 1 {
			file = fmt.Sprintf("\t%d", x.File)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d%s\n", texts.Visible(x.Name, true), x.Type, formatShape(x.Shape), words.Size(x.Size), x.Offset, file)
	}
}

func (r *inspection) printPlan(t *tabwriter.Writer, full bool) {
	p := r.Plan
	fmt.Fprintf(t, "  chunk size\t%s\n", words.Size(p.ChunkSize))
	fmt.Fprintf(t, "  chunks\t%d in %s of addresses, the largest %s\n", p.Chunks, count(p.Ranges, "range"), words.Size(p.LargestChunk))
	fmt.Fprintf(t, "  largest tensor\t%s, %s\n", texts.Visible(p.LargestTensorName, true), words.Size(p.LargestTensor))
	fmt.Fprintf(t, "  largest range\t%s\n", words.Size(p.LargestRange))
	if p.LeftOut > 0 {
		fmt.Fprintf(t, "  left out\t%s of tensors that the engine does not use\n", words.Size(p.LeftOut))
	}
	t.Flush()
	fmt.Fprintln(t, "  CHUNK\tFILE\tOFFSET\tSIZE\tRANGE")
	for i, c := range p.List {
		if !full && i == shownChunks-1 && len(p.List) > shownChunks {
			fmt.Fprintf(t, "  … and %d more (--full)\n", len(p.List)-i)
			break
		}
		fmt.Fprintf(t, "  %d\t%d\t%d\t%s\t%d\n", i, c.File, c.Offset, words.Size(c.Size), c.Range)
	}
}

func formatShape(shape []uint64) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = fmt.Sprint(d)
	}
	return strings.Join(parts, " × ")
}
