//go:build cgo

package llama_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// at is a token with its place.
type at struct {
	token llama.Token
	pos   llama.Pos
	seqs  []llama.SeqID
}

// feed evaluates tokens and returns the logits of the last.
func feed(t *testing.T, c *llama.Context, tokens ...at) []float32 {
	t.Helper()
	l, err := fed(t.Context(), c, tokens...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func fed(ctx context.Context, c *llama.Context, tokens ...at) ([]float32, error) {
	b, err := llama.NewBatch(len(tokens), 4)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	for i, a := range tokens {
		if err := b.Add(a.token, a.pos, i == len(tokens)-1, a.seqs...); err != nil {
			return nil, err
		}
	}
	if err := c.Decode(ctx, b); err != nil {
		return nil, err
	}
	return c.Logits(-1, nil)
}

// storyAs is the story as one sequence.
func storyAs(seq llama.SeqID) (list []at) {
	for i, tok := range story {
		list = append(list, at{tok, llama.Pos(i), []llama.SeqID{seq}})
	}
	return list
}

// next is a token behind the story.
func next(seq llama.SeqID, pos llama.Pos) at { return at{700, pos, []llama.SeqID{seq}} }

func ends(t *testing.T, c *llama.Context, seq llama.SeqID, first, last llama.Pos) {
	t.Helper()
	lo, err := c.PosMin(seq)
	hi, err2 := c.PosMax(seq)
	if err := errors.Join(err, err2); err != nil || lo != first || hi != last {
		t.Errorf("sequence %d has the positions %d to %d, want %d to %d (%v)", seq, lo, hi, first, last, err)
	}
}

// near wants logits as good as equal: other kernels and rounding of shifted keys are
// allowed, other texts differ by more than 1 with this model.
func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if d := distance(got, want); !(d < 0.05) {
		t.Errorf("%s: logits differ by %g", what, d)
	}
}

func far(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if d := distance(got, want); d < 1 {
		t.Errorf("%s: logits differ by %g only", what, d)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSequences works on both kinds of memory: one buffer for all sequences, and one
// for each.
func TestSequences(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for _, kind := range []struct {
		name    string
		unified bool
	}{{"in one buffer", true}, {"in buffers of their own", false}} {
		t.Run(kind.name, func(t *testing.T) { sequences(t, m, kind.unified) })
	}
}

func sequences(t *testing.T, m *llama.Model, unified bool) {
	c := newContext(t, m, llama.ContextParams{Ctx: 512, UBatch: 32, SeqMax: 3, KVUnified: unified, Threads: 1})
	end := llama.Pos(len(story))
	feed(t, c, storyAs(0)...)
	want := feed(t, c, next(0, end))
	other := feed(t, c, at{story[3], 0, []llama.SeqID{1}}, next(1, 1))
	far(t, "another text", other, want)

	fresh := func(t *testing.T) {
		t.Helper()
		check(t, c.Clear())
		for seq := range llama.SeqID(3) {
			ends(t, c, seq, -1, -1)
		}
		feed(t, c, storyAs(0)...)
		ends(t, c, 0, 0, end-1)
	}

	t.Run("sequences do not see each other", func(t *testing.T) {
		fresh(t)
		feed(t, c, at{story[3], 0, []llama.SeqID{1}})
		near(t, "the first", feed(t, c, next(0, end)), want)
		near(t, "the second", feed(t, c, next(1, 1)), other)
	})
	t.Run("a copied sequence goes on like the original, and apart from it", func(t *testing.T) {
		fresh(t)
		check(t, c.CopySeq(0, 1, -1, -1))
		ends(t, c, 1, 0, end-1)
		feed(t, c, at{42, end, []llama.SeqID{0}})
		ends(t, c, 1, 0, end-1)
		near(t, "the copy", feed(t, c, next(1, end)), want)
	})
	t.Run("a copy outlives the original", func(t *testing.T) {
		fresh(t)
		check(t, c.CopySeq(0, 2, 0, end))
		ok, err := c.RemoveSeq(0, -1, -1)
		if check(t, err); !ok {
			t.Error("not removed")
		}
		ends(t, c, 0, -1, -1)
		near(t, "the copy", feed(t, c, next(2, end)), want)
	})
	t.Run("a sequence copied onto itself is as it was", func(t *testing.T) {
		fresh(t)
		check(t, c.CopySeq(0, 0, 1, 3))
		near(t, "it", feed(t, c, next(0, end)), want)
	})
	t.Run("what was removed at the end can be said again", func(t *testing.T) {
		fresh(t)
		feed(t, c, at{42, end, nil}, at{43, end + 1, nil})
		ok, err := c.RemoveSeq(0, end, -1)
		if check(t, err); !ok {
			t.Error("not removed")
		}
		ends(t, c, 0, 0, end-1)
		near(t, "the rest", feed(t, c, next(0, end)), want)
	})
	t.Run("removing of every sequence leaves none", func(t *testing.T) {
		for _, all := range []llama.SeqID{-1, -2, -1 << 31} {
			fresh(t)
			check(t, c.CopySeq(0, 1, -1, -1))
			ok, err := c.RemoveSeq(all, 2, -1)
			if check(t, err); !ok {
				t.Error("not removed")
			}
			ends(t, c, 0, 0, 1)
			ends(t, c, 1, 0, 1)
		}
	})
	t.Run("the kept sequence is the only one", func(t *testing.T) {
		fresh(t)
		check(t, c.CopySeq(0, 1, -1, -1))
		check(t, c.CopySeq(0, 2, -1, -1))
		check(t, c.KeepSeq(1))
		ends(t, c, 0, -1, -1)
		ends(t, c, 2, -1, -1)
		ends(t, c, 1, 0, end-1)
		near(t, "it", feed(t, c, next(1, end)), want)
	})
	t.Run("a shifted sequence goes on at its new place", func(t *testing.T) {
		fresh(t)
		if ok, err := c.CanShift(); err != nil || !ok {
			t.Fatalf("the tiny model cannot be shifted: %v", err)
		}
		check(t, c.ShiftSeq(0, -1, -1, 40))
		ends(t, c, 0, 40, 40+end-1)
		near(t, "shifted", feed(t, c, next(0, 40+end)), want)
	})
	t.Run("a gap can be closed", func(t *testing.T) {
		// As when a full context is shifted. The remaining cells were computed with the removed tokens, so
		// the text differs from that of the remaining tokens alone.
		fresh(t)
		_, err := c.RemoveSeq(0, 1, 3)
		check(t, err)
		check(t, c.ShiftSeq(0, 3, -1, -2))
		ends(t, c, 0, 0, end-3)
		feed(t, c, next(0, end-2))
		ends(t, c, 0, 0, end-2)
	})
	t.Run("divided positions are closer", func(t *testing.T) {
		fresh(t)
		check(t, c.DivideSeq(0, -1, -1, 2))
		ends(t, c, 0, 0, (end-1)/2)
	})
	t.Run("a shift can be undone before it was carried out", func(t *testing.T) {
		fresh(t)
		check(t, c.ShiftSeq(0, -1, -1, 7))
		check(t, c.ShiftSeq(0, -1, -1, -7))
		near(t, "it", feed(t, c, next(0, end)), want)
	})
	t.Run("states have the copies and shifts made just before", func(t *testing.T) {
		d := newContext(t, m, llama.ContextParams{Ctx: 512, UBatch: 32, SeqMax: 3, KVUnified: unified, Threads: 1})
		for _, change := range []struct {
			what string
			make func() error
			seq  llama.SeqID
			pos  llama.Pos
		}{
			{"a copy", func() error { return c.CopySeq(0, 1, -1, -1) }, 1, end},
			{"a shift", func() error { return c.ShiftSeq(0, -1, -1, 30) }, 0, 30 + end},
		} {
			fresh(t)
			check(t, change.make())
			one, err := c.SeqState(change.seq, nil)
			check(t, err)
			check(t, d.SetSeqState(2, one))
			near(t, change.what+" as one sequence", feed(t, d, next(2, change.pos)), want)

			fresh(t)
			check(t, change.make())
			all, err := c.State(nil)
			check(t, err)
			check(t, d.SetState(all))
			near(t, change.what+" among all", feed(t, d, next(change.seq, change.pos)), want)
		}
	})
	t.Run("a restored sequence is not written over by a copy made before", func(t *testing.T) {
		fresh(t)
		saved, err := c.SeqState(0, nil)
		check(t, err)
		feed(t, c, at{story[3], 0, []llama.SeqID{2}})
		check(t, c.CopySeq(2, 1, -1, -1))
		check(t, c.SetSeqState(1, saved))
		near(t, "it", feed(t, c, next(1, end)), want)
	})
	t.Run("a part of a sequence", func(t *testing.T) {
		fresh(t)
		err := c.CopySeq(0, 1, 0, 3)
		if !unified {
			if !errors.Is(err, llama.ErrArgument) {
				t.Errorf("copied from a buffer of its own: %v, want ErrArgument", err)
			}
			ends(t, c, 1, -1, -1)
			near(t, "the original afterwards", feed(t, c, next(0, end)), want)
			return
		}
		check(t, err)
		ends(t, c, 1, 0, 2)
		feed(t, c, storyAs(1)[3:]...)
		near(t, "the copy, completed", feed(t, c, next(1, end)), want)
	})
	t.Run("a token of two sequences", func(t *testing.T) {
		check(t, c.Clear())
		b, err := llama.NewBatch(1, 2)
		check(t, err)
		defer b.Close()
		check(t, b.Add(1, 0, true, 0, 1))
		err = c.Decode(t.Context(), b)
		if !unified {
			if !errors.Is(err, llama.ErrArgument) {
				t.Errorf("in buffers of their own: %v, want ErrArgument", err)
			}
			return
		}
		check(t, err)
		ends(t, c, 0, 0, 0)
		ends(t, c, 1, 0, 0)
	})
}

func TestMemoryArgumentsAreChecked(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, SeqMax: 2, KVUnified: true, Threads: 1})
	feed(t, c, storyAs(0)...)
	for _, tt := range []struct {
		name string
		call func() error
	}{
		{"removing of a sequence that the context does not have", func() error { _, err := c.RemoveSeq(2, -1, -1); return err }},
		{"copying from a negative sequence", func() error { return c.CopySeq(-1, 0, -1, -1) }},
		{"copying to a sequence that the context does not have", func() error { return c.CopySeq(0, 2, -1, -1) }},
		{"keeping a negative sequence", func() error { return c.KeepSeq(-1) }},
		{"shifting a sequence that the context does not have", func() error { return c.ShiftSeq(2, -1, -1, 1) }},
		{"dividing by 0", func() error { return c.DivideSeq(0, -1, -1, 0) }},
		{"dividing by a negative number", func() error { return c.DivideSeq(0, -1, -1, -2) }},
		{"the first position of a negative sequence", func() error { _, err := c.PosMin(-1); return err }},
		{"the last position of a sequence that the context does not have", func() error { _, err := c.PosMax(2); return err }},
		{"the state of a sequence that the context does not have", func() error { _, err := c.SeqState(2, nil); return err }},
		{"restoring as a negative sequence", func() error { return c.SetSeqState(-1, []byte{1}) }},
		{"restoring nothing", func() error { return c.SetState(nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("%v, want ErrArgument", err)
			}
		})
	}
	ends(t, c, 0, 0, llama.Pos(len(story))-1)
}

func TestAFullContextHasNoSlot(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 16, Threads: 1})
	n := llama.Pos(c.Ctx())
	b, err := llama.NewBatch(1, 1)
	check(t, err)
	defer b.Close()
	for i := range n + 1 {
		b.Clear()
		check(t, b.Add(300, i, true))
		err = c.Decode(t.Context(), b)
		if i < n {
			check(t, err)
		}
	}
	if !errors.Is(err, llama.ErrNoSlot) {
		t.Errorf("token %d of %d: %v, want ErrNoSlot", n+1, n, err)
	}
	ends(t, c, 0, 0, n-1)
	_, err = c.RemoveSeq(0, n/2, -1)
	check(t, err)
	feed(t, c, at{300, n / 2, nil})
	ends(t, c, 0, 0, n/2)
}
