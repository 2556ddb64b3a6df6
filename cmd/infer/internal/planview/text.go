// Package planview shows memory plans of models as text and as a picture.
package planview

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// Print writes a forecast as text, with bars of at most the given number of columns. remedies
// returns the texts of the remedies for a mode that does not fit.
func Print(w io.Writer, f *runtime.Forecast, width int, remedies func([]memory.Remedy) []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", texts.Visible(f.Path, true))
	fmt.Fprintf(&b, "  %s, %s parameters, largest tensor %s\n", texts.Visible(f.Description, true), texts.Number(f.Parameters), words.Size(f.LargestTensor))
	available, limit := f.Probe.Available()
	fmt.Fprintf(&b, "  %s of private memory left (%s); largest free block %s (%s)\n",
		sizeOr(available), limit, sizeOr(f.Probe.LargestFreeBlock), f.Probe.LimitedBy)
	if possible, by := f.Probe.Possible(); possible > available {
		fmt.Fprintf(&b, "  %s once page files have grown (%s); the largest free block then %s\n", sizeOr(possible), by, sizeOr(f.Probe.PossibleBlock))
	}
	b.WriteByte('\n')

	if err := printModes(&b, f); err != nil {
		return err
	}
	if err := printDevices(&b, f); err != nil {
		return err
	}
	for _, p := range f.Modes {
		printMode(&b, p, width, remedies)
	}
	fmt.Fprintf(&b, "\n--load auto would take %s: %s\n", f.Auto, f.Reason)
	_, err := io.WriteString(w, b.String())
	return err
}

// printModes writes a table with a column for each load mode.
func printModes(w io.Writer, f *runtime.Forecast) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name string, value func(p runtime.ModePlan) string) {
		fmt.Fprintf(t, "  %s", name)
		for _, p := range f.Modes {
			fmt.Fprintf(t, "\t%s", value(p))
		}
		fmt.Fprintln(t)
	}
	size := func(n func(p runtime.ModePlan) uint64) func(runtime.ModePlan) string {
		return func(p runtime.ModePlan) string { return words.Size(n(p)) }
	}
	row("", runtime.ModePlan.Name)
	row("weights", func(p runtime.ModePlan) string {
		kind := "mapped"
		if p.Mode == runtime.LoadCopy {
			kind = "private"
		}
		n := p.Weights
		if p.Budget != nil {
			n -= p.Budget.Private
		}
		return words.Size(n) + " " + kind
	})
	if anyBudget(f, func(b *runtime.BudgetPlan) bool { return b.ExpertBytes > 0 }) {
		row("dense weights", func(p runtime.ModePlan) string {
			if p.Budget == nil {
				return "-"
			}
			return words.Size(p.Weights - p.Budget.Private - p.Budget.ExpertBytes)
		})
		row("experts", ofBudget(func(b *runtime.BudgetPlan) string { return words.Size(b.ExpertBytes) }))
	}
	row("KV cache", size(func(p runtime.ModePlan) uint64 { return p.KV }))
	row("compute", size(func(p runtime.ModePlan) uint64 { return p.Compute }))
	row("output", size(func(p runtime.ModePlan) uint64 { return p.Output }))
	row("engine", size(func(p runtime.ModePlan) uint64 { return p.Engine }))
	row("scratch, while loading", size(func(p runtime.ModePlan) uint64 { return p.Scratch }))
	row("commit charged", size(func(p runtime.ModePlan) uint64 { return p.Commit }))
	row("resident, full context", size(func(p runtime.ModePlan) uint64 { return p.Resident }))
	row("largest allocation", size(func(p runtime.ModePlan) uint64 { return p.LargestAllocation }))
	row("largest range", size(func(p runtime.ModePlan) uint64 { return p.LargestRange }))
	row("chunks", func(p runtime.ModePlan) string { return fmt.Sprint(p.Chunks) })
	budgetRows(f, row)
	row("fits now", func(p runtime.ModePlan) string {
		switch {
		case p.Fits && p.PageFileGrowth > 0:
			return "with page files larger by " + words.Size(p.PageFileGrowth)
		case p.Fits:
			return "yes"
		}
		return "no, " + words.Size(p.Missing) + " short"
	})
	return t.Flush()
}

