package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/probe"
)

// figuresUnder is what `infer probe --json` says under limits.
func figuresUnder(t *testing.T, l memtest.Limits, args ...string) map[string]any {
	t.Helper()
	cmd, _ := program(t, append([]string{"probe", "--json"}, args...)...)
	cmd.Stderr = nil // Run captures it
	res, err := memtest.Run(t.Context(), cmd, l)
	memtest.Need(t, err)
	if strings.Contains(string(res.Stderr), "--fragment is not available here") {
		t.Skip(string(res.Stderr))
	}
	var got map[string]any
	if err := json.Unmarshal(res.Stdout, &got); err != nil || res.Code != 0 || len(res.Stderr) > 0 {
		t.Fatalf("%v: %v", err, res)
	}
	return got
}

func TestProbeUnderLimits(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name        string
		limits      memtest.Limits
		args        []string
		by          string
		left        string // the figure that this limit has
		least, most float64
	}{
		{"addresses", memtest.Limits{AddressSpace: 4096 * mib}, nil, "address space limit (RLIMIT_AS)", "address_space_left_bytes", 1024 * mib, 4096 * mib},
		{"data", memtest.Limits{Data: 1024 * mib}, nil, "data limit (RLIMIT_DATA)", "data_left_bytes", 512 * mib, 1024 * mib},
		{"an address space in pieces", memtest.Limits{}, []string{"--fragment", "160MiB"}, "address space (largest hole)", "largest_hole_bytes", 128 * mib, 160 * mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := figuresUnder(t, tt.limits, tt.args...)
			block, left := got["largest_free_block_bytes"].(float64), got[tt.left].(float64)
			if got["limited_by"] != tt.by || got["confirmed"] != true || block < tt.least || block > tt.most || left < block || left > block+8*mib {
				t.Errorf("%v", got)
			}
			for _, name := range []string{"address_space_left_bytes", "data_left_bytes"} {
				if name != tt.left && got[name] != nil {
					t.Errorf("%s is %v, and there is no such limit", name, got[name])
				}
			}
		})
	}
	t.Run("locked memory", func(t *testing.T) {
		if got := figuresUnder(t, memtest.Limits{Locked: 3 * mib}); got["locked_limit_bytes"] != 3.0*mib {
			t.Errorf("%v", got)
		}
	})
	t.Run("a control group", func(t *testing.T) {
		cg, err := memtest.NewCgroup(300 * mib)
		memtest.Need(t, err)
		defer cg.Close()
		got := figuresUnder(t, memtest.Limits{Cgroup: cg})
		block := got["largest_free_block_bytes"].(float64)
		if got["limited_by"] != string(probe.LimitGroup) || block > 300*mib || block < 100*mib || got["cgroup_limit_bytes"] != 300.0*mib {
			t.Errorf("%v", got)
		}
	})
}

func TestProbeFragmentIsOneClearErrorWhereItCannotBeDone(t *testing.T) {
	cmd, _ := program(t, "probe", "--fragment", "160MiB")
	cmd.Stderr = nil
	res, err := memtest.Run(t.Context(), cmd, memtest.Limits{AddressSpace: 1 << 40})
	memtest.Need(t, err)
	if text := string(res.Stderr); res.Code != exitFailure || len(res.Stdout) > 0 || strings.Count(text, "\n") != 1 || !strings.Contains(text, "--fragment is not available here: ") {
		t.Error(res)
	}
}

func TestProbeShowsACarvedProcess(t *testing.T) {
	cmd, stderr := program(t, "probe", "--fragment", "64MiB")
	out, err := cmd.Output()
	if strings.Contains(stderr.String(), "--fragment is not available here") {
		t.Skip(stderr)
	}
	text := string(out)
	if err != nil || !strings.Contains(text, "  1 TiB and more        0\n") || !strings.Contains(text, "largest free block: 64 MiB (confirmed), limited by the address space") {
		t.Errorf("%v, stderr %q\n%s", err, stderr, text)
	}
}

func TestSignalsEndWatching(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		code   int
		args   []string
	}{
		{syscall.SIGINT, 130, nil},
		{syscall.SIGINT, 130, []string{"--json"}},
		{syscall.SIGTERM, 143, nil},
	} {
		t.Run(tt.signal.String()+strings.Join(tt.args, ""), func(t *testing.T) {
			cmd, stderr := program(t, append([]string{"probe", "--watch=100ms"}, tt.args...)...)
			out, first := firstByte(t, cmd)
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(out)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			text := string(first) + string(rest)
			if code := cmd.ProcessState.ExitCode(); code != tt.code || stderr.String() != "" || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\x1b") {
				t.Errorf("exit code %d, stderr %q, stdout %q", code, stderr, text)
			}
		})
	}
}

func TestProbeWatchOnATerminal(t *testing.T) {
	for _, size := range [][2]uint16{{80, 24}, {40, 24}, {60, 20}, {40, 12}} {
		columns, rows := size[0], size[1]
		t.Run(fmt.Sprintf("%d columns by %d rows", columns, rows), func(t *testing.T) {
			user, cmd := onTerminalOf(t, "xterm", columns, rows, "probe", "--watch=100ms")
			const home, end = "\x1b[H", "\x1b[J"
			seen := readUntil(user, end) + readUntil(user, end)
			if _, err := user.Write([]byte{3}); err != nil { // Ctrl-C
				t.Fatal(err)
			}
			seen += readUntil(user, "")
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(seen, terminal.ClearLine) || strings.Contains(seen, "\x1b[2J") {
				t.Errorf("exit code %d, the terminal shows %q", code, seen)
			}
			frames := strings.Split(seen, home)
			if len(frames) < 3 || strings.Trim(frames[0], "\r\n") != "" {
				t.Fatalf("%d frames: %q", len(frames), seen)
			}
			for _, frame := range frames[1:] {
				frame, _, _ = strings.Cut(frame, end)
				if n := strings.Count(frame, "\n"); n > int(rows)-1 || !strings.Contains(frame, "largest free block: ") || !strings.Contains(frame, "RAM ") || !strings.Contains(frame, "usable now ") || !strings.Contains(frame, "what helps: ") {
					t.Errorf("%d lines: %q", n, frame)
				}
				for line := range strings.SplitSeq(frame, "\r\n") {
					if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\x1b[K")); n > int(columns)-1 {
						t.Errorf("%d columns: %q", n, line)
					}
				}
			}
		})
	}
	t.Run("a window that becomes smaller", func(t *testing.T) {
		user, cmd := onTerminal(t, 80, "probe", "--watch=1h")
		const end = "\x1b[J"
		if seen := readUntil(user, end); strings.Contains(seen, "enlarge the window") || !strings.Contains(seen, "largest free block: ") {
			t.Errorf("the terminal shows %q", seen)
		}
		resize(t, user, 40, 12)
		seen := readUntil(user, end)
		if strings.Count(seen, "\n") > 11 || !strings.Contains(seen, "enlarge the window") || !strings.Contains(seen, "RAM available") {
			t.Errorf("the smaller terminal shows %q", seen)
		}
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Run("a terminal that knows no codes shows one after the other", func(t *testing.T) {
		user, cmd := onTerminalOf(t, "dumb", 80, 24, "probe", "--watch=100ms")
		seen := readUntil(user, "what helps") + readUntil(user, "what helps")
		if _, err := user.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		seen += readUntil(user, "")
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 130 || strings.Contains(seen, "\x1b") {
			t.Errorf("exit code %d, the terminal shows %q", code, seen)
		}
	})
}
