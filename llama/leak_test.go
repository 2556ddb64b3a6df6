//go:build cgo && linux && !race

// Not with the race detector: its own memory grows with what the program did.

package llama_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

func init() { children["rounds"] = childRounds }

// anonymous is the memory of this process that no file backs, in bytes, after the Go
// heap has given back what it can.
func anonymous() (int64, error) {
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "Anonymous:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no line Anonymous in /proc/self/smaps_rollup")
}

// lab makes objects of every kind, repeatedly.
type lab struct {
	how     string // mmap or unbound
	forget  string // what is never closed
	adapter string
	blocks  *heap
	scratch []byte
	kept    []any // what was not closed, so that no cleanup does it
}

func (l *lab) params() llama.ModelParams {
	if l.how == "unbound" {
		return llama.ModelParams{Unbound: true, Scratch: unsafe.Pointer(&l.scratch[0]), ScratchSize: uintptr(len(l.scratch)), Blocks: l.blocks}
	}
	return llama.ModelParams{MMap: true, Blocks: l.blocks}
}

func (l *lab) round(ctx context.Context) (err error) {
	closing := func(kind string, c interface{ Close() error }) {
		if kind == l.forget {
			l.kept = append(l.kept, c)
		} else {
			err = errors.Join(err, c.Close())
		}
	}
	m, err := llama.LoadModel(ctx, tinyF16, l.params())
	if err != nil {
		return err
	}
	defer func() { closing("model", m) }()
	weights, err := m.Weights()
	if err != nil {
		return err
	}
	for i := range weights { // their contents do not matter here
		if err := m.Bind(i, unsafe.Pointer(&l.scratch[0])); err != nil {
			return err
		}
	}
	c, err := m.NewContext(llama.ContextParams{Ctx: 64, Batch: 16, UBatch: 16, Threads: 1, Blocks: l.blocks})
	if err != nil {
		return err
	}
	defer func() { closing("context", c) }()
	a, err := m.LoadAdapter(l.adapter)
	if err != nil {
		return err
	}
	defer func() { closing("adapter", a) }()
	s, err := m.NewSampler()
	if err != nil {
		return err
	}
	defer func() { closing("sampler", s) }()
	b, err := llama.NewBatch(512, 1)
	if err != nil {
		return err
	}
	defer func() { closing("batch", b) }()
	if err := errors.Join(c.ApplyAdapter(a, 1), s.AddPenalties(16, 1.1, 0, 0), s.AddGrammar(`root ::= .*`, "root"), s.AddTopK(10), s.AddDist(1)); err != nil {
		return err
	}
	token := llama.Token(1)
	for b.Len() < b.Cap() { // so that all of its memory is in use
		if err := b.Add(token, 0, false); err != nil {
			return err
		}
	}
	for i := range llama.Pos(3) {
		b.Clear()
		if err := errors.Join(b.Add(token, i, true), c.Decode(ctx, b)); err != nil {
			return err
		}
		if token, err = s.Sample(c, -1); err != nil {
			return err
		}
	}
	clone, err := s.Clone()
	if err != nil {
		return err
	}
	state, err := c.State(nil)
	if err != nil {
		return err
	}
	return errors.Join(clone.Close(), c.SetState(state), c.SetThreads(1, 1))
}

// childRounds prints by how many bytes the anonymous memory grew in a number of rounds,
// and the number of blocks that are out.
func childRounds(args []string) int {
	n, _ := strconv.Atoi(args[0])
	l := &lab{how: args[1], forget: args[2], adapter: args[3], blocks: newHeap(256 << 10)}
	var err error
	if l.scratch, err = syscall.Mmap(-1, 0, 4<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err != nil {
		return childError(err)
	}
	grown, err := memtest.Growth(n, anonymous, func() error { return l.round(context.Background()) })
	if err != nil {
		return childError(err)
	}
	runtime.KeepAlive(l.kept)
	fmt.Println(grown, len(l.blocks.live))
	return 0
}

// maxGrowth is allowed in leakRounds rounds, for what the C library and the Go runtime
// keep: less than 0.5 MiB, no more after sixteen times as many rounds. The least that one
// round could lose, the batch, is 27 KiB, and so 5 MiB in all; a context without its
// blocks is 500 KiB, a model 300 KiB, which samplers and adapters would keep alive. Less
// is found too: 10 KiB a round.
const (
	leakRounds = 200
	maxGrowth  = 2 << 20
)

// steadyHeap are settings of glibc with which leaks show as growth. By default, large blocks are
// allocated from its heap once a block of their size was freed, and leaks fit into the holes
// between them for many rounds.
var steadyHeap = []string{"MALLOC_ARENA_MAX=1", "MALLOC_TRIM_THRESHOLD_=0", "MALLOC_TOP_PAD_=0"}

func growth(t *testing.T, rounds int, how, forget string) (bytes int64, blocks int) {
	t.Helper()
	cmd := memtest.Child("rounds", strconv.Itoa(rounds), how, forget, plainAdapter(t))
	cmd.Env = append(cmd.Environ(), steadyHeap...)
	res, err := memtest.Run(t.Context(), cmd, memtest.Limits{})
	memtest.Need(t, err)
	if _, err := fmt.Sscan(string(res.Stdout), &bytes, &blocks); res.Code != 0 || err != nil {
		t.Fatal(res, err)
	}
	return bytes, blocks
}

func TestNothingIsLostByLoadingGeneratingAndClosing(t *testing.T) {
	for _, how := range []string{"mmap", "unbound"} {
		t.Run("a model loaded as "+how, func(t *testing.T) {
			bytes, blocks := growth(t, leakRounds, how, "nothing")
			t.Logf("%d KiB more after %d rounds", bytes>>10, leakRounds)
			if bytes > maxGrowth || blocks != 0 {
				t.Errorf("%d bytes of anonymous memory more after %d rounds, and %d blocks not given back", bytes, leakRounds, blocks)
			}
		})
	}
	t.Run("the smallest thing lost would be seen", func(t *testing.T) {
		// Half the rounds do.
		bytes, _ := growth(t, leakRounds/2, "mmap", "batch")
		t.Logf("%d KiB more after %d rounds", bytes>>10, leakRounds/2)
		if bytes <= maxGrowth {
			t.Errorf("with a batch left open in each of %d rounds memory grew by %d bytes only", leakRounds/2, bytes)
		}
	})
}

func TestNothingFreedIsTouched(t *testing.T) {
	for _, how := range []string{"mmap", "unbound"} {
		spoiled(t, memtest.Child("rounds", "3", how, "nothing", plainAdapter(t)))
	}
}
