package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/loader"
)

// probeLabel is the width of what stands before the figures.
const probeLabel = 15

// probeText shows a probe to people, in lines of less than width columns (0: 80), and
// in fewer than rows of them (0: as many as it takes). Unconfirmed is why the largest
// free block was not asked for.
func probeText(p probed, unconfirmed error, width, rows int) string {
	if width <= 0 {
		width = helpWidth
	}
	t := &probeLines{width: max(width-1, 2*probeLabel)} // some terminals wrap once the last column is filled
	t.machine(p.Probe)
	t.blank()
	t.limits(p.Probe)
	t.packed(p.packed)
	t.blank()
	t.addresses(p.Probe)
	t.blank()
	t.verdict(p.Probe, unconfirmed)
	if rows > 0 {
		t.cut(width - 1)
	}
	return t.fit(rows)
}

// probeLines are the lines of a screen.
type probeLines struct {
	width int
	parts []probePart
}

// probePart are lines that are shown together or not at all.
type probePart struct {
	lines []string
	rank  rank
}

// rank says which parts go where there is no room for all: the higher ones first.
type rank int

const (
	essential rank = iota
	detail
	absence // of a limit, or of holes
	blank
)

func (t *probeLines) blank() { t.add(blank, "") }

// row adds a figure.
func (t *probeLines) row(label string, r rank, format string, args ...any) {
	text := wrapTo(t.width, fmt.Sprintf(format, args...), probeLabel)
	pad := strings.Repeat(" ", max(probeLabel-utf8.RuneCountInString(label), 1))
	t.add(r, label+pad+strings.TrimLeft(text, " "))
}

func (t *probeLines) add(r rank, text string) {
	t.parts = append(t.parts, probePart{strings.Split(text, "\n"), r})
}

// cut ends lines at a width that is too small for their words: in a window of so many
// rows they must not become two.
func (t *probeLines) cut(width int) {
	for _, p := range t.parts {
		for i, l := range p.lines {
			if r := []rune(l); len(r) > width {
				p.lines[i] = strings.TrimRight(string(r[:max(width, 0)]), " ")
			}
		}
	}
}

// fit joins the lines, and leaves out what there is no room for.
func (t *probeLines) fit(rows int) string {
	over := 0 // lines that are too many
	for _, p := range t.parts {
		over += len(p.lines)
	}
	over -= rows - 1
	if rows <= 0 {
		over = 0
	}
	parts := t.parts
	for r := blank; r > essential; r-- {
		parts = slices.DeleteFunc(parts, func(p probePart) bool {
			if p.rank != r || over <= 0 {
				return false
			}
			over -= len(p.lines)
			return true
		})
	}
	var lines []string
	for _, p := range parts {
		lines = append(lines, p.lines...)
	}
	return strings.Join(lines[min(max(over, 0), len(lines)):], "\n") + "\n" // the end counts most
}

// machine is what there is, and how it is promised.
func (t *probeLines) machine(p loader.Probe) {
	t.row("RAM", essential, "%s, %s available", loader.Size(p.RAMTotal), loader.Size(p.RAMAvailable))
	swap := "swap"
	if runtime.GOOS == "windows" {
		swap = "page file"
	}
	if p.SwapTotal == 0 {
		t.row(swap, detail, "none")
	} else {
		t.row(swap, detail, "%s, %s free", loader.Size(p.SwapTotal), loader.Size(p.SwapFree))
	}
	n, by := p.Available()
	t.row("usable now", essential, "%s without swapping, limited by the %s", loader.Size(n), by)
	t.row("promises", essential, "%s", promises(p))
}

// promises says what the system promises beyond what it has.
func promises(p loader.Probe) string {
	switch {
	case p.Overcommit == 0:
		return "only a block over RAM + swap is refused (overcommit mode 0)"
	case p.Overcommit == 1:
		return "none is refused (overcommit mode 1)"
	case p.CommitLimit == loader.Unlimited:
		return "no limit known"
	case p.Overcommit == 2:
		return left(p.CommitLimit, p.CommitLeft) + " (overcommit mode 2)"
	}
	return left(p.CommitLimit, p.CommitLeft) + " (commit limit)"
}

// left says what is left of a limit.
func left(limit, left uint64) string {
	switch {
	case limit == loader.Unlimited:
		return "no limit"
	case left == loader.Unlimited:
		return loader.Size(limit) + ", which does not bind this process"
	}
	return fmt.Sprintf("%s, %s left", loader.Size(limit), loader.Size(left))
}

