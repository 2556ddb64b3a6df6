package planview

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// Measures of the picture, in pixels.
const (
	svgWidth  = 960
	svgLeft   = 150
	svgRight  = 20
	svgRow    = 30
	svgBar    = 20
	svgHeader = 34
)

var svgColours = map[memory.Purpose]string{
	memory.PurposeWeights: "#4c78a8", memory.PurposeKV: "#f58518", memory.PurposeCompute: "#54a24b", memory.PurposeOutput: "#b279a2",
}

// Draw draws the allocations of each mode to the same scale. Mapped memory is light, private memory
// dark.
func Draw(out io.Writer, f *runtime.Forecast) error {
	w := bufio.NewWriter(out)
	widest, rows := uint64(1), 0
	for _, p := range f.Modes {
		for _, g := range pieceGroups(p) {
			widest = max(widest, g.size)
			if g.size > 0 {
				rows++
			}
		}
	}
	height := len(f.Modes)*(svgHeader+10) + rows*svgRow + 64
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", svgWidth, height, svgWidth, height)
	fmt.Fprintf(w, `<rect width="%d" height="%d" fill="white"/>`+"\n", svgWidth, height)
	y := 24
	text := func(x, y int, extra, s string) {
		fmt.Fprintf(w, `<text x="%d" y="%d"%s>%s</text>`+"\n", x, y, extra, escapeXML(s))
	}
	text(10, y, ` font-weight="bold"`, fmt.Sprintf("%s, %s parameters: each box is one mapping or commit", f.Description, texts.Number(f.Parameters)))
	y += 16
	scale := float64(svgWidth-svgLeft-svgRight) / float64(widest)
	for _, p := range f.Modes {
		verdict := "fits"
		if !p.Fits {
			verdict = words.Size(p.Missing) + " short"
		}
		y += svgHeader
		text(10, y, ` font-weight="bold"`, fmt.Sprintf("%s: %s committed, %s resident at a full context, largest allocation %s (%s)", p.Name(), words.Size(p.Commit), words.Size(p.Resident), words.Size(p.LargestAllocation), verdict))
		y += 10
		for _, g := range pieceGroups(p) {
			if g.size == 0 {
				continue
			}
			text(10, y+svgBar-5, "", g.label())
			x := float64(svgLeft)
			for _, piece := range g.pieces {
				opacity := 0.45
				if piece.Private {
					opacity = 0.9
				}
				for _, n := range piece.Allocations {
					width := float64(n) * scale
					fmt.Fprintf(w, `<rect x="%.2f" y="%d" width="%.2f" height="%d" fill="%s" fill-opacity="%g" stroke="white" stroke-width="%g"><title>%s</title></rect>`+"\n",
						x, y, width, svgBar, svgColours[g.purpose], opacity, min(1, width/4), escapeXML(piece.Of+", "+words.Size(n)))
					x += width
				}
			}
			y += svgRow
		}
	}
	text(10, height-12, ` fill="#555"`, "light: mapped, shared and evictable; dark: private memory, charged as commit")
	fmt.Fprintln(w, "</svg>")
	return w.Flush() // keeps the first error
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(strings.ToValidUTF8(s, "\uFFFD"))) // a Builder never fails
	return b.String()
}
