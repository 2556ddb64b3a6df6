package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// probeLabel is the width of the column of labels, in front of the figures.
const probeLabel = 15

// probeText returns a probe as text, in lines of fewer than width columns (0: 80) and in fewer than
// rows lines (0: no bound). unconfirmed is the reason why the largest free block was not confirmed,
// or "".
func probeText(p probed, unconfirmed error, width, rows int) string {
	if width <= 0 {
		width = helpWidth
	}
	t := &probeLines{width: width - 1, label: probeLabel} // some terminals wrap when the last column is filled
	if rows == 0 {
		t.width = max(t.width, 2*probeLabel) // a line may be wrapped into two
	}
	if t.width < 2*probeLabel {
		t.label = 2 // put figures below their labels
	}
	t.machine(p)
	t.blank()
	t.limits(p.Probe)
	t.packed(p.packed)
	t.blank()
	t.addresses(p.Probe)
	t.blank()
	figures := len(t.parts)
	t.verdict(p.Probe, unconfirmed)
	if rows > 0 {
		t.cut()
		return fitLines(t.parts[:figures], t.parts[figures:], t.width, rows-1)
	}
	return joinParts(t.parts)
}

// probeLines collects the lines of a screen.
type probeLines struct {
	width int
	label int // indentation of figures, in columns
	parts []probePart
}

// probePart is a group of lines that are shown together or left out together.
type probePart struct {
	lines []string
	rank  rank
	brief []string // shorter text for small windows; nil to leave the part out
}

// rank is the order in which parts are left out of small windows: higher ranks first.
type rank int

const (
	essential rank = iota
	useful         // always shown, at least in short form
	detail
	absence // details of a limit or of holes
	blank
)

func (t *probeLines) blank() { t.add(blank, "") }

// row adds a line with a label and a figure.
func (t *probeLines) row(label string, r rank, format string, args ...any) {
	t.add(r, t.labelled(label, fmt.Sprintf(format, args...)))
}

// brief adds a short form of the last row.
func (t *probeLines) brief(label, format string, args ...any) {
	t.parts[len(t.parts)-1].brief = strings.Split(t.labelled(label, fmt.Sprintf(format, args...)), "\n")
}

func (t *probeLines) labelled(label, text string) string {
	text = texts.Wrap(t.width, text, t.label)
	if n := t.label - utf8.RuneCountInString(label); n > 0 {
		return label + strings.Repeat(" ", n) + strings.TrimLeft(text, " ")
	}
	return label + "\n" + text
}

func (t *probeLines) add(r rank, text string) {
	t.parts = append(t.parts, probePart{strings.Split(text, "\n"), r, nil})
}

// cut truncates lines at the width, where a word is wider than the window, so that the terminal
// does not wrap them.
func (t *probeLines) cut() {
	for _, p := range t.parts {
		for _, lines := range [][]string{p.lines, p.brief} {
			for i, l := range lines {
				if r := []rune(l); len(r) > t.width {
					lines[i] = strings.TrimRight(string(r[:max(t.width, 0)]), " ")
				}
			}
		}
	}
}

// fitLines joins figures and a verdict in at most the given number of lines. If they do not fit,
// the less important figures are left out, which a line says; if that is not enough, the short
// forms are used, and then only the first of them. The verdict is always shown, from its first line
// on.
func fitLines(figures, verdict []probePart, width, rows int) string {
	end := joinLines(verdict)
	rows = max(rows, 1)
	if len(end) >= rows {
		return strings.Join(end[:rows], "\n") + "\n"
	}
	rows -= len(end)
	shown := slices.Clone(figures)
	for r := blank; r > useful && len(joinLines(shown)) > rows; r-- {
		if r == absence {
			rows-- // for the line that says that figures are left out
		}
		shown = leaveOut(shown, r, rows)
	}
	for r := useful; r >= essential && len(joinLines(shown)) > rows; r-- {
		// Short forms, with as many details as fit.
		shown = nil
		for _, p := range figures {
			switch {
			case p.brief != nil && p.rank != absence:
				p.lines = p.brief
				shown = append(shown, p)
			case p.rank <= useful:
				shown = append(shown, p)
			}
		}
		for x := detail; x >= r; x-- {
			shown = leaveOut(shown, x, rows)
		}
	}
	hidden := 0
	for _, p := range figures {
		if p.rank != blank {
			hidden++
		}
	}
	for _, p := range shown {
		if p.rank != blank {
			hidden--
		}
	}
	lines := joinLines(shown)
	if hidden > 0 && rows >= 0 {
		note := fmt.Sprintf("(%s left out: enlarge the window)", count(hidden, "row"))
		if len(note) > width {
			note = "(more)"
		}
		lines = append(lines, note[:min(len(note), max(width, 0))])
	}
	return strings.Join(append(lines, end...), "\n") + "\n"
}

// leaveOut removes parts of a rank, the last first, until the others fit.
func leaveOut(parts []probePart, r rank, rows int) []probePart {
	over := len(joinLines(parts)) - rows
	for i := len(parts) - 1; i >= 0 && over > 0; i-- {
		if parts[i].rank == r {
			over -= len(parts[i].lines)
			parts = slices.Delete(parts, i, i+1)
		}
	}
	return parts
}

