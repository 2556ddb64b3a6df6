// Command compare runs a Linux program and its build for Windows under wine alternately, and prints
// the times of both: `make bench-windows`. Both must be built with the same flags, for the same
// instruction set.
//
//	compare --linux bin/infer --windows bin/infer.exe --wine 'internal/winetest/wine run' --empty bin/empty.exe
//
// It also prints the time that wine needs to start any program, measured with one that does nothing.
// Windows has no such cost: the last column is the ratio without it. Times are the minimum and the
// median of the repetitions.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
)

type comparison struct {
	linux, windows, empty, wine string
	dir                         string // for synthesized models
	threads, repetitions        int
	start                       float64 // seconds that wine needs to start any program
}

// measured has the times of one run.
type measured struct {
	wall, load float64 // seconds
	rate       float64 // tokens per second; 0: none were generated
}

// scenario is a command line that both programs run.
type scenario struct {
	name string
	args []string
}

func main() {
	var c comparison
	pflag.StringVar(&c.linux, "linux", "", "the program for Linux")
	pflag.StringVar(&c.windows, "windows", "", "the program for Windows")
	pflag.StringVar(&c.empty, "empty", "", "a program for Windows that does nothing")
	pflag.StringVar(&c.wine, "wine", "wine", "how a program for Windows is run")
	pflag.StringVar(&c.dir, "models", "", "folder for models that are made")
	pflag.IntVarP(&c.threads, "threads", "t", 1, "threads")
	pflag.IntVarP(&c.repetitions, "repetitions", "r", 5, "runs of each")
	pflag.Parse()
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func (c *comparison) run() error {
	model := filepath.Join(c.dir, "110m-q4_0.gguf")
	if _, err := os.Stat(model); err != nil {
		if err := os.MkdirAll(c.dir, 0o777); err != nil {
			return err
		}
		if out, err := exec.Command(c.linux, "synthesize", "-q", "--shape", "110m", "--type", "q4_0", model).CombinedOutput(); err != nil {
			return fmt.Errorf("synthesizing a model: %w: %s", err, out)
		}
	}
	generate := func(more ...string) []string {
		return append([]string{"--json", "-q", "-p", "Once upon a time", "--temp", "0", "--ignore-eos", "-c", "256", "-t", strconv.Itoa(c.threads)}, more...)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "seconds: least (median) of %d; %s\n", c.repetitions, strings.TrimSuffix(strconv.Itoa(c.threads)+" threads", map[bool]string{true: "s"}[c.threads == 1]))
	fmt.Fprintln(t, "\tLinux\twine\tratio\twithout wine's start")
	if c.empty != "" {
		var times []float64
		for range c.repetitions + 1 {
			m, err := measure(c.command(true, c.empty))
			if err != nil {
				return err
			}
			times = append(times, m.wall)
		}
		c.start = slices.Min(times[1:])
		fmt.Fprintf(t, "a program that does nothing\t\t%s\t\t\n", leastAndMedian(times[1:]))
	}
	for _, s := range []scenario{
		{"start (infer version)", []string{"version"}},
		{"tiny, -n 1", generate("-n", "1")},
		{"tiny, -n 64", generate("-n", "64")},
		{"110 M, -n 64, mmap", generate("-n", "64", "-m", model, "--load", "mmap")},
		{"110 M, -n 64, copy", generate("-n", "64", "-m", model, "--load", "copy")},
	} {
		if err := c.compare(t, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		t.Flush()
	}
	return nil
}

// compare runs both programs alternately, after one run each that is not measured.
func (c *comparison) compare(t *tabwriter.Writer, s scenario) error {
	var both [2][]measured
	for i := range c.repetitions + 1 {
		for system, program := range []string{c.linux, c.windows} {
			m, err := measure(c.command(system == 1, program, s.args...))
			if err != nil && system == 1 { // under wine, rarely, a process ends by SIGKILL after its last output: once more
				fmt.Fprintln(os.Stderr, "compare: measured once more after:", err)
				m, err = measure(c.command(true, program, s.args...))
			}
			if err != nil {
				return err
			}
			if i > 0 {
				both[system] = append(both[system], m)
			}
		}
	}
	row := func(name string, start float64, of func(measured) float64) {
		var times [2][]float64
		for i, runs := range both {
			for _, m := range runs {
				if v := of(m); v > 0 {
					times[i] = append(times[i], v)
				}
			}
			if len(times[i]) == 0 {
				return
			}
		}
		linux, wine := slices.Min(times[0]), slices.Min(times[1])
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\t", name, leastAndMedian(times[0]), leastAndMedian(times[1]), wine/linux)
		if start > 0 {
			fmt.Fprintf(t, "%.2f", (wine-start)/linux)
		}
		fmt.Fprintln(t)
	}
	row(s.name, c.start, func(m measured) float64 { return m.wall })
	row("  of this the load", 0, func(m measured) float64 { return m.load })
	row("  a token", 0, func(m measured) float64 {
		if m.rate == 0 {
			return 0
		}
		return 1 / m.rate
	})
	return nil
}

func (c *comparison) command(wine bool, program string, args ...string) *exec.Cmd {
	line := append([]string{program}, args...)
	if wine {
		line = append(strings.Fields(c.wine), line...)
	}
	return exec.Command(line[0], line[1:]...)
}

// measure runs a command and parses the figures in the last line of infer's output. The output goes
// to a file, because processes that wine leaves running would keep a pipe open.
func measure(cmd *exec.Cmd) (measured, error) {
	f, err := os.CreateTemp("", "compare-")
	if err != nil {
		return measured{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	start := time.Now()
	err = cmd.Run()
	m := measured{wall: time.Since(start).Seconds()}
	out, readErr := os.ReadFile(f.Name())
	if err = errors.Join(err, readErr); err != nil {
		return m, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var last struct {
		Stats struct {
			Load float64 `json:"load_seconds"`
			Rate float64 `json:"tokens_per_second"`
		} `json:"stats"`
	}
	if json.Unmarshal([]byte(lines[len(lines)-1]), &last) == nil {
		m.load, m.rate = last.Stats.Load, last.Stats.Rate
	}
	return m, nil
}

// leastAndMedian formats the minimum and the median of times.
func leastAndMedian(times []float64) string {
	slices.Sort(times)
	return fmt.Sprintf("%.4f (%.4f)", times[0], times[len(times)/2])
}