// limits are those of the process.
func (t *probeLines) limits(p loader.Probe) {
	limit := func(label, how string, limit, l uint64) {
		r := detail
		switch {
		case l == loader.Unlimited:
			r = absence
		case strings.HasPrefix(p.LimitedBy, label):
			r = essential
		}
		t.row(label, r, "%s%s", left(limit, l), how)
	}
	if runtime.GOOS == "windows" {
		limit("job", "", p.CgroupLimit, p.CgroupLeft)
		limit("locked memory", " (minimum working set)", p.LockedLimit, p.LockedLeft)
	} else {
		limit("control group", "", p.CgroupLimit, p.CgroupLeft)
		limit("address space", " (ulimit -v)", p.AddressSpaceLimit, p.AddressSpaceLeft)
		limit("data", " (ulimit -d)", p.DataLimit, p.DataLeft)
		limit("locked memory", " (ulimit -l)", p.LockedLimit, p.LockedLeft)
	}
	if p.MappingsLimit != loader.Unlimited {
		t.row("mappings", detail, "%d, %d left (vm.max_map_count)", p.MappingsLimit, p.MappingsLeft)
	}
}

// packed is what is kept of models for this CPU, on disk.
func (t *probeLines) packed(p packedProbe) {
	const label = "packed files"
	switch {
	case !p.Repack:
		t.row(label, absence, "none: this build has no CPU layouts (see 'infer version')")
	case p.err != nil:
		t.row(label, detail, "none: %s", oneLine(p.err.Error()))
	default:
		c := p.Cache
		t.row(label, detail, "%s of %s at most, in %s", loader.Size(c.Used), loader.Size(c.Limit), oneLine(c.Dir))
	}
}

// holeGroups are the sizes of holes that are told apart: powers of two, ascending.
var holeGroups = []struct {
	from uint64
	name string
}{
	{0, "under 16 MiB"},
	{16 << 20, "16 to 256 MiB"},
	{256 << 20, "256 MiB to 4 GiB"},
	{4 << 30, "4 to 64 GiB"},
	{64 << 30, "64 GiB to 1 TiB"},
	{1 << 40, "1 TiB and more"},
}

// addresses is the picture of the address space: how much of what is free lies in
// holes of which size. Drawn to scale, an address space would be one blank: what is
// used of its 128 TiB is less than a cell.
func (t *probeLines) addresses(p loader.Probe) {
	if p.Holes == loader.Unlimited {
		t.row("free addresses", essential, "unknown on this system")
		return
	}
	t.row("free addresses", essential, "%s in %s, the largest %s", loader.Size(p.FreeAddresses), count(int(p.Holes), "hole"), loader.Size(p.LargestHole))
	groups := make([]loader.HoleClass, len(holeGroups))
	for _, h := range p.HoleSizes {
		i := len(holeGroups) - 1
		for h.AtLeast < holeGroups[i].from {
			i--
		}
		groups[i].Count += h.Count
		groups[i].Bytes += h.Bytes
	}
	// The name, the number, the bar, and what they are together, unless the bar would
	// be too short for it.
	const names, numbers, sizes = 16, 6, 11
	bar := t.width - 2 - names - 1 - numbers - 2 - sizes
	withSize := bar >= 16
	if !withSize {
		bar += sizes
	}
	bar = max(min(bar, 60), 4)
	for i, g := range groups {
		filled := 0
		if g.Count > 0 {
			filled = max(int(float64(g.Bytes)/float64(p.FreeAddresses)*float64(bar)+0.5), 1)
		}
		line := fmt.Sprintf("  %-*s %*d  %-*s", names, holeGroups[i].name, numbers, g.Count, bar, strings.Repeat("#", min(filled, bar)))
		if withSize && g.Count > 0 {
			line += fmt.Sprintf("%*s", sizes, loader.Size(g.Bytes))
		}
		r := detail
		if g.Count == 0 {
			r = absence
		}
		t.add(r, strings.TrimRight(line, " "))
	}
}

// controlGroup is one of the names that Probe.LimitedBy may have.
const controlGroup = "control group"

// verdict is the largest free block, what sets it, and what to do about that. It
// stands last, next to where a terminal's user looks.
func (t *probeLines) verdict(p loader.Probe, unconfirmed error) {
	paragraph := func(indented bool, format string, args ...any) {
		text := wrapTo(t.width, fmt.Sprintf(format, args...), 2)
		if !indented {
			text = text[2:]
		}
		t.add(essential, text)
	}
	how := "confirmed"
	if !p.Confirmed {
		how = "computed"
	}
	limit := ""
	if p.LimitedBy != "" {
		limit = ", limited by the " + p.LimitedBy
	}
	paragraph(false, "largest free block: %s (%s)%s", loader.Size(p.LargestFreeBlock), how, limit)
	switch {
	case unconfirmed != nil:
		paragraph(true, "not confirmed: %s", oneLine(unconfirmed.Error()))
	case max(p.LargestFreeBlock, p.Computed)-min(p.LargestFreeBlock, p.Computed) > p.Computed/100:
		paragraph(true, "the other figures say %s, by the %s", loader.Size(p.Computed), p.ComputedBy)
	case p.LimitedBy == controlGroup && runtime.GOOS == "linux":
		paragraph(true, "more would be granted, and end the process when it is used")
	}
	// As many ways out as one line has room for.
	text := "what helps: "
	for i, r := range p.Remedies() {
		if i > 0 {
			r = ", or " + r
		}
		if i > 0 && 2+utf8.RuneCountInString(text+r) > t.width {
			break
		}
		text += r
	}
	paragraph(true, "%s", text)
}