func joinLines(parts []probePart) (lines []string) {
	for _, p := range parts {
		lines = append(lines, p.lines...)
	}
	return lines
}

func joinParts(parts []probePart) string { return strings.Join(joinLines(parts), "\n") + "\n" }

// machine adds the machine's memory and how the system commits it.
func (t *probeLines) machine(p probed) {
	t.row("RAM", essential, "%s, %s available", words.Size(p.RAMTotal), words.Size(p.RAMAvailable))
	t.brief("RAM available", "%s of %s", words.Size(p.RAMAvailable), words.Size(p.RAMTotal))
	swap := "swap"
	if runtime.GOOS == "windows" {
		swap = "page file"
	}
	switch {
	case len(p.PageFiles) > 0:
		for _, f := range p.PageFiles {
			t.row(swap, detail, "%s, %s free, %s, in %s", words.Size(f.Size), words.Size(f.Size-min(f.Size, f.Used)), growsTo(f), texts.OneLine(f.Path))
			t.brief(swap+" free", "%s of %s", words.Size(f.Size-min(f.Size, f.Used)), words.Size(f.Size))
		}
	case p.SwapTotal == 0:
		t.row(swap, detail, "none")
	default:
		t.row(swap, detail, "%s, %s free", words.Size(p.SwapTotal), words.Size(p.SwapFree))
		t.brief(swap+" free", "%s of %s", words.Size(p.SwapFree), words.Size(p.SwapTotal))
	}
	n, by := p.Available()
	t.row("usable now", essential, "%s without swapping, limited by the %s", words.Size(n), by)
	t.brief("usable now", "%s (%s)", words.Size(n), by)
	if more, by := p.Possible(); more > n {
		t.row("usable later", useful, "%s once page files have grown, limited by the %s", words.Size(more), by)
	}
	t.row("promises", useful, "%s", promises(p.Probe))
	if p.CommitLimit != probe.Unlimited {
		t.brief("promises left", "%s", words.Size(p.CommitLeft))
	} else if p.Overcommit >= 0 {
		t.brief("promises", "overcommit mode %d", p.Overcommit)
	}
	if len(p.programs) > 0 {
		t.row("promised to", useful, "%s", promisedTo(p.programs))
		t.brief("promised to", "%s", promisedTo(p.programs[:1]))
	}
}

// growsTo says how far a page file can grow.
func growsTo(f probe.PageFile) string {
	switch {
	case f.Most <= f.Size && f.Managed:
		return "can't grow: its disk has no room"
	case f.Most <= f.Size:
		return "can't grow"
	case f.Managed:
		return "managed by Windows, can grow to " + words.Size(f.Most)
	}
	return "can grow to " + words.Size(f.Most)
}

// mostPrograms is the number of programs that are named, those with the largest commit.
const mostPrograms = 5