// budgetRows writes the rows about memory budgets.
// printDevices writes what goes onto each device, a row each.
func printDevices(w io.Writer, f *runtime.Forecast) error {
	if len(f.Devices) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "\n  device\ttotal\tfree\tlargest buffer\tweights\tKV cache\tcompute\tfits now\n")
	for _, d := range f.Devices {
		largest, fits := "-", "yes"
		if d.LargestBuffer != math.MaxUint64 {
			largest = words.Size(d.LargestBuffer)
		}
		if !d.Fits(0) {
			fits = "no, " + words.Size(d.Needed()-min(d.Free, d.Needed())) + " short"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", texts.OneLine(d.Name), words.Size(d.Total), words.Size(d.Free), largest, words.Size(d.Weights), words.Size(d.KV), words.Size(d.Compute), fits)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "  %d layers of the model on devices (the output is one)\n", f.GPULayers)
	return nil
}

func budgetRows(f *runtime.Forecast, row func(name string, value func(p runtime.ModePlan) string)) {
	row("least memory, streamed", ofBudget(func(b *runtime.BudgetPlan) string { return words.Size(b.Least) }))
	if anyBudget(f, func(b *runtime.BudgetPlan) bool { return b.Streamed > 0 }) {
		row("memory budget", ofBudget(func(b *runtime.BudgetPlan) string { return words.Size(b.Budget) }))
		if anyBudget(f, func(b *runtime.BudgetPlan) bool { return b.Experts > 0 }) {
			row("experts in memory", ofBudget(func(b *runtime.BudgetPlan) string { return fmt.Sprintf("%d of %d", b.Experts, b.AllExperts) }))
			row("experts of a token", ofBudget(func(b *runtime.BudgetPlan) string { return words.Size(b.PerToken) }))
		}
		row("streamed for a token", ofBudget(func(b *runtime.BudgetPlan) string {
			if b.Experts > 0 { // some are chosen more often than others
				return "at most " + words.Size(b.Streamed)
			}
			return words.Size(b.Streamed)
		}))
	}
	if anyBudget(f, func(b *runtime.BudgetPlan) bool { return b.Trace != nil }) {
		trace := func(value func(t *runtime.TracePlan) string) func(runtime.ModePlan) string {
			return ofBudget(func(b *runtime.BudgetPlan) string {
				if b.Trace == nil {
					return "-"
				}
				return value(b.Trace)
			})
		}
		row("experts found, by trace", trace(func(t *runtime.TracePlan) string { return fmt.Sprintf("%.0f %%", 100*t.HitRate) }))
		row("read for a token, by trace", trace(func(t *runtime.TracePlan) string { return words.Size(t.Read) }))
	}
}

// ofBudget returns the cell of a mode, which is empty without a budget.
func ofBudget(value func(b *runtime.BudgetPlan) string) func(runtime.ModePlan) string {
	return func(p runtime.ModePlan) string {
		if p.Budget == nil {
			return "-"
		}
		return value(p.Budget)
	}
}

// anyBudget tells whether it is so of the budget of any mode.
func anyBudget(f *runtime.Forecast, is func(b *runtime.BudgetPlan) bool) bool {
	return slices.ContainsFunc(f.Modes, func(p runtime.ModePlan) bool { return p.Budget != nil && is(p.Budget) })
}

// printMode writes the parts of a mode's plan, and the remedies if it does not fit.
func printMode(b *strings.Builder, p runtime.ModePlan, width int, remedies func([]memory.Remedy) []string) {
	fmt.Fprintf(b, "\n%s: context of %d tokens, %d at once, cache %s/%s, flash attention %s (%s)\n", p.Name(), p.Context, p.UBatch, p.CacheTypeK, p.CacheTypeV, p.FlashAttention, texts.OneLine(p.FlashReason))
	fmt.Fprintf(b, "  largest allocation: %s\n", texts.OneLine(p.LargestAllocationOf))
	if p.LargestRangeOf != p.LargestAllocationOf {
		fmt.Fprintf(b, "  largest range: %s\n", texts.OneLine(p.LargestRangeOf))
	}
	printPieces(b, p, width)
	if !p.Fits {
		needed := ""
		if len(p.Needed) > 1 {
			needed = fmt.Sprintf("%v are %s; ", p.Needed, words.Size(p.Needed.Total()))
		}
		fmt.Fprintf(b, "  does not fit: %slimited by the %s; try one of these, least loss first:\n", needed, p.LimitedBy)
		for _, r := range remedies(p.Remedies) {
			fmt.Fprintf(b, "  - %s\n", r)
		}
	}
}

// printPieces draws all allocations to the same scale (bytes per cell). A vertical bar ends each
// allocation.
func printPieces(b *strings.Builder, p runtime.ModePlan, width int) {
	const label = 20
	cells := width - label - 3
	if cells < 10 || p.Resident == 0 {
		return
	}
	groups := pieceGroups(p)
	widest := uint64(1)
	for _, g := range groups {
		widest = max(widest, g.size)
	}
	for _, g := range groups {
		if g.size == 0 {
			continue
		}
		fmt.Fprintf(b, "  %-*s %s\n", label, g.label(), allocationBar(g.allocations(), widest, cells))
	}
}

// allocationBar draws sizes side by side. widest bytes take all cells. Where there is no room for
// the ends of allocations, neighbours are merged.
func allocationBar(sizes []uint64, widest uint64, cells int) string {
	at := func(n uint64) int { return int(float64(n) / float64(widest) * float64(cells)) }
	line := []byte(strings.Repeat("=", max(at(sum(sizes)), 1)))
	end := uint64(0)
	for _, n := range sizes {
		end += n
		if i := at(end) - 1; i >= 0 && i < len(line) {
			line[i] = '|'
		}
	}
	line[len(line)-1] = '|'
	return string(line)
}

func sum(sizes []uint64) (total uint64) {
	for _, n := range sizes {
		total += n
	}
	return total
}

// sizeOr formats a size, or returns the text for no limit.
func sizeOr(n uint64) string {
	if n == probe.Unlimited {
		return "unlimited"
	}
	return words.Size(n)
}
