package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// anyProbe is that of a machine with 8 GiB of RAM, of which one block may be 10 GiB,
// with RAM and swap.
func anyProbe(set func(p *probe.Probe)) probe.Probe {
	const none, gib = probe.Unlimited, 1 << 30
	p := probe.Probe{
		RAMTotal: 8 * gib, RAMAvailable: 6 * gib, SwapTotal: 2 * gib, SwapFree: gib,
		Overcommit: 0, CommitLimit: none, CommitLeft: 10 * gib, CgroupLimit: none, CgroupLeft: none,
		AddressSpaceLimit: none, AddressSpaceLeft: none, DataLimit: none, DataLeft: none, LockedLimit: none, LockedLeft: none,
		MappingsLimit: 65530, MappingsLeft: 65500, PageSize: 4096,
		LargestHole: 100 << 40, Holes: 3, FreeAddresses: 100<<40 + 2*160<<20,
		HoleSizes:        []probe.HoleClass{{AtLeast: 128 << 20, Count: 2, Bytes: 2 * 160 << 20}, {AtLeast: 64 << 40, Count: 1, Bytes: 100 << 40}},
		LargestFreeBlock: 10 * gib, LimitedBy: "commit limit", Computed: 10 * gib, ComputedBy: "commit limit", Confirmed: true,
	}
	if set != nil {
		set(&p)
	}
	return p
}

// anyPacked is a cache with a file of 1 GiB in it.
var anyPacked = packedProbe{true, &runtime.CacheUsage{Dir: "/cache", Files: 1, Used: 1 << 30, Limit: 3 << 30}, nil, llama.EngineInfo{}, nil}

