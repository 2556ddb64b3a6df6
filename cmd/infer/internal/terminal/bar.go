package terminal

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
)

const (
	unknownWidth = 80 // columns, if the terminal's width is unknown

	barDelay  = 200 * time.Millisecond // delay before a bar appears, so that short operations show none
	barPeriod = 100 * time.Millisecond // interval between two updates of the screen
)

// Bar shows progress on one line of a terminal. Clear removes the line. Without a terminal it does
// nothing. It is not safe for concurrent use.
type Bar struct {
	screen io.Writer // nil: none
	width  func() int
	Items  string // unit of the count; "" for bytes
	delay  time.Duration
	period time.Duration

	label string
	total uint64
	bar   *progressbar.ProgressBar
	line  *barLine
}

// NewBar returns a bar for standard error. It shows nothing unless that is a terminal and bars are
// wanted.
func NewBar(stderr io.Writer, wanted bool) *Bar {
	f, ok := stderr.(*os.File)
	if !wanted || !ok || !Is(f) || !Codes(f) {
		return &Bar{}
	}
	return &Bar{screen: f, width: func() int { return Width(f) }, delay: barDelay, period: barPeriod}
}

// Show sets the bar to done of total. A new label or total starts a new bar.
func (b *Bar) Show(label string, done, total uint64) {
	if b.screen == nil || total == 0 {
		return
	}
	if b.bar == nil || label != b.label || total != b.total {
		b.Clear()
		b.label, b.total = label, total
		b.line = &barLine{screen: b.screen, width: b.width, from: time.Now().Add(b.delay)}
		b.bar = b.make(label, total)
	}
	b.bar.Set64(int64(min(done, total)))
}

// Clear removes the bar from the screen.
func (b *Bar) Clear() {
	if b.line != nil {
		b.line.clear()
	}
	b.bar, b.line = nil, nil
}

// Widths in columns: the most that the figures beside label and bar take, the narrowest bar that is
// drawn beside them, and the widest.
const (
	barBeside = 54
	barLeast  = 5
	barMost   = 32
)

func (b *Bar) make(label string, total uint64) *progressbar.ProgressBar {
	columns := b.width()
	if columns == 0 {
		columns = unknownWidth
	}
	o := []progressbar.Option{
		progressbar.OptionSetWriter(b.line),
		progressbar.OptionSetDescription(label),
		progressbar.OptionThrottle(b.period),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionClearOnFinish(),
		// Not every terminal has blocks and arrows beyond ASCII.
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
	}
	width := columns - 1 - len(label) - barBeside
	if width < barLeast {
		o = append(o, progressbar.OptionSetWidth(min(max(columns-len(label)-10, 0), barMost)), progressbar.OptionSetPredictTime(false))
		return progressbar.NewOptions64(int64(total), o...)
	}
	o = append(o, progressbar.OptionSetWidth(min(width, barMost)), progressbar.OptionShowCount())
	if b.Items == "" {
		o = append(o, progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true))
	} else {
		o = append(o, progressbar.OptionShowIts(), progressbar.OptionSetItsString(b.Items))
	}
	return progressbar.NewOptions64(int64(total), o...)
}

// barLine truncates what is written to one line of the terminal: a wrapped line could not be
// cleared, and the window may have become narrower.
type barLine struct {
	screen io.Writer
	width  func() int
	from   time.Time // nothing is shown before that
	dirty  bool
}

// ClearLine is the escape sequence that returns to the beginning of the line and clears it.
const ClearLine = "\r\x1b[K"

func (l *barLine) Write(p []byte) (int, error) {
	text := strings.NewReplacer("\r", "", "\x1b[0K", "", "\x1b[2K", "").Replace(string(p))
	if text == "" {
		l.clear()
		return len(p), nil
	}
	if time.Now().Before(l.from) {
		return len(p), nil
	}
	text = strings.TrimRight(text, " ")
	// The last column is left free: some terminals wrap when it is filled.
	if w := l.width(); w > 0 && len(text) > w-1 {
		text = text[:max(w-1, 0)]
	}
	l.dirty = true
	_, err := io.WriteString(l.screen, ClearLine+text)
	return len(p), err
}

func (l *barLine) clear() {
	if l.dirty {
		l.dirty = false
		io.WriteString(l.screen, ClearLine)
	}
}
