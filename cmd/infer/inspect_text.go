package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
)

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
