package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// probeConfig holds the flags of `infer probe`.
type probeConfig struct {
	flags    *flags
	json     bool
	every    time.Duration // 0: once
	fragment uint64        // 0: do not fragment
	measure  func() (probe.Probe, error)
	packed   func() packedProbe
	programs func() ([]probe.Committed, error)
}

// probed is the output: memory, the disk space of packed files, and, on systems with a commit
// limit, the programs that have committed most.
type probed struct {
	probe.Probe
	packed   packedProbe
	programs []probe.Committed
}

// packedProbe is the engine in use, and the state of the packed files' cache.
type packedProbe struct {
	Repack bool                `json:"repack"` // whether the engine has layouts for this CPU
	Cache  *runtime.CacheUsage `json:"cache"`  // null if there can be no cache
	err    error
	engine llama.EngineInfo

	devices []llama.Device // that layers can be put on
}

// jsonDevice is a device in --json.
type jsonDevice struct {
	Name          string  `json:"name"`
	Description   string  `json:"description"`
	Kind          string  `json:"kind"`
	Total         uint64  `json:"total_bytes"`
	Free          uint64  `json:"free_bytes"`
	LargestBuffer *uint64 `json:"largest_buffer_bytes"` // null: no bound is known
}

func (p packedProbe) jsonDevices() []jsonDevice {
	list := []jsonDevice{}
	for _, d := range p.devices {
		j := jsonDevice{d.Name, d.Description, d.Kind, d.MemoryTotal, d.MemoryFree, &d.LargestBuffer}
		if d.LargestBuffer == math.MaxUint64 {
			j.LargestBuffer = nil
		}
		list = append(list, j)
	}
	return list
}

func probePacked() packedProbe {
	devices, _ := llama.Devices() // there are none without an engine
	devices = slices.DeleteFunc(devices, func(d llama.Device) bool { return !d.Offloads() })
	usage, err := runtime.PackedCacheUsage("")
	if err != nil {
		return packedProbe{llama.CanRepack(), nil, err, llama.Engine(), devices}
	}
	return packedProbe{llama.CanRepack(), &usage, nil, llama.Engine(), devices}
}

// MarshalJSON writes the figures of memory and those of the packed files in one object.
func (p probed) MarshalJSON() ([]byte, error) {
	memory, err := json.Marshal(p.Probe)
	if err != nil {
		return nil, err
	}
	packed, err := json.Marshal(p.packed)
	if err != nil {
		return nil, err
	}
	programs, err := json.Marshal(p.programs)
	if err != nil {
		return nil, err
	}
	engine, err := json.Marshal(p.packed.engine)
	if err != nil {
		return nil, err
	}
	devices, err := json.Marshal(p.packed.jsonDevices())
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(bytes.TrimSuffix(memory, []byte("}")), `,"committed_by":%s,"devices":%s,"engine":%s,"packed_files":%s}`, programs, devices, engine, packed), nil
}

func probeCommand() *command {
	f := newFlags()
	c := &probeConfig{flags: f, measure: probe.Measure, packed: probePacked, programs: probe.CommittedByPrograms}
	f.group("Flags")
	f.BoolVar(&c.json, "json", false, "print one JSON object; sizes in bytes, null where there is no limit")
	f.Var(intervalValue{&c.every}, "watch", "repeat every second until interrupted; --watch=TIME sets another interval, as in --watch=500ms. With --json one object per line")
	f.Lookup("watch").NoOptDefVal = "1s"
	f.Var(holeValue{&c.fragment}, "fragment", "first fragment the address space of this process until no hole is larger than this, for demonstration; "+holeRange+", on Linux and Windows")
	engineFlag(f)
	return &command{
		name:     "probe",
		summary:  "show the memory that this process may allocate, and its limits",
		synopsis: []string{"[flags]"},
		about: "Shows the memory of this machine, the limits that apply to this process, and the largest block that it may allocate at once. " +
			"The largest block is allocated and freed at once, without using it, so that the figure is what the system really grants. " +
			"On systems with a commit limit (overcommit mode 2, Windows) other programs may be refused memory at that moment.",
		examples: []string{
			`infer probe --json | jq .largest_free_block_bytes`, "for programs",
			`infer probe --fragment 160MiB`, "what a fragmented address space looks like",
			`(ulimit -v 4000000; infer probe --watch)`, "under a limit, until Ctrl-C",
		},
		flags: f,
		run:   c.run,
	}
}

func (c *probeConfig) run(ctx context.Context, s *streams, args []string) error {
	if len(args) > 0 {
		if c.flags.Changed("watch") && (intervalValue{new(time.Duration)}).Set(args[0]) == nil {
			return usagef("unexpected argument %s (did you mean --watch=%s?)", words.Quoted(args[0]), args[0])
		}
		return unexpected(args)
	}
	if c.fragment > 0 {
		if err := fragment(c.fragment); err != nil {
			return err
		}
	}
	v := newProbeView(c, s)
	if c.every == 0 {
		return v.show()
	}
	return v.watch(ctx, c.every)
}

