//go:build cgo && linux && !race

// Not with the race detector: its own memory grows with what the program did.

package llama_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

func init() { children["calls"] = childCalls }

// longCalls are calls that pass texts of 64 KiB to C; many of them fail. Files are written
// to dir.
func longCalls(ctx context.Context, dir string, m *llama.Model, a *llama.Adapter, c *llama.Context) error {
	long := strings.Repeat("x", 64<<10)
	fails := func(what string, err error) error {
		if err == nil {
			return fmt.Errorf("%s did not fail", what)
		}
		return nil
	}
	s, err := m.NewSampler()
	if err != nil {
		return err
	}
	defer s.Close()
	_, _, err1 := m.Metadata(long)
	_, _, err2 := a.Metadata(long)
	_, err3 := m.ChatTemplate(long)
	_, err4 := llama.ApplyChatTemplate("chatml", []llama.ChatMessage{{Role: long, Content: long}}, true)
	errs := errors.Join(err1, err2, err3, err4,
		s.AddGrammar("# "+long+"\nroot ::= .", "root"),
		s.AddLazyGrammar("root ::= .", "root", []string{long, long}, nil),
		s.AddDRY(llama.DRYParams{Multiplier: 1, Base: 2, LastN: 8, Breakers: []string{long[:1000], "a"}}))

	_, err = llama.LoadModel(ctx, long, llama.ModelParams{})
	errs = errors.Join(errs, fails("loading of no file", err))
	_, err = llama.LoadModel(ctx, "", llama.ModelParams{Shards: []string{long, long + "\x00"}})
	errs = errors.Join(errs, fails("loading of shards with a NUL", err))
	_, err = m.LoadAdapter(long)
	errs = errors.Join(errs, fails("loading of no adapter", err))
	_, err = m.LoadAdapter(tinyF16)
	errs = errors.Join(errs, fails("loading of a model as an adapter", err))
	_, err = llama.ApplyChatTemplate("chatml", []llama.ChatMessage{{Role: long, Content: long}, {Role: "\x00"}}, true)
	errs = errors.Join(errs, fails("a role with a NUL", err))
	return errors.Join(errs,
		fails("quantising of no file", llama.Quantize(ctx, long, filepath.Join(dir, "out.gguf"), llama.QuantizeParams{Type: "q4_0"})),
		fails("a word with a NUL", s.AddLazyGrammar("root ::= .", "root", []string{long, "\x00"}, nil)),
		fails("an empty breaker", s.AddDRY(llama.DRYParams{Multiplier: 1, Base: 2, LastN: 8, Breakers: []string{long, ""}})),
		fails("a broken state", c.SetState([]byte(long))))
}

// childCalls prints by how much memory grew in 200 rounds.
func childCalls(args []string) int {
	ctx := context.Background()
	m, err := llama.LoadModel(ctx, tinyF16, llama.ModelParams{MMap: true})
	if err != nil {
		return childError(err)
	}
	defer m.Close()
	a, err := m.LoadAdapter(args[0])
	if err != nil {
		return childError(err)
	}
	defer a.Close()
	c, err := m.NewContext(llama.ContextParams{Ctx: 64, Threads: 1})
	if err != nil {
		return childError(err)
	}
	defer c.Close()
	grown, err := memtest.Growth(200, anonymous, func() error { return longCalls(ctx, filepath.Dir(args[0]), m, a, c) })
	if err != nil {
		return childError(err)
	}
	fmt.Println(grown)
	return 0
}

func TestCallsLeaveNoTextsBehind(t *testing.T) {
	cmd := memtest.Child("calls", plainAdapter(t))
	res, err := memtest.Run(t.Context(), cmd, memtest.Limits{})
	memtest.Need(t, err)
	var bytes int64
	if _, err := fmt.Sscan(string(res.Stdout), &bytes); res.Code != 0 || err != nil {
		t.Fatal(res, err)
	}
	t.Logf("%d KiB more", bytes>>10)
	// A leak of one text per round would add up to 12.5 MiB in 200 rounds.
	if bytes > 4<<20 {
		t.Errorf("%d bytes of anonymous memory more after 200 rounds", bytes)
	}
}
