//go:build cgo

package runtime_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

// The budget shrinks when another program in the control group takes memory, before the kernel
// kills one: at once, also while the model rests.
func TestAnAutomaticBudgetGivesWayToOthers(t *testing.T) {
	memtest.WithoutRace(t)
	for _, tt := range []struct {
		name, kind, when string
		steps            int // in which the memory is taken: the kernel does not wait until slots that are in use are offered
	}{
		{"layers, generating", "large", "generating", 1},
		{"layers, resting", "large", resting, 1},
		{"experts, generating", mixture, "generating", 8},
		{"experts, resting", mixture, resting, 1},
	} {
		if testing.Short() && tt.when == resting {
			continue // no engine computes then
		}
		t.Run(tt.name, func(t *testing.T) { givesWay(t, model(t, tt.kind, "f16"), tt.when, tt.steps) })
	}
}

// resting is a model that has not generated for some time.
const resting = "resting"

// gaveWay is what a model did when memory was taken.
type gaveWay struct {
	Before, After uint64 // budgets
	Slots, Left   int    // for experts, before and after
	Tokens        []int32
}

func givesWay(t *testing.T, path, when string, steps int) {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 16)
	if err != nil {
		t.Fatal(err)
	}
	size := uint64(info.Size())
	cg, err := memtest.NewCgroup(size * 7 / 8)
	memtest.Need(t, err)
	defer cg.Close()
	res, err := memtest.Run(t.Context(), memtest.Child("giveway", path, when, fmt.Sprint(size/4), fmt.Sprint(steps)), memtest.Limits{Cgroup: cg})
	if err != nil {
		t.Fatal(err)
	}
	use, err := cg.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if res.Code == childUnsupported {
		t.Skip(string(res.Stderr))
	}
	var got gaveWay
	if err := json.Unmarshal(res.Stdout, &got); err != nil || res.Code != 0 || use.OOMKills != 0 {
		t.Fatal(res, use)
	}
	equal(t, "after giving way", got.Tokens, want)
	if got.After > got.Before-size/8 || got.Slots > 0 && got.Left > got.Slots*3/4 {
		t.Errorf("when %d bytes were taken: %+v", size/4, got)
	}
	t.Logf("%+v, %+v", got, use)
}

// childGiveWay generates until its slots are full, and again when another process has taken memory. It
// prints a gaveWay.
func childGiveWay(args []string) int {
	path, when := args[0], args[1]
	var size, steps uint64
	if _, err := fmt.Sscan(args[2]+" "+args[3], &size, &steps); err != nil {
		return 2
	}
	o := runtime.Options{Load: runtime.LoadMMap, Session: budgeted}
	return inChild(path, o, func(m *runtime.Model, s *runtime.Session) error {
		other, err := newTaker()
		if err != nil {
			return err
		}
		defer other.end()
		text := func(n int, each func(int32)) error {
			if err := s.Reset(); err != nil {
				return err
			}
			for x, err := range s.Generate(background, prompt, greedyOptions(n)) {
				if err != nil {
					return err
				}
				each(x.ID)
			}
			return nil
		}
		r := m.Report()
		fill := 8 // tokens
		if r.Residency.Experts != nil {
			fill = 48
		}
		if err := text(fill, func(int32) {}); err != nil {
			return err
		}
		r = m.Report()
		got := gaveWay{Before: r.Budget}
		if e := r.Residency.Experts; e != nil {
			got.Slots = e.Slots
		}
		if when == resting && got.Slots > 0 {
			if err := untilOffered(); err != nil {
				return err
			}
		}
		for n := range steps {
			taken := make(chan error, 1)
			go func() { taken <- other.take(size / steps) }()
			for done := when == resting; !done; {
				if err := text(8, func(int32) {}); err != nil {
					return err
				}
				select {
				case err := <-taken:
					taken <- err
					done = true
				default:
				}
			}
			if err := <-taken; err != nil {
				return err
			}
			most := got.Before - size/steps*(n+1)*3/4
			for i := 0; m.Report().Budget > most; i++ { // measured once in a second, and after a rest
				if when == resting && got.Slots > 0 && i > 0 {
					return errors.New("the first evaluation after a rest has not measured the budget")
				}
				if err := text(8, func(int32) {}); err != nil {
					return err
				}
			}
		}
		if err := text(16, func(id int32) { got.Tokens = append(got.Tokens, id) }); err != nil {
			return err
		}
		r = m.Report()
		if got.After = r.Budget; r.Residency.Experts != nil {
			got.Left = r.Residency.Experts.Slots
		}
		return json.NewEncoder(os.Stdout).Encode(got)
	})
}

// untilOffered waits until the process has memory that the system may take.
func untilOffered() error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile("/proc/self/smaps_rollup")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "LazyFree:" && len(f[1]) > 4 { // 10 MB
				return nil
			}
		}
	}
	return errors.New("nothing was offered to the system")
}

// taker is a process that takes memory.
type taker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func newTaker() (*taker, error) {
	t := &taker{cmd: memtest.Child("taker")}
	t.cmd.Stderr = os.Stderr
	var err error
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	_, err = t.out.ReadString('\n') // it is ready
	return t, err
}

// take makes it take as many bytes more, and waits until it has.
func (t *taker) take(bytes uint64) error {
	if _, err := fmt.Fprintln(t.in, bytes); err != nil {
		return err
	}
	_, err := t.out.ReadString('\n')
	return err
}

func (t *taker) end() {
	t.in.Close()
	t.cmd.Wait()
}

// childTaker reads numbers of bytes, takes as many at once, and keeps them until its input ends.
func childTaker([]string) int {
	var taken [][]byte
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); fmt.Println(len(taken), "taken") {
		n, err := strconv.Atoi(in.Text())
		if err != nil {
			return 2
		}
		taken = append(taken, bytes.Repeat([]byte{1}, n))
	}
	return 0
}