// fragment fragments the address space of this process.
func fragment(hole uint64) error {
	_, err := memtest.Carve(memtest.CarveOptions{HoleSize: hole})
	var not *memtest.Unsupported
	if errors.As(err, &not) {
		return fmt.Errorf("--fragment is not available here: %s", not.Missing)
	}
	return err
}

// probeView shows one probe after the other.
type probeView struct {
	c     *probeConfig
	s     *streams
	print func(probed, error) error
	again func() error // shows the last probe again after the window was resized; nil if not on a terminal
	end   func() error // error of showing the last probe

	complained bool
}

// newProbeView chooses how probes are shown: as JSON, as text, or, with --watch on a terminal, each
// in place of the one before.
func newProbeView(c *probeConfig, s *streams) *probeView {
	v := &probeView{c: c, s: s, end: func() error { return nil }}
	f, watched := terminalOf(s.out)
	size := func() (columns, rows int) { return helpWidth, 0 }
	if watched {
		size = func() (columns, rows int) { return terminal.Size(f) }
	}
	switch {
	case c.json:
		v.print = v.printJSON
	case c.every > 0 && watched && terminal.Codes(f):
		screen := &terminal.Redrawer{W: s.out, Size: size}
		v.end = screen.End
		v.print = func(p probed, unconfirmed error) error {
			v.again = func() error {
				return screen.Draw(func(columns, rows int) string { return probeText(p, unconfirmed, columns, rows) })
			}
			return v.again()
		}
	default:
		first := true
		v.print = func(p probed, unconfirmed error) error {
			text := ""
			if !first {
				text = "\n"
			}
			first = false
			columns, _ := size()
			_, err := io.WriteString(s.out, text+probeText(p, unconfirmed, columns, 0))
			return err
		}
	}
	return v
}

// show measures, confirms the largest free block, and prints once.
func (v *probeView) show() error {
	p, err := v.c.measure()
	if err != nil {
		return err
	}
	programs, _ := v.c.programs() // keep one row free
	p, err = p.Confirm()
	return v.print(probed{p, v.c.packed(), programs}, err)
}

// watch repeats show until ctx is cancelled.
func (v *probeView) watch(ctx context.Context, every time.Duration) error {
	t := time.NewTicker(every)
	defer t.Stop()
	resized, stop := terminal.Resizes()
	defer stop()
	for next := v.show; ; {
		if err := next(); err != nil {
			return errors.Join(err, v.end())
		}
		if v.again == nil {
			resized = nil
		}
		select {
		case <-t.C:
			next = v.show
		case <-resized:
			next = v.again
		case <-ctx.Done():
		}
		if ctx.Err() != nil { // even if the next is due
			if err := v.end(); err != nil {
				return err
			}
			return shown{context.Cause(ctx)} // an interrupt is the normal end
		}
	}
}

// printJSON prints one object. The reason why the block is not confirmed goes to standard error,
// once.
func (v *probeView) printJSON(p probed, unconfirmed error) error {
	if unconfirmed != nil && !v.complained {
		v.complained = true
		fmt.Fprintln(v.s.err, "infer: not confirmed: "+texts.OneLine(unconfirmed.Error()))
	}
	return texts.WriteJSON(v.s.out, p)
}

// terminalOf returns the terminal that a command writes to, or nil.
func terminalOf(out io.Writer) (*os.File, bool) {
	if c, ok := out.(*checkedWriter); ok {
		out = c.w
	}
	f, ok := out.(*os.File)
	return f, ok && terminal.Is(f)
}

// intervalValue is a flag with an interval.
type intervalValue struct{ p *time.Duration }

const (
	shortestInterval = 100 * time.Millisecond
	longestInterval  = 24 * time.Hour
)

func (v intervalValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if n, e := strconv.ParseFloat(s, 64); e == nil && n >= 0 && n < 1e6 {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil {
		return errors.New("want a time such as 2s, 500ms or 1m")
	}
	if d < shortestInterval || d > longestInterval {
		return errors.New("out of range (100ms to 24h)")
	}
	*v.p = d
	return nil
}

func (v intervalValue) Type() string   { return "TIME" }
func (v intervalValue) String() string { return "" }

// holeValue is a flag with the size of holes in an address space: large enough for the stack of a
// thread, and small enough that a hundred of them fit.
type holeValue struct{ p *uint64 }

const (
	smallestHole = 16 << 20
	largestHole  = 64 << 30
	holeRange    = "16MiB to 64GiB"
)

func (v holeValue) Set(s string) error {
	n, err := values.ParseSize(s)
	if err != nil {
		return err
	}
	if n < smallestHole || n > largestHole {
		return errors.New("out of range: want " + holeRange)
	}
	*v.p = n
	return nil
}

func (v holeValue) Type() string   { return "SIZE" }
func (v holeValue) String() string { return "" }