// promisedTo names the programs with the largest commit, and sums up the others.
func promisedTo(list []probe.Committed) string {
	var names []string
	for i, c := range list {
		if i == mostPrograms {
			rest := uint64(0)
			for _, c := range list[i:] {
				rest += c.Bytes
			}
			return strings.Join(names, ", ") + " and " + words.Size(rest) + " others"
		}
		name := texts.OneLine(c.Program) + " " + words.Size(c.Bytes)
		if c.Processes > 1 {
			name += fmt.Sprintf(" (%d processes)", c.Processes)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// promises describes the system's commit limit or overcommit mode.
func promises(p probe.Probe) string {
	switch {
	case p.Overcommit == 0:
		return "only a block over RAM + swap is refused (overcommit mode 0)"
	case p.Overcommit == 1:
		return "none is refused (overcommit mode 1)"
	case p.CommitLimit == probe.Unlimited:
		return "no limit known"
	case p.Overcommit == 2:
		return left(p.CommitLimit, p.CommitLeft) + " (overcommit mode 2)"
	}
	text := left(p.CommitLimit, p.CommitLeft) + " (commit limit: RAM and page files)"
	if p.CommitPossibleLeft > p.CommitLeft {
		text += fmt.Sprintf("; page files can grow: then %s, %s left", words.Size(p.CommitPossible), words.Size(p.CommitPossibleLeft))
	}
	return text
}

// left says how much of a limit is left.
func left(limit, left uint64) string {
	switch {
	case limit == probe.Unlimited:
		return "no limit"
	case left == probe.Unlimited:
		return words.Size(limit) + ", which does not bind this process"
	}
	return fmt.Sprintf("%s, %s left", words.Size(limit), words.Size(left))
}

// limits adds the limits of the process.
func (t *probeLines) limits(p probe.Probe) {
	limit := func(label, how string, limit, l uint64) {
		r := detail
		switch {
		case l == probe.Unlimited:
			r = absence
		case strings.HasPrefix(string(p.LimitedBy), label):
			r = essential
		}
		t.row(label, r, "%s%s", left(limit, l), how)
		if l != probe.Unlimited {
			t.brief(label, "%s left%s", words.Size(l), how)
		}
	}
	if runtime.GOOS == "windows" {
		outer := ""
		if p.CgroupOuter {
			outer = " (of the innermost job: those around it are not shown by Windows)"
		}
		limit("job", outer, p.CgroupLimit, p.CgroupLeft)
		limit("locked memory", " (minimum working set)", p.LockedLimit, p.LockedLeft)
	} else {
		limit("control group", "", p.CgroupLimit, p.CgroupLeft)
		limit("address space", " (ulimit"+texts.NoBreak+"-v)", p.AddressSpaceLimit, p.AddressSpaceLeft)
		limit("data", " (ulimit"+texts.NoBreak+"-d)", p.DataLimit, p.DataLeft)
		limit("locked memory", " (ulimit"+texts.NoBreak+"-l)", p.LockedLimit, p.LockedLeft)
	}
	if p.MappingsLimit != probe.Unlimited {
		t.row("mappings", detail, "%d, %d left (vm.max_map_count)", p.MappingsLimit, p.MappingsLeft)
		t.brief("mappings", "%d left", p.MappingsLeft)
	}
}

// packed adds the packed files' cache and its disk space.
func (t *probeLines) packed(p packedProbe) {
	if p.engine.Folder != "" {
		t.row("engine", detail, "%s, in %s", p.engine, texts.OneLine(p.engine.Folder))
		t.brief("engine", "%s", p.engine)
	}
	for _, d := range p.devices {
		largest := ""
		if d.LargestBuffer != math.MaxUint64 {
			largest = ", largest buffer " + words.Size(d.LargestBuffer)
		}
		t.row(d.Name, detail, "%s, %s free%s, %s", words.Size(d.MemoryTotal), words.Size(d.MemoryFree), largest, texts.OneLine(d.Description))
		t.brief(d.Name+" free", "%s of %s", words.Size(d.MemoryFree), words.Size(d.MemoryTotal))
	}
	const label = "packed files"
	switch {
	case !p.Repack:
		t.row(label, absence, "none: this build has no CPU layouts (see 'infer version')")
	case p.err != nil:
		t.row(label, detail, "none: %s", texts.OneLine(p.err.Error()))
	default:
		c := p.Cache
		t.row(label, detail, "%s of %s at most, in %s", words.Size(c.Used), words.Size(c.Limit), texts.OneLine(c.Dir))
		t.brief(label, "%s", words.Size(c.Used))
	}
}

// holeGroups are the groups of hole sizes, by ascending powers of two.
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

// addresses draws a histogram of the free address space by size of hole. A picture to scale would
// show nothing: the used part of 128 TiB is less than a cell.
func (t *probeLines) addresses(p probe.Probe) {
	if p.Holes == probe.Unlimited {
		t.row("free addresses", useful, "unknown on this system")
		return
	}
	t.row("free addresses", useful, "%s in %s, the largest %s", words.Size(p.FreeAddresses), count(int(p.Holes), "hole"), words.Size(p.LargestHole))
	t.brief("largest hole", "%s of %s", words.Size(p.LargestHole), words.Size(p.FreeAddresses))
	groups := make([]probe.HoleClass, len(holeGroups))
	for _, h := range p.HoleSizes {
		i := len(holeGroups) - 1
		for h.AtLeast < holeGroups[i].from {
			i--
		}
		groups[i].Count += h.Count
		groups[i].Bytes += h.Bytes
	}
	// Name, number, bar and sum; without the sum if the bar would be too short.
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
			line += fmt.Sprintf("%*s", sizes, words.Size(g.Bytes))
		}
		r := detail
		if g.Count == 0 {
			r = absence
		}
		t.add(r, strings.TrimRight(line, " "))
	}
}

// verdict says how large the largest free block is, which limit sets it, and what would help. It
// comes last, next to the terminal's cursor.
func (t *probeLines) verdict(p probe.Probe, unconfirmed error) {
	paragraph := func(indented bool, format string, args ...any) {
		text := texts.Wrap(t.width, fmt.Sprintf(format, args...), 2)
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
		limit = ", limited by the " + string(p.LimitedBy)
	}
	paragraph(false, "largest free block: %s (%s)%s", words.Size(p.LargestFreeBlock), how, limit)
	switch {
	case unconfirmed != nil:
		paragraph(true, "not confirmed: %s", texts.OneLine(unconfirmed.Error()))
	case max(p.LargestFreeBlock, p.Computed)-min(p.LargestFreeBlock, p.Computed) > p.Computed/100:
		paragraph(true, "computed from the limits: %s, by the %s", words.Size(p.Computed), p.ComputedBy)
	case p.PossibleBlock > p.LargestFreeBlock && len(p.PageFiles) > 0:
		paragraph(true, "up to %s may be granted once page files have grown, which takes time: many small blocks are granted earlier than one large block", words.Size(p.PossibleBlock))
	case p.LimitedBy == probe.LimitGroup && runtime.GOOS == "linux":
		paragraph(true, "the system would grant more, but kill the process when it uses it")
	}
	// As many remedies as fit into one line.
	text := "what helps: "
	for i, r := range remedyTexts(memory.RemediesOf(p)) {
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