func TestProbeShowsPackedFiles(t *testing.T) {
	for _, tt := range []struct {
		name       string
		p          packedProbe
		text, json string
	}{
		{"a cache", anyPacked, "packed files   1.00 GiB of 3.00 GiB at most, in /cache\n", `"packed_files":{"repack":true,"cache":{"folder":"/cache","files":1,"used_bytes":1073741824,"limit_bytes":3221225472}}}`},
		{"no folder", packedProbe{true, nil, errors.New("no home"), llama.EngineInfo{}, nil}, "packed files   none: no home\n", `"packed_files":{"repack":true,"cache":null}}`},
		{"a build without layouts", packedProbe{}, "packed files   none: this build has no CPU layouts", `"packed_files":{"repack":false,"cache":null}}`},
	} {
		p := probed{anyProbe(nil), tt.p, nil}
		if text := probeText(p, nil, 0, 0); !strings.Contains(text, "\n"+tt.text) {
			t.Errorf("%s:\n%s", tt.name, text)
		}
		if b, err := json.Marshal(p); err != nil || !strings.HasSuffix(string(b), ","+tt.json) {
			t.Errorf("%s: %s, %v", tt.name, b, err)
		}
	}
	dir := t.TempDir()
	t.Setenv(runtime.PackedCacheVariable, dir)
	if err := os.WriteFile(filepath.Join(dir, "x.packed.gguf"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := probePacked().Cache; c == nil || c.Dir != dir || c.Files != 1 || c.Used != 1000 || c.Limit < 100 {
		t.Errorf("%+v", c)
	}
}

// foundingReport is the machine of the first report: 10 GiB of RAM are free, and a block of
// 3.5 GiB is refused, as nearly all that RAM and page file can hold is promised.
func foundingReport(most uint64) probed {
	const gib = 1 << 30
	p := anyProbe(func(p *probe.Probe) {
		p.Overcommit, p.RAMTotal, p.RAMAvailable = -1, 32*gib, 10*gib
		p.SwapTotal, p.SwapFree = 4*gib, 3*gib
		p.PageFiles = []probe.PageFile{{Path: `C:\pagefile.sys`, Size: 4 * gib, Used: gib, Most: most, Managed: most > 4*gib}}
		p.CommitLimit, p.CommitLeft = 36*gib, 3*gib
		p.CommitPossible, p.CommitPossibleLeft = 32*gib+most, most-gib
		p.LargestFreeBlock, p.Computed, p.PossibleBlock, p.PossibleBy = 3*gib, 3*gib, p.CommitPossibleLeft, "commit limit"
		p.MappingsLimit, p.MappingsLeft = probe.Unlimited, probe.Unlimited
	})
	return probed{p, anyPacked, []probe.Committed{{Program: "chrome.exe", Processes: 34, Bytes: 12 * gib}, {Program: "Teams.exe", Processes: 7, Bytes: 5 * gib}, {Program: "vmmem", Processes: 1, Bytes: 4 * gib}, {Program: "kernel", Bytes: 2 * gib}, {Program: "Code.exe", Processes: 2, Bytes: gib}, {Program: "a.exe", Processes: 1, Bytes: gib}, {Program: "b.exe", Processes: 1, Bytes: gib / 2}}}
}

func TestProbeAnswersTheFoundingReport(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name string
		p    probed
		want []string
		not  string
	}{
		{"page files that grow", foundingReport(12 * gib), []string{
			"3.00 GiB free, managed by Windows, can grow to 12.0 GiB, in C:\\pagefile.sys",
			"usable now 3.00 GiB without swapping, limited by the commit limit", "usable later 10.0 GiB once page files have grown, limited by the available RAM",
			"promises 36.0 GiB, 3.00 GiB left (commit limit: RAM and page files); page files can grow: then 44.0 GiB, 11.0 GiB left",
			"promised to chrome.exe 12.0 GiB (34 processes), Teams.exe 5.00 GiB (7 processes), vmmem 4.00 GiB, kernel 2.00 GiB, Code.exe 1.00 GiB (2 processes) and 1.50 GiB others",
			"largest free block: 3.00 GiB (confirmed), limited by the commit limit up to 11.0 GiB may be granted once page files have grown",
			"what helps: map the weights, which is not charged as commit and can be evicted (--load mmap)",
		}, "can't grow"},
		{"one that can't", foundingReport(4 * gib), []string{
			"3.00 GiB free, can't grow, in C:", "limited by the commit limit what helps: close other programs",
		}, "usable later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Join(strings.Fields(probeText(tt.p, nil, 0, 0)), " ")
			for _, w := range tt.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is missing in\n%s", w, probeText(tt.p, nil, 0, 0))
				}
			}
			if strings.Contains(text, tt.not) {
				t.Errorf("%q is in\n%s", tt.not, text)
			}
			b, err := json.Marshal(tt.p)
			if err != nil || !strings.Contains(string(b), `"committed_by":[{"program":"chrome.exe","processes":34,"bytes":12884901888}`) || !strings.Contains(string(b), `"page_files":[{"path":"C:\\pagefile.sys","size_bytes":4294967296`) {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}

func TestProbeText(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name        string
		set         func(p *probe.Probe)
		unconfirmed error
		want        []string
		not         []string
	}{
		{"nothing but RAM and swap", nil, nil, []string{
			"RAM            8.00 GiB, 6.00 GiB available\n", "2.00 GiB, 1.00 GiB free", "usable now     6.00 GiB without swapping, limited by the available RAM\n",
			"only a block over RAM + swap is refused (overcommit mode 0)", "control group  no limit\n", "mappings       65530, 65500 left",
			"free addresses 100.0 TiB in 3 holes, the largest 100.0 TiB\n", "  16 to 256 MiB         2  # ", "  4 to 64 GiB           0\n",
			"\nlargest free block: 10.0 GiB (confirmed), limited by the commit limit\n  what helps: use a smaller chunk size",
		}, []string{"computed from"}},
		{"overcommit of everything", func(p *probe.Probe) {
			p.Overcommit, p.CommitLeft = 1, probe.Unlimited
			p.LimitedBy, p.LargestFreeBlock, p.Computed = "address space (largest hole)", 100<<40, 100<<40
		}, nil, []string{"none is refused (overcommit mode 1)", "100.0 TiB (confirmed), limited by the address space\n  (largest hole)\n", "what helps: use a smaller chunk size"}, nil},
		{"strict overcommit", func(p *probe.Probe) {
			p.Overcommit, p.CommitLimit, p.CommitLeft, p.LargestFreeBlock, p.Computed = 2, 6*gib, 2*gib, 2*gib, 2*gib
		}, nil, []string{"promises       6.00 GiB, 2.00 GiB left (overcommit mode 2)\n", "what helps: close other programs"}, nil},
		{"a control group", func(p *probe.Probe) {
			p.CgroupLimit, p.CgroupLeft, p.LargestFreeBlock, p.Computed, p.LimitedBy = 2*gib, gib, gib, gib, probe.LimitGroup
		}, nil, []string{"2.00 GiB, 1.00 GiB left\n", "1.00 GiB (confirmed), limited by the " + string(probe.LimitGroup) + "\n", "what helps: raise the memory limit of the control group"}, nil},
		{"all limits of a process", func(p *probe.Probe) {
			p.AddressSpaceLimit, p.AddressSpaceLeft, p.DataLimit, p.DataLeft, p.LockedLimit, p.LockedLeft = 4*gib, 3*gib, 2*gib, gib, 8<<20, 4<<20
			p.LargestFreeBlock, p.Computed, p.LimitedBy = gib, gib, "data limit (RLIMIT_DATA)"
		}, nil, []string{"4.00 GiB, 3.00 GiB left (ulimit -v)", "2.00 GiB, 1.00 GiB left (ulimit -d)", "8.0 MiB, 4.0 MiB left (ulimit -l)", "raise the data limit (ulimit -d)"}, nil},
		{"a locked limit that does not bind", func(p *probe.Probe) { p.LockedLimit = 8 << 20 }, nil, []string{"8.0 MiB, which does not bind this process"}, nil},
		{"less is granted than the figures say", func(p *probe.Probe) { p.LargestFreeBlock = 3 * gib }, nil, []string{"3.00 GiB (confirmed)", "computed from the limits: 10.0 GiB, by the commit limit\n"}, nil},
		{"a page less is granted", func(p *probe.Probe) { p.LargestFreeBlock -= 4096 }, nil, []string{"(confirmed), limited by the commit limit\n"}, []string{"computed from"}},
		{"not confirmed, and why", func(p *probe.Probe) { p.Confirmed = false }, errors.New("only 3 mappings are left\x1b"), []string{"10.0 GiB (computed), limited by", `not confirmed: only 3 mappings are left\x1b`}, nil},
		{"no swap", func(p *probe.Probe) { p.SwapTotal, p.SwapFree = 0, 0 }, nil, []string{"none\n"}, nil},
		{"an unknown address space", func(p *probe.Probe) { p.Holes, p.HoleSizes = probe.Unlimited, nil }, nil, []string{"unknown on this system"}, []string{"16 to 256 MiB"}},
		{"an address space without holes", func(p *probe.Probe) { p.Holes, p.HoleSizes, p.FreeAddresses, p.LargestHole = 0, nil, 0, 0 }, nil, []string{"0 bytes in 0 holes"}, []string{"#"}},
		{"no mappings left", func(p *probe.Probe) {
			p.MappingsLeft, p.LargestFreeBlock, p.Computed, p.LimitedBy, p.Confirmed = 0, 0, 0, "mappings (vm.max_map_count)", false
		}, nil, []string{"65530, 0 left", "0 bytes (computed), limited by the mappings", "raise vm.max_map_count"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if goruntime.GOOS == "windows" && strings.Contains(strings.Join(tt.want, ""), "ulimit") {
				t.Skip("Windows has other limits")
			}
			p := anyProbe(tt.set)
			text := probeText(probed{p, anyPacked, nil}, tt.unconfirmed, 80, 24)
			for _, w := range tt.want {
				if !strings.Contains(text, w) && !strings.Contains(strings.ReplaceAll(text, "job            ", "control group  "), w) {
					t.Errorf("%q is missing in\n%s", w, text)
				}
			}
			for _, w := range tt.not {
				if strings.Contains(text, w) {
					t.Errorf("%q is in\n%s", w, text)
				}
			}
			// With few lines, the text of a limit is shown whole or left out.
			for rows := 1; rows < 40; rows++ {
				text := probeText(probed{p, anyPacked, nil}, tt.unconfirmed, 40, rows)
				if n := strings.Count(text, "\n"); n > max(rows-1, 1) {
					t.Errorf("%d rows: %d lines", rows, n)
				}
				if got := strings.Count(text, "address space  ") == 1; got != strings.Contains(text, "(ulimit -v)") && rows > 15 {
					t.Errorf("%d rows: half of it:\n%s", rows, text)
				}
			}
			verdict := text[strings.Index(text, "largest free block"):]
			for _, size := range [][2]int{{80, 24}, {40, 24}, {40, 12}, {200, 50}, {36, 0}, {20, 24}, {80, 0}, {0, 0}, {80, 5}} {
				columns, rows := size[0], size[1]
				text := probeText(probed{p, anyPacked, nil}, tt.unconfirmed, columns, rows)
				if n := strings.Count(text, "\n"); rows > 0 && n > rows-1 {
					t.Errorf("%d by %d: %d lines:\n%s", columns, rows, n, text)
				}
				for line := range strings.Lines(text) {
					line = strings.TrimSuffix(line, "\n")
					if n := utf8.RuneCountInString(line); columns > 0 && n > columns-1 || strings.TrimRight(line, " ") != line {
						t.Errorf("%d by %d: %d columns in %q", columns, rows, n, line)
					}
				}
				if columns == 80 && !strings.HasSuffix(text, verdict) {
					t.Errorf("%d by %d: the largest free block is not last:\n%s", columns, rows, text)
				}
				words := strings.Join(strings.Fields(text), " ")
				if rows != 5 && rows != 12 && columns != 20 && !strings.Contains(words, "RAM 8.00 GiB") || !strings.Contains(words, "what helps:") {
					t.Errorf("%d by %d: something is missing:\n%s", columns, rows, text)
				}
			}
		})
	}
}

func TestProbeTextInFewRows(t *testing.T) {
	const gib = 1 << 30
	p := anyProbe(func(p *probe.Probe) {
		p.AddressSpaceLimit, p.AddressSpaceLeft, p.LargestFreeBlock, p.Computed, p.LimitedBy = 4*gib, 3*gib, 3*gib, 3*gib, "address space limit (RLIMIT_AS)"
	})
	// Important lines are shown whole, the most important first.
	for _, tt := range []struct {
		columns, rows int
		want          []string
	}{
		{40, 12, []string{"RAM available  6.00 GiB of 8.00 GiB\n", "usable now     3.00 GiB (address space\n", "address space  3.00 GiB left\n", " rows left out: enlarge the window)\n", "largest free block: 3.00 GiB", "what helps: "}},
		{40, 9, []string{"RAM available  6.00 GiB of 8.00 GiB\n", " rows left out: enlarge the window)\n", "largest free block: 3.00 GiB", "what helps: "}},
		{40, 4, []string{"largest free block: 3.00 GiB"}},
		{60, 20, []string{"RAM            8.00 GiB, 6.00 GiB available\n", "usable now     3.00 GiB without", "left out: enlarge the window)\n", "largest free block: 3.00 GiB", "what helps: "}},
		{20, 24, []string{"RAM available\n  6.00 GiB of 8.00\n  GiB\n", "usable now\n", "(more)\n", "largest free\n  block: 3.00 GiB\n", "what helps: "}},
	} {
		if goruntime.GOOS == "windows" {
			t.Skip("Windows has other limits")
		}
		text := probeText(probed{p, anyPacked, nil}, nil, tt.columns, tt.rows)
		at := 0
		for _, w := range tt.want {
			i := strings.Index(text[at:], w)
			if i < 0 {
				t.Errorf("%d by %d: %q is missing, or not in its place, in\n%s", tt.columns, tt.rows, w, text)
				break
			}
			at += i + len(w)
		}
		if n := strings.Count(text, "\n"); n > tt.rows-1 {
			t.Errorf("%d by %d: %d lines", tt.columns, tt.rows, n)
		}
	}
	if text := probeText(probed{anyProbe(nil), anyPacked, nil}, nil, 120, 50); strings.Contains(text, "left out") {
		t.Errorf("left out, and there is room:\n%s", text)
	}
}

// runProbe runs the command with figures of a test.
func runProbe(ctx context.Context, s *streams, p probe.Probe, err error, every time.Duration, json bool) error {
	c := &probeConfig{flags: newFlags(), json: json, every: every, measure: func() (probe.Probe, error) { return p, err }, packed: func() packedProbe { return anyPacked }, programs: func() ([]probe.Committed, error) { return nil, nil }}
	return c.run(ctx, s, nil)
}

func TestProbeJSON(t *testing.T) {
	r := call(t, "probe", "--json")
	if r.code != 0 || r.stderr != "" || strings.Count(r.out, "\n") != 1 {
		t.Fatalf("%+v", r)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"largest_free_block_bytes", "limited_by", "ram_available_bytes", "commit_left_bytes", "cgroup_left_bytes", "address_space_left_bytes", "largest_hole_bytes",
		"ram_total_bytes", "swap_total_bytes", "data_left_bytes", "locked_left_bytes", "mappings_left", "holes", "free_addresses_bytes", "hole_sizes", "confirmed", "computed_block_bytes", "usable_bytes", "packed_files", "engine",
	} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing in %s", name, r.out)
		}
	}
	if n, ok := got["largest_free_block_bytes"].(float64); !ok || n < 1<<20 || got["confirmed"] != true {
		t.Errorf("%s", r.out)
	}

	// Limits that there are not are null. With so few mappings nothing is asked for.
	var out, stderr bytes.Buffer
	p := anyProbe(func(p *probe.Probe) { p.Confirmed, p.MappingsLeft, p.DataLeft = false, 5, 1000 })
	if err := runProbe(t.Context(), &streams{out: &out, err: &stderr}, p, nil, 0, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"cgroup_left_bytes":null`, `"address_space_left_bytes":null`, `"commit_limit_bytes":null`, `"data_left_bytes":1000`, `"confirmed":false`, `"largest_free_block_bytes":10737418240`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in %s", want, out.String())
		}
	}
	if stderr.String() != "infer: not confirmed: only 5 mappings are left to this process, a test needs 64\n" {
		t.Errorf("stderr %q", stderr.String())
	}
}

func TestProbeReportsWhatCannotBeMeasured(t *testing.T) {
	broken := errors.New("no proc")
	for _, every := range []time.Duration{0, time.Hour} {
		var out bytes.Buffer
		if err := runProbe(t.Context(), &streams{out: &out}, probe.Probe{}, broken, every, false); !errors.Is(err, broken) || out.Len() > 0 {
			t.Errorf("%v, %q", err, out.String())
		}
	}
}

// countedWriter calls a function at the n-th write.
type countedWriter struct {
	b    bytes.Buffer // not embedded: its WriteString would not count
	n    int
	then func()
}

func (w *countedWriter) Write(p []byte) (int, error) {
	if w.n--; w.n == 0 {
		w.then()
	}
	return w.b.Write(p)
}

func (w *countedWriter) String() string { return w.b.String() }

func TestProbeWatchPrintsOneAfterTheOtherUntilInterrupted(t *testing.T) {
	for _, json := range []bool{false, true} {
		t.Run(fmt.Sprintf("json %v", json), func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			out := &countedWriter{n: 3, then: func() { cancel(&interrupted{}) }}
			var stderr bytes.Buffer
			err := runProbe(ctx, &streams{out: out, err: &stderr}, anyProbe(func(p *probe.Probe) { p.Confirmed, p.MappingsLeft = false, 5 }), nil, time.Millisecond, json)
			if code := report(ctx, err, &stderr, false); code != exitInterrupted {
				t.Errorf("exit code %d: %v", code, err)
			}
			if json {
				if strings.Count(out.String(), "\n") != 3 || strings.Count(stderr.String(), "\n") != 1 {
					t.Errorf("stdout %q, stderr %q", out.String(), stderr.String())
				}
				return
			}
			if strings.Count(out.String(), "RAM  ") != 3 || strings.Count(out.String(), "\n\nRAM  ") != 2 || strings.Contains(out.String(), "\x1b") || stderr.String() != "" {
				t.Errorf("stdout %q, stderr %q", out.String(), stderr.String())
			}
		})
	}
}

func TestIntervals(t *testing.T) {
	for _, tt := range []struct {
		text string
		want time.Duration // 0: refused
	}{
		{"2s", 2 * time.Second}, {"500ms", 500 * time.Millisecond}, {"1m", time.Minute}, {"2", 2 * time.Second}, {"0.5", 500 * time.Millisecond}, {"24h", 24 * time.Hour},
		{"", 0}, {"s", 0}, {"-1s", 0}, {"-1", 0}, {"99ms", 0}, {"25h", 0}, {"1e300", 0}, {"inf", 0}, {"NaN", 0}, {"1 s", 0},
	} {
		var d time.Duration
		if err := (intervalValue{&d}).Set(tt.text); d != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%q: %v, %v", tt.text, d, err)
		}
	}
}

func TestProbeShowsDevices(t *testing.T) {
	p := anyPacked
	p.devices = []llama.Device{
		{Name: "Vulkan0", Description: "one card", Kind: "gpu", MemoryFree: 1 << 30, MemoryTotal: 2 << 30, LargestBuffer: 1 << 29},
		{Name: "CUDA1", Description: "another", Kind: "gpu", MemoryFree: 3 << 30, MemoryTotal: 4 << 30, LargestBuffer: math.MaxUint64},
	}
	text := probeText(probed{packed: p}, nil, helpWidth, 0)
	for _, want := range []string{
		"Vulkan0        2.00 GiB, 1.00 GiB free, largest buffer 512 MiB, one card\n",
		"CUDA1          4.00 GiB, 3.00 GiB free, another\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	out, err := json.Marshal(probed{packed: p})
	if want := `"devices":[{"name":"Vulkan0","description":"one card","kind":"gpu","total_bytes":2147483648,"free_bytes":1073741824,"largest_buffer_bytes":536870912},` +
		`{"name":"CUDA1","description":"another","kind":"gpu","total_bytes":4294967296,"free_bytes":3221225472,"largest_buffer_bytes":null}]`; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s, %v", out, err)
	}
}
